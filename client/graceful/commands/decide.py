"""Say yes or no to a candidate."""

from collections.abc import Callable
from functools import partial
from typing import Annotated

import typer

from graceful.answers import Decision
from graceful.client import Client
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
from graceful.references import alias_reference

COMMENT = "What you say about it; it goes into the ledger."


@app.command()
def approve(
    alias: AliasArgument,
    candidate: CandidateOption,
    comment: Annotated[str, typer.Option(help=COMMENT)] = "",
    form: ShapeOption = Shape.TABLE,
) -> None:
    """Approve a candidate; void when its evidence changes."""

    def act(client: Client, upgrade: int) -> Decision:
        return client.approve(upgrade, comment=comment)

    _decide(alias, candidate, act, "approved", form)


@app.command()
def reject(
    alias: AliasArgument,
    candidate: CandidateOption,
    comment: Annotated[str, typer.Option(help=COMMENT)],
    form: ShapeOption = Shape.TABLE,
) -> None:
    """Reject a candidate and say why; that closes its upgrade until it is proposed again."""

    def act(client: Client, upgrade: int) -> Decision:
        return client.reject(upgrade, comment=comment)

    _decide(alias, candidate, act, "rejected", form)


def _decide(
    alias: str, candidate: int, act: Callable[[Client, int], Decision], done: str, form: Shape
) -> None:
    reference = alias_reference(alias)
    with registry() as client:
        decision = act_on(client, reference, candidate, partial(act, client))
    if form is Shape.JSON:
        show_json(decision)
    else:
        what = f"{reference.model}:{candidate} for {reference}"
        show(f"{done} {what}, verdict {decision['verdict']}")
