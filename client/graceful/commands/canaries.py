"""Canaries of a gallery: have them checked, hand them in, acknowledge drift."""

from pathlib import Path
from typing import Annotated

import typer

from graceful.answers import Canaries, CanaryCheck
from graceful.client import Client
from graceful.commands.progress import Transfer
from graceful.commands.root import (
    PATIENCE_S,
    Shape,
    ShapeOption,
    app,
    registry,
    say,
    show,
    show_json,
)
from graceful.errors import TimedOutError, UsageError
from graceful.standing import EXIT, UNDER_WAY, Standing
from graceful.text import columns, facts

canaries = typer.Typer(
    no_args_is_help=True, help="Tell whether another encoder is in use than a gallery claims."
)
app.add_typer(canaries, name="canaries")

GalleryArgument = Annotated[str, typer.Argument(metavar="GALLERY")]
WaitOption = Annotated[bool, typer.Option("--wait/--no-wait", help="Until a worker is done.")]
TimeoutOption = Annotated[float, typer.Option(min=0, metavar="SECONDS", help="How long to wait.")]

FOUND = {"matches": Standing.PASSED, "differs": Standing.FAILED}
"""Whatever else a check that ended says is an error, never a match."""

HEAD = ("segment", "claimed", "outcome", "canaries", "differ", "worst", "tolerance", "are of")


@canaries.command()
def check(
    gallery: GalleryArgument,
    wait: WaitOption = True,
    timeout: TimeoutOption = PATIENCE_S,
    form: ShapeOption = Shape.TABLE,
) -> None:
    """Check the canaries now; exits 0 when all match, 1 when some differ, 6 when errored."""
    with registry() as client:
        asked = client.check_canaries(gallery)
        _tell(client, asked, form, timeout_s=timeout if wait else 0)


@canaries.command()
def status(gallery: GalleryArgument, form: ShapeOption = Shape.TABLE) -> None:
    """Say what the newest check found; exits as check does."""
    with registry() as client:
        found = next(client.canary_checks(gallery), None)
        if found is None:
            raise UsageError(f"{gallery} was never checked", code="unknown_canary_check")
        _tell(client, found, form, timeout_s=0)


@canaries.command()
def hand_in(
    gallery: GalleryArgument,
    file: Annotated[
        Path,
        typer.Argument(
            metavar="FILE", exists=True, dir_okay=False, help="Rows of id, input or image, vector."
        ),
    ],
    segment: Annotated[
        int, typer.Option(min=1, metavar="N", help="That holds them: see `graceful galleries`.")
    ],
    tolerance: Annotated[
        float | None, typer.Option(help="Greatest drift that counts as the same vector.")
    ] = None,
    wait: WaitOption = True,
    timeout: TimeoutOption = PATIENCE_S,
    form: ShapeOption = Shape.TABLE,
) -> None:
    """Hand in canaries of an attached gallery; exits 0 once they are accepted."""
    with registry() as client:
        held = client.hand_in_canaries(
            gallery, file, segment=segment, tolerance=tolerance, progress=Transfer()
        )
        if wait:
            held = client.wait_for_canaries(gallery, held["id"], timeout_s=timeout)
    show_json(held) if form is Shape.JSON else show(_handed_in(held))
    raise typer.Exit(EXIT[_standing_of_set(held)])


@canaries.command()
def acknowledge(
    gallery: GalleryArgument,
    reason: Annotated[str, typer.Option(help="Why the drift is no harm; the ledger keeps it.")],
) -> None:
    """Acknowledge the drift of a gallery, so that promotions go on."""
    with registry() as client:
        drift = client.acknowledge_drift(gallery, reason=reason)
    show(f"acknowledged: {drift['in_words']}")


def _tell(client: Client, found: CanaryCheck, form: Shape, *, timeout_s: float) -> None:
    """Show a check, after waiting if asked to, and exit with what it found."""
    if timeout_s:
        try:
            found = client.wait_for_canary_check(found["gallery"], found["id"], timeout_s=timeout_s)
        except TimedOutError as exc:
            say(f"{exc.code}: {exc}")
    show_json(found) if form is Shape.JSON else show(_checked(found))
    raise typer.Exit(EXIT[_standing_of(found)])


def _standing_of(found: CanaryCheck) -> Standing:
    if found["work_state"] in UNDER_WAY:
        return Standing.PENDING
    return FOUND.get(found["outcome"] or "", Standing.ERRORED)


def _standing_of_set(held: Canaries) -> Standing:
    if held["work_state"] in UNDER_WAY:
        return Standing.PENDING
    return Standing.PASSED if held["work_state"] == "done" else Standing.FAILED


def _checked(found: CanaryCheck) -> str:
    rows: list[tuple[str, object]] = [
        ("check", found["id"]),
        ("gallery", found["gallery"]),
        ("outcome", found["outcome"] or found["work_state"]),
    ]
    if found["error"]:
        rows.append(("error", f"{found['error']['code']}: {found['error']['detail']}"))
    segments = [
        (
            one["segment"],
            one["producer"],
            one["outcome"],
            one["items"],
            one["over"],
            _figure(one["worst"]),
            _figure(one["tolerance"]),
            ", ".join(one["of"]) or one["code"] or "-",
        )
        for one in found["segments"]
    ]
    return facts(rows) + ("\n\n" + columns(HEAD, segments) if segments else "")


def _figure(drift: float | None) -> str:
    return "-" if drift is None else f"{drift:.2g}"


def _handed_in(held: Canaries) -> str:
    rows: list[tuple[str, object]] = [
        ("canaries", held["id"]),
        ("segment", held["segment"]),
        ("producer", held["producer"]),
        ("rows", held["rows"]),
        ("state", "in force" if held["is_current"] else held["work_state"]),
    ]
    if held["error"]:
        rows.append(("error", f"{held['error']['code']}: {held['error']['detail']}"))
    return facts(rows)
