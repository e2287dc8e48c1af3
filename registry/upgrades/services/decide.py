"""A person's yes or no to a candidate, bound to the verdict that it was given on."""

from django.contrib.auth.models import AbstractUser
from django.db import IntegrityError, transaction
from django.utils import timezone

from compat.verdict import Outcome
from registry.audit.services.record import record
from registry.core.errors import (
    ConflictError,
    DuplicateError,
    GateNotPassedError,
    InvalidInputError,
    noting_refusal,
)
from registry.notify.services.publish import publish
from registry.upgrades.models import AliasGate, Decision, Upgrade
from registry.upgrades.permissions import require_approver
from registry.upgrades.services.advance import is_stale
from registry.upgrades.services.locked import locked_upgrade
from registry.upgrades.services.situation import situation_of
from registry.upgrades.services.waivers import outcome_now
from registry.upgrades.states import State, next_state


def approve(*, upgrade_id: int, actor: AbstractUser, comment: str = "") -> Decision:
    """Say yes to a candidate; the promotion counts the approvals of its present verdict.

    Raises:
        UnknownObjectError: there is no such upgrade.
        IllegalTransitionError: it is not judged.
        NotPermittedError: the actor may not approve it.
        GateNotPassedError: there is nothing to approve: the verdict is stale or does not open.
        DuplicateError: the actor has decided on this verdict already.
    """
    return _decide(upgrade_id, actor, Decision.Kind.APPROVE, comment)


def reject(*, upgrade_id: int, actor: AbstractUser, comment: str) -> Decision:
    """Say no to a candidate, and why; its upgrade is closed until it is proposed again.

    Raises:
        InvalidInputError: the comment is empty.
        UnknownObjectError: there is no such upgrade.
        IllegalTransitionError: it is not judged.
        NotPermittedError: the actor may not decide on it.
        DuplicateError: the actor has decided on this verdict already.
    """
    return _decide(upgrade_id, actor, Decision.Kind.REJECT, comment)


def _decide(upgrade_id: int, actor: AbstractUser, kind: Decision.Kind, comment: str) -> Decision:
    with noting_refusal(f"upgrade.{kind}", f"upgrade:{upgrade_id}"), transaction.atomic():
        if kind == Decision.Kind.REJECT and not comment.strip():
            raise InvalidInputError("a rejection says why", code="comment_missing")
        return _write(upgrade_id, actor, kind, comment)


def _write(upgrade_id: int, actor: AbstractUser, kind: Decision.Kind, comment: str) -> Decision:
    upgrade = locked_upgrade(upgrade_id)
    rejected = next_state(State(upgrade.state), "reject")
    require_approver(actor, upgrade)
    if kind == Decision.Kind.APPROVE:
        _require_something_to_approve(upgrade)
    try:
        with transaction.atomic():
            decision = Decision.objects.create(
                upgrade=upgrade,
                verdict=upgrade.verdict,
                person=actor,
                kind=kind,
                comment=comment,
                at=timezone.now(),
            )
    except IntegrityError:
        raise DuplicateError(
            f"{actor} has decided on this verdict already", code="duplicate_decision"
        ) from None
    if kind == Decision.Kind.REJECT:
        upgrade.state, upgrade.changed_at = rejected, timezone.now()
        upgrade.save(update_fields=["state", "changed_at"])
    facts = {"verdict": upgrade.verdict.number, "comment": comment}
    subject = f"upgrade:{upgrade.pk}"
    record(actor=actor.get_username(), action=f"upgrade.{kind}", subject=subject, **facts)
    publish(kind=f"upgrade.{kind}", subject=subject, candidate=str(upgrade.candidate), **facts)
    return decision


def _require_something_to_approve(upgrade: Upgrade) -> None:
    if is_stale(upgrade, situation_of(upgrade)):
        raise GateNotPassedError("the verdict no longer stands", code="verdict_stale")
    if outcome_now(upgrade) != Outcome.PASSED:
        raise GateNotPassedError(f"the verdict is {upgrade.verdict.outcome}")


def approvals_of(upgrade: Upgrade) -> int:
    """Return how many people approved the present verdict."""
    return Decision.objects.filter(verdict=upgrade.verdict, kind=Decision.Kind.APPROVE).count()


def require_approvals(upgrade: Upgrade) -> None:
    """Raise ConflictError unless enough people approved the present verdict."""
    needed = AliasGate.objects.get(alias=upgrade.alias_id).approvals_needed
    given = approvals_of(upgrade)
    if given < needed:
        raise ConflictError(
            f"{given} of {needed} approvals of this verdict", code="approvals_missing"
        )
