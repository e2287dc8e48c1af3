"""Receive a signal, and roll back where a safeguard says so: kept and acted on, or neither."""

from datetime import datetime, timedelta

from django.contrib.auth.models import AbstractUser
from django.db import transaction
from django.utils import timezone

from registry.audit.services.record import record
from registry.catalog.models import Alias, AliasMove
from registry.core.errors import GateNotPassedError, InvalidInputError, RegistryError
from registry.notify.services.publish import publish
from registry.upgrades.models import Safeguard, Signal
from registry.upgrades.safeguards import Reaction, WaysBack, armed_until, promotion_at
from registry.upgrades.services.promote import Promotion, lock
from registry.upgrades.services.roll_back import roll_back
from registry.upgrades.services.safeguards import declared

TOLERANCE = timedelta(minutes=5)
"""How far the clock of who observes may be ahead of ours (chosen)."""


def receive(
    *,
    alias: Alias,
    signal: str,
    firing: bool,
    detail: str = "",
    observed_at: datetime | None = None,
    epoch: int | None = None,
    actor: AbstractUser | None = None,
) -> Signal:
    """Keep a signal, and roll the alias back if it fires for a promotion that is guarded by it.

    It speaks of the promotion that was in force when ``alias`` was read, and of no later one: who
    promotes another candidate meanwhile is not rolled back by it. A rollback that is refused leaves
    everything as it is, and is told.

    Args:
        observed_at: what was observed before the promotion says nothing of it.
        epoch: of the alias, where the sender knows what it observed; another one is not acted on.
        actor: who sent it; None for the registry itself.

    Raises:
        UnknownObjectError: no safeguard is declared for the signal.
        InvalidInputError: it was observed in the future.
    """
    now = timezone.now()
    if observed_at is not None and observed_at > now + TOLERANCE:
        raise InvalidInputError(
            "it was observed in the future: look at the clocks", code="observed_in_future"
        )
    said = Signal(
        safeguard=declared(alias, signal),
        alias=alias,
        epoch=alias.epoch,
        firing=firing,
        detail=detail,
        observed_at=observed_at,
        received_at=now,
        sent_by=actor,
        reaction=Reaction.NONE,
    )
    with transaction.atomic():
        move = promotion_at(alias.pk, alias.epoch)
        refusal = _why_not(said, move, epoch)
        if refusal is None:
            _react(said, move)
        else:
            said.code, said.explanation = refusal
        said.save(force_insert=True)
        if said.reaction != Reaction.NONE:
            _note(said, move)
    return said


def agent_of(safeguard: Safeguard) -> str:
    """Return who the ledger says acted: the safeguard, not the person who declared it."""
    return f"safeguard:{safeguard.signal}"


def _why_not(said: Signal, move: AliasMove | None, epoch: int | None) -> tuple[str, str] | None:
    """Return why nothing is done, as a code and in words; None where something is."""
    if not said.firing:
        return "not_firing", "it does not fire"
    if epoch is not None and epoch != said.epoch:
        return "other_epoch", f"it speaks of epoch {epoch}, and {said.epoch} is in force"
    if move is None:
        return "not_armed", "nothing was promoted in place of another version since"
    until = armed_until(said.safeguard, move)
    if said.received_at >= until:
        return "not_armed", f"it was armed until {until:%Y-%m-%d %H:%M} UTC"
    if said.observed_at is not None and said.observed_at < move.at:
        return "observed_before", f"it was observed before {move.to_version} was promoted"
    if _refused_already(said):
        return "refused_already", "its rollback of this promotion was refused; a person decides"
    return None


def _refused_already(said: Signal) -> bool:
    return Signal.objects.filter(
        safeguard=said.safeguard, epoch=said.epoch, reaction=Reaction.REFUSED
    ).exists()


def _react(said: Signal, move: AliasMove) -> None:
    """Roll back under the locks of the alias and its galleries, unless something came between."""
    lock(said.alias_id)
    alias = Alias.objects.select_related("model", "version__model").get(pk=said.alias_id)
    if alias.epoch != said.epoch:
        said.code, said.explanation = "alias_moved", "the alias has moved meanwhile"
        return
    if Safeguard.objects.get(pk=said.safeguard_id).withdrawn_at is not None:
        said.code, said.explanation = "withdrawn", "the safeguard was withdrawn meanwhile"
        return
    if _refused_already(said):
        said.code, said.explanation = "refused_already", "its rollback was refused meanwhile"
        return
    try:
        with transaction.atomic():
            promotion = _roll_back(said, alias, move)
    except RegistryError as exc:
        said.reaction, said.code, said.explanation = Reaction.REFUSED, exc.code, str(exc)
    else:
        said.reaction, said.move = Reaction.ROLLED_BACK, promotion.move


def _roll_back(said: Signal, alias: Alias, move: AliasMove) -> Promotion:
    safeguard = said.safeguard
    plan, dual_query = WaysBack(alias, move).by(safeguard)
    allowed = safeguard.at_most_unsearchable
    if plan.unsearchable_items > allowed:
        raise GateNotPassedError(
            f"{plan.unsearchable_items:,} items would become unsearchable, and {allowed:,} may",
            code="unsearchable_items",
        )
    return roll_back(
        alias=alias,
        target=move.from_version,
        actor=safeguard.declared_by,
        reason=f"signal {safeguard.signal}: {said.detail}"[:2000].rstrip(": "),
        confirm_unsearchable=plan.unsearchable_items,
        dual_query=dual_query,
        agent=agent_of(safeguard),
    )


def _note(said: Signal, move: AliasMove) -> None:
    """Write the ledger entry and the event of what a signal led to."""
    safeguard = said.safeguard
    action, subject = f"safeguard.{said.reaction}", f"alias:{said.alias}"
    facts = {
        "safeguard": safeguard.pk,
        "signal": safeguard.signal,
        "received": said.pk,
        "detail": said.detail[:2000],
        "observed_at": said.observed_at.isoformat() if said.observed_at else None,
        "sent_by": said.sent_by.get_username() if said.sent_by else None,
        "on_behalf_of": safeguard.declared_by.get_username(),
        "epoch": said.epoch,
        "from": str(move.to_version),
        "to": str(move.from_version),
    }
    if said.reaction == Reaction.REFUSED:
        facts |= {"refused": said.code, "explanation": said.explanation}
    record(actor=agent_of(safeguard), action=action, subject=subject, **facts)
    publish(kind=action, subject=subject, **facts)
