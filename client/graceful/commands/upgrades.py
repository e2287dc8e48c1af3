"""Close an upgrade, in favour of another one or of none; or have its candidate evaluated again."""

from typing import Annotated

import typer

from graceful.answers import Upgrade
from graceful.commands.gate import act_on
from graceful.commands.root import (
    AliasArgument,
    CandidateOption,
    ReasonOption,
    Shape,
    ShapeOption,
    app,
    registry,
    show,
    show_json,
)
from graceful.references import alias_reference


@app.command()
def withdraw(
    alias: AliasArgument,
    candidate: CandidateOption,
    reason: ReasonOption = "",
    form: ShapeOption = Shape.TABLE,
) -> None:
    """Withdraw a candidate that nobody wants any more; it can be proposed again."""
    reference = alias_reference(alias)
    with registry() as client:
        done = act_on(
            client, reference, candidate, lambda upgrade: client.withdraw(upgrade, reason=reason)
        )
    _show(done, f"withdrew {reference.model}:{candidate} for {reference}", form)


@app.command()
def supersede(
    alias: AliasArgument,
    candidate: CandidateOption,
    by: Annotated[
        int, typer.Option(min=1, metavar="M", help="Number of the candidate that takes its place.")
    ],
    reason: ReasonOption = "",
    form: ShapeOption = Shape.TABLE,
) -> None:
    """Close the upgrade to a candidate in favour of another open one of the same alias."""
    reference = alias_reference(alias)
    with registry() as client:
        other = client.upgrade_to(reference.model, by, alias=reference.alias)
        done = act_on(
            client,
            reference,
            candidate,
            lambda upgrade: client.supersede(upgrade, by=other["id"], reason=reason),
        )
    superseded = f"superseded {reference.model}:{candidate} by {reference.model}:{by}"
    _show(done, f"{superseded} for {reference}", form)


@app.command("evaluate-again")
def evaluate_again(
    alias: AliasArgument, candidate: CandidateOption, form: ShapeOption = Shape.TABLE
) -> None:
    """Have what failed tried again and the rest judged anew; ask the gate afterwards."""
    reference = alias_reference(alias)
    with registry() as client:
        done = act_on(client, reference, candidate, client.evaluate_again)
    _show(done, f"{reference.model}:{candidate} for {reference} is {done['state']} again", form)


def _show(upgrade: Upgrade, sentence: str, form: Shape) -> None:
    if form is Shape.JSON:
        show_json(upgrade)
    else:
        show(sentence)
