"""Ask the gate: may this version have that alias?"""

from collections.abc import Callable
from typing import Annotated, TypeVar

import typer

from graceful.answers import Upgrade
from graceful.client import Client
from graceful.commands.progress import Evaluation
from graceful.commands.root import (
    PATIENCE_S,
    AliasArgument,
    CandidateOption,
    TimeoutOption,
    app,
    registry,
    say,
    show,
)
from graceful.errors import RefusedError, TimedOutError
from graceful.formats import Format, render
from graceful.references import AliasReference, alias_reference
from graceful.report import Report, report_on
from graceful.standing import EXIT, Standing

Answer = TypeVar("Answer")

NOT_OPEN = frozenset({"gate_not_passed", "illegal_transition", "not_judged"})
"""Refusals whose exit code is that of the candidate's standing."""


@app.command()
def gate(
    alias: AliasArgument,
    candidate: CandidateOption,
    wait: Annotated[bool, typer.Option("--wait", help="Wait for the verdict.")] = False,
    timeout: TimeoutOption = PATIENCE_S,
    propose: Annotated[
        bool, typer.Option("--propose", help="Open the upgrade where there is none.")
    ] = False,
    form: Annotated[Format, typer.Option("--format")] = Format.TABLE,
) -> None:
    """Ask whether a version may have an alias; the exit code is the answer in every format."""
    reference = alias_reference(alias)
    with registry() as client:
        upgrade = _upgrade(client, reference, candidate, propose=propose)
        if wait:
            upgrade = awaited(client, upgrade["id"], timeout)
        report = report_with_waivers(client, upgrade)
    show(render(report, form))
    raise typer.Exit(EXIT[report.standing])


def awaited(client: Client, upgrade: int, timeout_s: float) -> Upgrade:
    """Return the upgrade once it is judged, or as it is when the time is over."""
    try:
        return client.wait_for_verdict(upgrade, timeout_s=timeout_s, watch=Evaluation())
    except TimedOutError as exc:
        say(f"{exc.code}: {exc}")
        return client.upgrade(upgrade)


def report_with_waivers(client: Client, upgrade: Upgrade) -> Report:
    """Return the report on an upgrade with the waivers in force; none while it is not judged."""
    report = report_on(upgrade, client.url)
    if upgrade["verdict"] is None or report.standing is Standing.PENDING:
        return report
    return report_on(upgrade, client.url, client.decisions(upgrade["id"]))


def act_on(
    client: Client, reference: AliasReference, candidate: int, act: Callable[[int], Answer]
) -> Answer:
    """Return what an act on the upgrade to a candidate comes to.

    Where the candidate's standing is against it, the command exits with the code of that.
    """
    upgrade = client.upgrade_to(reference.model, candidate, alias=reference.alias)
    try:
        return act(upgrade["id"])
    except RefusedError as exc:
        if exc.code not in NOT_OPEN:
            raise
        say(f"{exc.code}: {exc}")
        code = code_of_refused(client, client.upgrade(upgrade["id"]))
        raise typer.Exit(code) from None


def code_of_refused(client: Client, upgrade: Upgrade) -> int:
    """Say how the candidate of a refused act stands, and return the exit code of that."""
    report = report_on(upgrade, client.url)
    say(f"{report.sentence}; {report.url}")
    passed = report.standing is Standing.PASSED
    return EXIT[Standing.FAILED if passed else report.standing]


def _upgrade(
    client: Client, reference: AliasReference, candidate: int, *, propose: bool
) -> Upgrade:
    try:
        return client.upgrade_to(reference.model, candidate, alias=reference.alias)
    except RefusedError as exc:
        if exc.code != "unknown_upgrade" or not propose:
            raise
    return client.open_upgrade(reference.model, candidate, alias=reference.alias)
