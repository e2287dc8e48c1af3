"""Backfill a gallery: what it takes, start, follow, pause, resume, stop."""

from typing import Annotated

import typer

from graceful.answers import Backfill, BackfillPlan
from graceful.client import Client
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
from graceful.errors import UsageError
from graceful.standing import EXIT, Standing
from graceful.text import columns, facts

backfill = typer.Typer(no_args_is_help=True, help="Re-embed a gallery with its live encoder.")
app.add_typer(backfill, name="backfill")

GalleryArgument = Annotated[str, typer.Argument(metavar="GALLERY")]
WaitOption = Annotated[bool, typer.Option("--wait", help="Until it ends, or is paused.")]
TimeoutOption = Annotated[float, typer.Option(min=0, metavar="SECONDS", help="How long to wait.")]

ENDED = {"done": Standing.PASSED, "running": Standing.PENDING, "paused": Standing.PENDING}
"""What is neither done nor under way was stopped, by a person or a cutover: it failed."""


@backfill.command()
def plan(
    gallery: GalleryArgument,
    price_per_hour: Annotated[
        float | None, typer.Option(min=0, help="Of one worker, in any currency.")
    ] = None,
    form: ShapeOption = Shape.TABLE,
) -> None:
    """Say what a full backfill would take and cost, from measured rates."""
    with registry() as client:
        found = client.backfill_plan(gallery, price_per_hour=price_per_hour)
    show_json(found) if form is Shape.JSON else show(_planned(found))


@backfill.command()
def start(
    gallery: GalleryArgument,
    order: Annotated[str, typer.Option(help="random, oldest or predicted_gain.")] = "random",
    rate: Annotated[
        float | None, typer.Option(metavar="PER_SECOND", help="Items a second, at most.")
    ] = None,
    wait: WaitOption = False,
    timeout: TimeoutOption = PATIENCE_S,
    form: ShapeOption = Shape.TABLE,
) -> None:
    """Begin to move the items of other versions to the live encoder."""
    with registry() as client:
        made = client.start_backfill(gallery, order=order, rate_limit_per_s=rate)
        _tell(client, made, form, timeout_s=timeout if wait else 0)


@backfill.command()
def status(
    gallery: GalleryArgument,
    wait: WaitOption = False,
    timeout: TimeoutOption = PATIENCE_S,
    form: ShapeOption = Shape.TABLE,
) -> None:
    """Say how far the newest backfill has come; exits 0 when it is done."""
    with registry() as client:
        _tell(client, _newest(client, gallery), form, timeout_s=timeout if wait else 0)


@backfill.command()
def pause(gallery: GalleryArgument, form: ShapeOption = Shape.TABLE) -> None:
    """Begin no further step."""
    _steer(gallery, "pause", form)


@backfill.command()
def resume(gallery: GalleryArgument, form: ShapeOption = Shape.TABLE) -> None:
    """Go on where it was paused."""
    _steer(gallery, "resume", form)


@backfill.command()
def stop(gallery: GalleryArgument, form: ShapeOption = Shape.TABLE) -> None:
    """End it; what was moved stays moved."""
    _steer(gallery, "stop", form)


def _steer(gallery: str, verb: str, form: Shape) -> None:
    with registry() as client:
        found = client.steer_backfill(gallery, _newest(client, gallery)["id"], verb)
    _show(found, form)


def _newest(client: Client, gallery: str) -> Backfill:
    found = next(client.backfills(gallery), None)
    if found is None:
        raise UsageError(f"{gallery} has no backfill", code="unknown_backfill")
    return found


def _tell(client: Client, found: Backfill, form: Shape, *, timeout_s: float) -> None:
    """Show a backfill, after waiting if asked to, and exit with how it stands."""
    if timeout_s:
        gallery, pk = found["gallery"], found["id"]
        found = client.wait_for_backfill(gallery, pk, timeout_s=timeout_s, watch=_say_progress)
    _show(found, form)
    raise typer.Exit(EXIT[ENDED.get(found["state"], Standing.FAILED)])


def _say_progress(found: Backfill) -> None:
    say(f"backfill {found['id']}: {found['state']}, {_handled(found)} of {found['total']}")


def _handled(found: Backfill) -> int:
    return found["moved"] + found["skipped"] + found["failed"]


def _show(found: Backfill, form: Shape) -> None:
    if form is Shape.JSON:
        show_json(found)
        return
    error = found["error"]
    rows: list[tuple[str, object]] = [
        ("backfill", found["id"]),
        ("encoder", found["encoder"]),
        ("state", found["state"]),
        ("moved", f"{found['moved']} of {found['total']}"),
        ("skipped", found["skipped"]),
        ("failed", found["failed"]),
        ("items/s", found["rate_per_s"]),
        ("ends", found["ends_at"]),
        ("order", " ".join([found["order"], found["order_note"]]).strip()),
    ]
    if error:
        rows.append(("error", f"{error['code']}: {error['detail']}"))
    show(facts(rows))


def _planned(found: BackfillPlan) -> str:
    about = facts(
        [
            ("encoder", found["encoder"]),
            ("to move", found["movable"]),
            ("without inputs", found["inputs_missing"]),
            ("items/s", found["rate_per_s"]),
            ("measured in", found["rate_measured_in"] or found["undefined"]),
            ("seconds", found["duration_s"]),
            ("cost", found["cost"]),
        ]
    )
    rows = [(p["producer"], p["items"], p["with_inputs"]) for p in found["producers"]]
    if not rows:
        return about
    return about + "\n\n" + columns(("embedded by", "items", "with inputs"), rows)
