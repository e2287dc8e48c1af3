"""Adapters for a candidate that does not understand the old vectors: fit one, list them."""

from collections.abc import Iterable
from enum import StrEnum
from typing import Annotated

import typer

from graceful.answers import Adapter, AdapterFigures, Measurement
from graceful.client import Client
from graceful.commands.gate import act_on, awaited
from graceful.commands.root import (
    PATIENCE_S,
    AliasArgument,
    CandidateOption,
    Shape,
    ShapeOption,
    TimeoutOption,
    app,
    registry,
    say,
    show,
    show_json,
)
from graceful.errors import TimedOutError
from graceful.references import alias_reference, numbered_reference
from graceful.report import report_on
from graceful.standing import EXIT, Standing, is_fitted
from graceful.text import Row, columns, interval, printable

adapter = typer.Typer(no_args_is_help=True, help="Fit adapters, and list what they were worth.")
app.add_typer(adapter, name="adapter")


class Side(StrEnum):
    """What is mapped into which space."""

    QUERY = "query"
    GALLERY = "gallery"


HEAD = ("set", "measure", "stay", "as it is", "adapted", "adapted - stay", "re-embedded")
CONFIDENCE = "0.95"


@adapter.command()
def fit(
    alias: AliasArgument,
    candidate: CandidateOption,
    on: Annotated[str, typer.Option(metavar="NAME:N", help="A set that does not judge the alias.")],
    side: Annotated[
        Side, typer.Option(help="Map queries into the old space, or stored vectors into the new.")
    ] = Side.QUERY,
    wait: Annotated[
        bool, typer.Option("--wait", help="Until the adapted version is judged; exit as gate.")
    ] = False,
    timeout: TimeoutOption = PATIENCE_S,
    form: ShapeOption = Shape.TABLE,
) -> None:
    """Fit an adapter for a candidate; the adapted version gets an upgrade of its own."""
    reference, fitting = alias_reference(alias), numbered_reference(on)
    with registry() as client:
        asked = act_on(
            client,
            reference,
            candidate,
            lambda upgrade: client.fit_adapter(upgrade, str(fitting), side=side.value),
        )
        found, standing = _followed(client, asked, timeout) if wait else (asked, None)
    if form is Shape.JSON:
        show_json(found)
    else:
        show(described(found))
    raise typer.Exit(EXIT[standing] if standing else 0)


@adapter.command("list")
def list_adapters(
    alias: AliasArgument, candidate: CandidateOption, form: ShapeOption = Shape.TABLE
) -> None:
    """List the adapters of a candidate, newest first, with what was measured of each."""
    reference = alias_reference(alias)
    with registry() as client:
        upgrade = client.upgrade_to(reference.model, candidate, alias=reference.alias)
        found = list(client.adapters(upgrade["id"]))
    if form is Shape.JSON:
        show_json(found)
    else:
        show("\n\n".join(map(described, found)))


def described(found: Adapter) -> str:
    """Return an adapter as sentences and, once measured, a table."""
    mapped, into = found["candidate"], found["incumbent"]
    if found["side"] == Side.GALLERY:
        mapped, into = f"stored vectors of {into}", mapped
    what = f"adapter of {mapped} to {into} on {found['evaluation_set']}"
    lines = [f"{what}: {found['work_state']}"]
    if found["error"]:
        lines.append(f"{found['error']['code']}: {found['error']['detail']}")
    if found["result"]:
        chosen = found["result"]["method"]
        for one in [*found["result"]["tried"], found["result"]["stay_old"]]:
            mark = "  (chosen)" if one["name"] == chosen else ""
            lines.append(f"  {one['name']}: retains {one['retained']:.1%} held out{mark}")
    if found["version"]:
        lines.append(f"made {found['version']}, upgrade {found['version_upgrade']}")
    for one in found["preparations"]:
        lines.append(
            f"  {one['gallery']}: {one['rewritten']:,} of {one['items']:,} items rewritten"
            + (f", {one['failed_batches']} batches failed" if one["failed_batches"] else "")
        )
    text = "\n".join(map(printable, lines))
    measured = any(row["gain"] for row in found["figures"])
    return f"{text}\n{table_of(found['figures'])}" if measured else text


def table_of(figures: Iterable[AdapterFigures]) -> str:
    """Return what was measured on the sets that judge, with 95 % intervals."""
    return columns(HEAD, map(_row, figures))


def _row(row: AdapterFigures) -> Row:
    ways = (row["old_old"], row["untouched"], row["adapted"], row["gain"], row["re_embedded"])
    return (row["evaluation_set"], row["measure"], *map(_number, ways))


def _number(measurement: Measurement | None) -> str:
    if measurement is None or measurement["value"] is None:
        return "-"
    ends = [measurement["bounds"].get(side, {}).get(CONFIDENCE) for side in ("lower", "upper")]
    return f"{measurement['value']:.3f} {interval(*ends)}"


def _followed(client: Client, asked: Adapter, timeout_s: float) -> tuple[Adapter, Standing]:
    """Return the adapter and the standing of its version, or pending when the time is over."""

    def read() -> Adapter:
        known = client.adapters(asked["upgrade"])
        return next(one for one in known if one["id"] == asked["id"])

    try:
        found = client.wait(read, is_fitted, timeout_s=timeout_s, what="the adapter")
    except TimedOutError as exc:
        say(f"{exc.code}: {exc}")
        return read(), Standing.PENDING
    if found["version_upgrade"] is None:
        return found, Standing.ERRORED
    judged = awaited(client, found["version_upgrade"], timeout_s)
    report = report_on(judged, client.url)
    say(f"{report.sentence}; {report.url}")
    return read(), report.standing
