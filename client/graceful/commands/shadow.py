"""Shadows: let a candidate answer live queries for nobody to see, and say what came of it."""

from datetime import UTC, datetime, timedelta
from typing import Annotated

import typer

from graceful.answers import Shadow
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
from graceful.errors import UsageError
from graceful.references import alias_reference
from graceful.standing import EXIT, Standing
from graceful.text import facts

shadow = typer.Typer(no_args_is_help=True, help="Let a candidate answer live queries unseen.")
app.add_typer(shadow, name="shadow")


@shadow.command()
def start(
    alias: AliasArgument,
    candidate: CandidateOption,
    percent: Annotated[float, typer.Option(help="Share of the queries, above 0, at most 100.")],
    hours: Annotated[float | None, typer.Option(min=0, help="Ends after so long.")] = None,
    queries: Annotated[int | None, typer.Option(min=1, help="Ends after so many.")] = None,
    form: ShapeOption = Shape.TABLE,
) -> None:
    """Put a share of live queries to the candidate too; users see the live answers only."""
    reference = alias_reference(alias)
    ends_at = datetime.now(UTC) + timedelta(hours=hours) if hours is not None else None
    with registry() as client:
        found = act_on(
            client,
            reference,
            candidate,
            lambda upgrade: client.start_shadow(
                upgrade, percent / 100, ends_at=ends_at, most_queries=queries
            ),
        )
    _show(found, form)


@shadow.command()
def stop(
    alias: AliasArgument,
    candidate: CandidateOption,
    reason: ReasonOption = "",
    form: ShapeOption = Shape.TABLE,
) -> None:
    """Stop it; what it has counted stays."""
    with registry() as client:
        found = act_on(
            client,
            alias_reference(alias),
            candidate,
            lambda upgrade: client.stop_shadow(upgrade, reason=reason),
        )
    _show(found, form)


@shadow.command("show")
def show_newest(
    alias: AliasArgument, candidate: CandidateOption, form: ShapeOption = Shape.TABLE
) -> None:
    """Say what the newest one has measured; exits 0 when it is over, 4 while it runs."""
    reference = alias_reference(alias)
    with registry() as client:
        upgrade = client.upgrade_to(reference.model, candidate, alias=reference.alias)
        found = next(client.shadows(upgrade["id"]), None)
    if found is None:
        raise UsageError(f"version {candidate} has no shadow", code="no_shadow")
    _show(found, form)
    is_over = found["state"] == "over"
    raise typer.Exit(EXIT[Standing.PASSED if is_over else Standing.PENDING])


def _show(found: Shadow, form: Shape) -> None:
    if form is Shape.JSON:
        show_json(found)
        return
    rows: list[tuple[str, object]] = [
        ("shadow", found["id"]),
        ("state", f"{found['state']} {found['end']}".strip()),
        ("share", f"{found['share']:.2%}"),
        ("queries", found["queries"]),
        ("compared", found["compared"]),
        ("not comparable", found["not_comparable"]),
        ("failed", f"{found['failed']} {found['last_failure']}".strip()),
        ("dropped", found["dropped"]),
        ("mean overlap at 10", _share(found["mean_overlap_at_10"])),
        ("  95 % interval", _interval(found)),
        ("another first hit", found["top1_changed"]),
        ("live p95", _at_most(found["live_latency"]["p95_ms_at_most"])),
        ("candidate p95", _at_most(found["candidate_latency"]["p95_ms_at_most"])),
    ]
    show(facts(rows))


def _share(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def _interval(found: Shadow) -> str:
    return f"{_share(found['overlap_lower'])} to {_share(found['overlap_upper'])}"


def _at_most(bound: float | None) -> str:
    return "-" if bound is None else f"at most {bound:g} ms"
