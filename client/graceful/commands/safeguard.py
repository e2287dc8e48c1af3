"""Signals that roll an alias back soon after a promotion: declare, list, remove; and send them."""

from typing import Annotated

import typer

from graceful.answers import Safeguard, Signal
from graceful.commands.root import (
    AliasArgument,
    ReasonOption,
    Shape,
    ShapeOption,
    app,
    registry,
    say,
    show,
    show_json,
)
from graceful.moments import moment
from graceful.references import alias_reference, plain_name
from graceful.standing import EXIT, Standing
from graceful.text import Row, columns, printable

safeguard = typer.Typer(no_args_is_help=True, help="Declare which signals roll an alias back.")
app.add_typer(safeguard, name="safeguard")
signal = typer.Typer(no_args_is_help=True, help="Send the signals of safeguards, and list them.")
app.add_typer(signal, name="signal")

SignalArgument = Annotated[str, typer.Argument(metavar="SIGNAL", help="Its name.")]

HEAD = ("signal", "state", "armed until", "back to", "items lost", "allowed", "dual", "by")


@safeguard.command("set")
def set_safeguard(
    alias: AliasArgument,
    name: SignalArgument,
    hours: Annotated[int, typer.Option(min=1, help="For how long after each promotion.")],
    at_most_unsearchable: Annotated[
        int, typer.Option(min=0, metavar="N", help="Items that going back may cost.")
    ] = 0,
    dual_query: Annotated[
        bool,
        typer.Option(
            "--dual-query",
            help="Where going back would cost items, let each version query its own vectors.",
        ),
    ] = False,
    reason: ReasonOption = "",
    form: ShapeOption = Shape.TABLE,
) -> None:
    """Let a signal roll an alias back while it fires soon after a promotion."""
    reference, name = alias_reference(alias), plain_name(name)
    with registry() as client:
        held = client.declare_safeguard(
            reference.model,
            reference.alias,
            name,
            armed_hours=hours,
            at_most_unsearchable=at_most_unsearchable,
            dual_query=dual_query,
            reason=reason,
        )
    _show(held, form)


@safeguard.command("list")
def list_safeguards(alias: AliasArgument, form: ShapeOption = Shape.TABLE) -> None:
    """List the signals that roll an alias back, and what each would do now."""
    reference = alias_reference(alias)
    with registry() as client:
        found = list(client.safeguards(reference.model, reference.alias))
    if form is Shape.JSON:
        show_json(found)
    else:
        show(columns(HEAD, map(_row, found)))


@safeguard.command()
def remove(alias: AliasArgument, name: SignalArgument) -> None:
    """Let a signal roll nothing back any more."""
    reference, name = alias_reference(alias), plain_name(name)
    with registry() as client:
        client.remove_safeguard(reference.model, reference.alias, name)
    show(f"{reference}: {name} rolls nothing back any more")


@signal.command()
def send(
    alias: AliasArgument,
    name: SignalArgument,
    resolved: Annotated[
        bool, typer.Option("--resolved", help="It no longer fires; it fires unless told.")
    ] = False,
    detail: Annotated[str, typer.Option(help="What was observed.")] = "",
    observed_at: Annotated[
        str, typer.Option(metavar="TIME", help="What was before the promotion rolls nothing back.")
    ] = "",
    epoch: Annotated[
        int | None, typer.Option(min=0, help="Of the alias, if it is known what was observed.")
    ] = None,
    form: ShapeOption = Shape.TABLE,
) -> None:
    """Say that a declared signal fires; exits 1 where the rollback was refused."""
    reference = alias_reference(alias)
    with registry() as client:
        said = client.send_signal(
            reference.model,
            reference.alias,
            name,
            firing=not resolved,
            detail=detail,
            observed_at=moment(observed_at) if observed_at else None,
            epoch=epoch,
        )
    show_json(said) if form is Shape.JSON else show(_came_to(said))
    if said["reaction"] == "refused":
        say("a person has to decide: graceful rollback --dry-run shows the plan")
        raise typer.Exit(EXIT[Standing.FAILED])


@signal.command("list")
def list_signals(alias: AliasArgument, form: ShapeOption = Shape.TABLE) -> None:
    """List the signals that came for an alias, newest first, and what each came to."""
    reference = alias_reference(alias)
    with registry() as client:
        found = list(client.signals(reference.model, reference.alias))
    if form is Shape.JSON:
        show_json(found)
    else:
        head = ("received", "signal", "fires", "epoch", "came to", "why", "by", "detail")
        show(columns(head, map(_line, found)))


def _show(held: Safeguard, form: Shape) -> None:
    if form is Shape.JSON:
        show_json(held)
        return
    back = held["way_back"]
    show(printable(f"{held['alias']}: {held['signal']} is {held['state']}"))
    if back is None:
        show("there is no promotion to undo; the next one arms it")
        return
    cost = f"{back['unsearchable_items']} items become unsearchable"
    dual = ", by a dual query" if back["dual_query"] else ""
    show(
        printable(
            f"until {held['armed_until']} it would go back to {back['version']}{dual}: {cost}"
        )
    )
    if back["would_be_refused"]:
        say(f"that would be refused: {held['at_most_unsearchable']} are allowed")


def _came_to(said: Signal) -> str:
    if said["reaction"] == "rolled_back":
        return printable(f"{said['alias']} is rolled back to {said['version']}")
    word = "the rollback was refused" if said["reaction"] == "refused" else "nothing was done"
    return printable(f"{word}: {said['code']}: {said['explanation']}")


def _row(held: Safeguard) -> Row:
    back = held["way_back"]
    return (
        held["signal"],
        held["state"],
        held["armed_until"],
        back["version"] if back else None,
        back["unsearchable_items"] if back else None,
        held["at_most_unsearchable"],
        held["dual_query"],
        held["declared_by"],
    )


def _line(said: Signal) -> Row:
    return (
        said["received_at"],
        said["signal"],
        said["firing"],
        said["epoch"],
        said["version"] or said["reaction"],
        said["code"] or None,
        said["sent_by"] or "registry",
        said["detail"] or None,
    )
