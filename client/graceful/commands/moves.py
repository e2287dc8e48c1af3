"""Move an alias, and read how it was moved."""

from typing import Annotated, Any

import typer

from graceful.answers import Move, Promotion, RollbackPlan
from graceful.client import Client
from graceful.commands.gate import NOT_OPEN, act_on, code_of_refused
from graceful.commands.root import (
    AliasArgument,
    CandidateOption,
    ReasonOption,
    Shape,
    ShapeOption,
    app,
    registry,
    say,
    show,
    show_json,
)
from graceful.commands.schedule import asked_for, show_schedule
from graceful.errors import RefusedError
from graceful.references import AliasReference, alias_reference
from graceful.standing import EXIT, Standing
from graceful.text import Row, cell, columns, facts

DryRunOption = Annotated[bool, typer.Option("--dry-run", help="Try it all, change nothing.")]
DualOption = Annotated[
    bool, typer.Option("--dual-query", help="Let each version go on to query its own vectors.")
]


@app.command()
def promote(
    alias: AliasArgument,
    candidate: CandidateOption,
    reason: ReasonOption = "",
    dry_run: DryRunOption = False,
    dual_query: DualOption = False,
    at: Annotated[str, typer.Option(metavar="TIME", help="Not before: 2030-01-31T03:00:00Z")] = "",
    until: Annotated[
        str, typer.Option(metavar="TIME", help="Not after; a day later unless told.")
    ] = "",
    after_shadow: Annotated[
        str,
        typer.Option(metavar="QUERIES:OVERLAP", help="What a shadow has to show: 1000:0.9"),
    ] = "",
    form: ShapeOption = Shape.TABLE,
) -> None:
    """Move an alias to a candidate that passed, and every gallery that follows it; or later."""
    reference = alias_reference(alias)
    when = asked_for(at, until, after_shadow, dry_run=dry_run)
    if when:
        _schedule(reference, candidate, when | {"dual_query": dual_query, "reason": reason}, form)
        return
    with registry() as client:
        try:
            promotion = client.promote(
                reference.model,
                reference.alias,
                candidate,
                reason=reason,
                dry_run=dry_run,
                dual_query=dual_query,
            )
        except RefusedError as exc:
            if exc.code not in NOT_OPEN:
                raise
            say(f"{exc.code}: {exc}")
            raise typer.Exit(_standing_of_refused(client, reference, candidate)) from None
    _show_promotion(promotion, form)


@app.command()
def rollback(
    alias: AliasArgument,
    to: Annotated[int, typer.Option("--to", min=1, metavar="N", help="Number of the version.")],
    reason: ReasonOption = "",
    confirm_unsearchable: Annotated[
        int,
        typer.Option(
            min=0, metavar="N", help="Exactly the number of items that the plan says it costs."
        ),
    ] = 0,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show the plan and change nothing.")
    ] = False,
    dual_query: DualOption = False,
    form: ShapeOption = Shape.TABLE,
) -> None:
    """Show what going back to a version that served before means, and go back."""
    reference = alias_reference(alias)
    with registry() as client:
        plan = client.rollback_plan(reference.model, reference.alias, to, dual_query=dual_query)
        if form is Shape.TABLE:
            show(_plan(plan))
        elif dry_run:
            show_json(plan)
        if dry_run:
            return
        if plan["unsearchable_items"] != confirm_unsearchable:
            say(f"confirm the cost: --confirm-unsearchable {plan['unsearchable_items']}")
        promotion = client.roll_back(
            reference.model,
            reference.alias,
            to,
            reason=reason,
            confirm_unsearchable=confirm_unsearchable,
            dual_query=dual_query,
        )
    _show_promotion(promotion, form)


@app.command()
def history(
    alias: AliasArgument,
    at: Annotated[
        str, typer.Option(metavar="TIME", help="What served then: 2030-01-31T12:00:00Z")
    ] = "",
    form: ShapeOption = Shape.TABLE,
) -> None:
    """Show how an alias was moved, newest first; or what it named at a moment."""
    reference = alias_reference(alias)
    with registry() as client:
        if at:
            standing = client.alias(reference.model, reference.alias, at=at)
            moves = [standing["move"]] if standing["move"] else []
        else:
            moves = list(client.history(reference.model, reference.alias))
    if form is Shape.JSON:
        show_json(moves)
    else:
        head = ("epoch", "at", "kind", "from", "to", "by", "evidence", "reason")
        show(columns(head, map(_row, moves)))


def _schedule(
    reference: AliasReference, candidate: int, asked: dict[str, Any], form: Shape
) -> None:
    with registry() as client:
        made = act_on(
            client, reference, candidate, lambda upgrade: client.schedule(upgrade, **asked)
        )
    show_schedule(made, form)


def _standing_of_refused(client: Client, reference: AliasReference, candidate: int) -> int:
    """Return the exit code for a candidate that could not be promoted.

    A pipeline that runs again finds the alias moved already: that is what it asked for.
    """
    serving = client.alias(reference.model, reference.alias)["version"]
    if serving == f"{reference.model}:{candidate}":
        say(f"{reference} names {serving} already")
        return EXIT[Standing.PASSED]
    upgrade = client.upgrade_to(reference.model, candidate, alias=reference.alias)
    return code_of_refused(client, upgrade)


def _show_promotion(promotion: Promotion, form: Shape) -> None:
    if form is Shape.JSON:
        show_json(promotion)
        return
    move = promotion["move"]
    would = "would move" if promotion["dry_run"] else "moved"
    before = move["before"] or "nothing"
    show(f"{would} {cell(move['alias'])} from {cell(before)} to {cell(move['version'])}")
    for cutover in promotion["cutovers"]:
        lost = cutover["unsearchable_items"]
        show(f"gallery {cell(cutover['gallery'])}: cut over, {lost} items not searchable")


def _plan(plan: RollbackPlan) -> str:
    about = [
        ("alias", plan["alias"]),
        ("back to", plan["target"]),
        ("items that become unsearchable", plan["unsearchable_items"]),
        ("of them embedded again afterwards", plan["returning_items"]),
    ]
    rows = [
        (
            gallery["gallery"],
            segment["segment"],
            segment["producer"],
            segment["live_items"],
            segment["searchable"],
            segment["unsearchable_items"],
            segment["evidence"] or "-",
        )
        for gallery in plan["galleries"]
        for segment in gallery["segments"]
    ]
    if not rows:
        return facts(about)
    head = ("gallery", "segment", "producer", "items", "searchable", "not found", "evidence")
    return facts(about) + "\n\n" + columns(head, rows)


def _row(move: Move) -> Row:
    return (
        move["epoch"],
        move["at"],
        move["kind"],
        move["before"],
        move["version"],
        move["actor"],
        move["evidence"] or "-",
        move["reason"] or "-",
    )
