"""Waivers: ask for one, grant one that somebody else asked for, list those of an alias."""

from collections.abc import Iterable
from typing import Annotated

import typer

from graceful.answers import Waiver
from graceful.commands.gate import act_on
from graceful.commands.root import (
    AliasArgument,
    CandidateOption,
    Shape,
    ShapeOption,
    app,
    registry,
    show,
    show_json,
)
from graceful.moments import moment
from graceful.references import alias_reference
from graceful.text import Row, columns, printable

waiver = typer.Typer(no_args_is_help=True, help="Ask for, grant and list waivers.")
app.add_typer(waiver, name="waiver")

HEAD = ("waiver", "candidate", "rules", "asked for by", "granted by", "ends", "reason")


@waiver.command()
def request(
    alias: AliasArgument,
    candidate: CandidateOption,
    rule: Annotated[
        list[str], typer.Option(help="A rule that stands against it; several: once for each.")
    ],
    reason: Annotated[str, typer.Option(help="Why; it goes into the ledger.")],
    expires: Annotated[
        str, typer.Option(metavar="TIME", help="2030-01-31 or 2030-01-31T12:00:00Z")
    ],
    sample_id: Annotated[
        list[str] | None,
        typer.Option(help="It then holds only while no other sample flips; once for each."),
    ] = None,
    form: ShapeOption = Shape.TABLE,
) -> None:
    """Ask that a rule shall not block a candidate; it counts once another person grants it."""
    reference, expires_at = alias_reference(alias), moment(expires)
    with registry() as client:
        made = act_on(
            client,
            reference,
            candidate,
            lambda upgrade: client.request_waiver(
                upgrade,
                rules=rule,
                reason=reason,
                expires_at=expires_at,
                sample_ids=sample_id or (),
            ),
        )
    _show(
        made, f"asked for {_about(made)}; another person: graceful waiver grant {made['id']}", form
    )


@waiver.command()
def grant(
    number: Annotated[int, typer.Argument(min=1, metavar="WAIVER", help="Its number.")],
    form: ShapeOption = Shape.TABLE,
) -> None:
    """Grant a waiver that somebody else asked for."""
    with registry() as client:
        granted = client.grant_waiver(number)
    _show(granted, f"granted {_about(granted)}", form)


@waiver.command("list")
def list_waivers(
    alias: AliasArgument,
    owed: Annotated[
        bool, typer.Option("--owed", help="Only those under which the alias serves now.")
    ] = False,
    form: ShapeOption = Shape.TABLE,
) -> None:
    """List the waivers that were asked for at an alias, newest first."""
    reference = alias_reference(alias)
    with registry() as client:
        found = (
            client.alias(reference.model, reference.alias)["waivers_owed"]
            if owed
            else list(client.waivers(reference.model, reference.alias))
        )
    if form is Shape.JSON:
        show_json(found)
    else:
        show(table_of(found))


def table_of(waivers: Iterable[Waiver]) -> str:
    """Return waivers as a table."""
    return columns(HEAD, map(_row, waivers))


def _row(waiver: Waiver) -> Row:
    named = len(waiver["sample_ids"])
    rules = ", ".join(waiver["rules"]) + (f" ({named} named samples)" if named else "")
    return (
        waiver["id"],
        waiver["candidate"],
        rules,
        waiver["requested_by"],
        waiver["granted_by"],
        _end(waiver),
        waiver["reason"],
    )


def _about(waiver: Waiver) -> str:
    rules = ", ".join(waiver["rules"])
    what = f"waiver {waiver['id']} of {rules} for {waiver['candidate']}"
    return printable(f"{what}, {_end(waiver)}")


def _end(waiver: Waiver) -> str:
    return f"{'expired on' if waiver['expired'] else 'ends'} {waiver['expires_at'][:10]}"


def _show(waiver: Waiver, sentence: str, form: Shape) -> None:
    if form is Shape.JSON:
        show_json(waiver)
    else:
        show(sentence)
