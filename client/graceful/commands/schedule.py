"""Promotions that were asked for beforehand: what ``promote --at`` asks for, list, cancel."""

import re
from typing import Annotated, Any

import typer

from graceful.answers import Schedule, ScheduleSummary
from graceful.commands.root import (
    ReasonOption,
    Shape,
    ShapeOption,
    app,
    registry,
    show,
    show_json,
)
from graceful.errors import UsageError
from graceful.moments import moment
from graceful.references import alias_reference
from graceful.text import Row, columns, printable

schedule = typer.Typer(no_args_is_help=True, help="List and cancel scheduled promotions.")
app.add_typer(schedule, name="schedule")

HEAD = ("schedule", "alias", "candidate", "state", "not before", "not after", "shadow", "by", "why")


@schedule.command("list")
def list_schedules(
    alias: Annotated[
        str, typer.Argument(metavar="[MODEL@ALIAS]", help="Of one alias; of all unless told.")
    ] = "",
    open_only: Annotated[
        bool, typer.Option("--open", help="Only those that may still be done.")
    ] = False,
    form: ShapeOption = Shape.TABLE,
) -> None:
    """List promotions that were asked for beforehand, newest first."""
    reference = alias_reference(alias) if alias else None
    with registry() as client:
        found = list(
            client.schedules(
                model=reference.model if reference else "",
                alias=reference.alias if reference else "",
                state="open" if open_only else "",
            )
        )
    if form is Shape.JSON:
        show_json(found)
    else:
        show(columns(HEAD, map(_row, found)))


@schedule.command()
def cancel(
    number: Annotated[int, typer.Argument(min=1, metavar="SCHEDULE", help="Its number.")],
    reason: ReasonOption = "",
    form: ShapeOption = Shape.TABLE,
) -> None:
    """Cancel a promotion that was asked for beforehand."""
    with registry() as client:
        show_schedule(client.cancel_schedule(number, reason=reason), form)


def asked_for(at: str, until: str, after_shadow: str, *, dry_run: bool) -> dict[str, Any]:
    """Return when and on what condition a promotion shall be done; empty where it is done now.

    Raises:
        UsageError: the options do not fit together.
    """
    if not (at or after_shadow):
        if until:
            raise UsageError("--until takes --at or --after-shadow")
        return {}
    if dry_run:
        raise UsageError("a dry run is done now; scheduling asks the gate anyway")
    return {
        "not_before": moment(at) if at else None,
        "not_after": moment(until) if until else None,
        "after_shadow": _condition(after_shadow) if after_shadow else None,
    }


def show_schedule(held: Schedule, form: Shape) -> None:
    """Write a schedule as a sentence, or as it is."""
    if form is Shape.JSON:
        show_json(held)
        return
    what = f"schedule {held['id']}: {held['candidate']} for {held['alias']}"
    if held["state"] == "open":
        rest = f"not before {held['not_before']}, not after {held['not_after']}"
        rest += f"; {held['waits_for']}" if held["waits_for"] else ""
    else:
        rest = f"{held['state']} {held['detail']}".strip()
    show(printable(f"{what}, {rest}"))


def _condition(text: str) -> dict[str, Any]:
    found = re.fullmatch(r"([0-9]{1,9}):([0-9]*\.?[0-9]+)", text)
    if found is None:
        raise UsageError(f"{text!r} is not QUERIES:OVERLAP, such as 1000:0.9")
    return {"queries": int(found[1]), "overlap": float(found[2])}


def _row(held: ScheduleSummary) -> Row:
    shadow = held["after_shadow"]
    return (
        held["id"],
        held["alias"],
        held["candidate"],
        held["state"],
        held["not_before"],
        held["not_after"],
        f"{shadow['queries']}:{shadow['overlap']:g}" if shadow else None,
        held["created_by"],
        held["detail"] or held["reason"] or None,
    )
