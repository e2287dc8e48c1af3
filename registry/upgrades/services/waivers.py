"""Waivers: itemised, expiring exceptions to named rules for one candidate, by two people."""

from collections.abc import Sequence
from datetime import datetime

from django.contrib.auth.models import AbstractUser
from django.db import transaction
from django.utils import timezone

from compat.verdict import COVERAGE, Outcome, outcome_after_waivers
from registry.audit.services.record import record
from registry.core.errors import (
    ConflictError,
    InvalidInputError,
    NotPermittedError,
    UnknownObjectError,
)
from registry.evaluation.models import Comparison
from registry.evaluation.selectors import negative_flips
from registry.upgrades.models import Upgrade, Waiver
from registry.upgrades.permissions import require_approver
from registry.upgrades.states import OPEN


@transaction.atomic
def request_waiver(
    *,
    upgrade_id: int,
    rules: Sequence[str],
    reason: str,
    expires_at: datetime,
    actor: AbstractUser,
    sample_ids: Sequence[str] = (),
) -> Waiver:
    """Ask that named rules shall not block this candidate; it counts once another person grants it.

    With ``sample_ids`` the waiver holds only while every flipped sample is one of them.

    Raises:
        UnknownObjectError: there is no such upgrade.
        ConflictError: it is not open, or has no verdict yet.
        InvalidInputError: no reason, no rule, a rule that does not block now, an errored one, or
            an end that lies in the past.
    """
    upgrade = (
        Upgrade.objects.select_for_update(of=("self",))
        .select_related("verdict")
        .filter(pk=upgrade_id)
        .first()
    )
    if upgrade is None:
        raise UnknownObjectError(f"no upgrade {upgrade_id}", code="unknown_upgrade")
    if upgrade.state not in OPEN or upgrade.verdict is None:
        raise ConflictError("only a judged, open upgrade can have a waiver", code="not_judged")
    if not reason.strip():
        raise InvalidInputError("a waiver says why", code="reason_missing")
    if expires_at <= timezone.now():
        raise InvalidInputError("a waiver ends in the future", code="waiver_expired")
    _require_waivable(upgrade, rules)
    waiver = Waiver.objects.create(
        upgrade=upgrade,
        rules=sorted(set(rules)),
        sample_ids=sorted(set(sample_ids)),
        reason=reason,
        requested_by=actor,
        requested_at=timezone.now(),
        expires_at=expires_at,
    )
    _note(waiver, actor, "waiver.request")
    return waiver


@transaction.atomic
def grant_waiver(*, waiver_id: int, actor: AbstractUser) -> Waiver:
    """Grant a waiver that somebody else asked for.

    Raises:
        UnknownObjectError: there is no such waiver.
        ConflictError: it is granted already, or has expired.
        NotPermittedError: the actor asked for it, or may not approve for the alias.
    """
    waiver = (
        Waiver.objects.select_for_update(of=("self",))
        .select_related("upgrade__candidate__model", "upgrade__alias__model")
        .filter(pk=waiver_id)
        .first()
    )
    if waiver is None:
        raise UnknownObjectError(f"no waiver {waiver_id}", code="unknown_waiver")
    if waiver.requested_by_id == actor.pk:
        raise NotPermittedError("a waiver takes two people", code="own_waiver")
    require_approver(actor, waiver.upgrade)
    if waiver.granted_by_id is not None:
        raise ConflictError("the waiver is granted already", code="waiver_granted")
    if waiver.expires_at <= timezone.now():
        raise ConflictError("the waiver has expired", code="waiver_expired")
    waiver.granted_by, waiver.granted_at = actor, timezone.now()
    waiver.save(update_fields=["granted_by", "granted_at"])
    _note(waiver, actor, "waiver.grant")
    return waiver


def standing_waivers(upgrade: Upgrade) -> list[Waiver]:
    """Return the waivers of a candidate that count at this moment."""
    standing = []
    for waiver in upgrade.waivers.filter(
        granted_by__isnull=False, expires_at__gt=timezone.now()
    ).order_by("pk"):
        if not waiver.sample_ids or _flips_only(upgrade, set(waiver.sample_ids)):
            standing.append(waiver)
    return standing


def outcome_now(upgrade: Upgrade) -> Outcome:
    """Return the outcome of the present verdict after the waivers that count at this moment."""
    if upgrade.verdict is None:
        return Outcome.INCONCLUSIVE
    waived = {rule for waiver in standing_waivers(upgrade) for rule in waiver.rules}
    results = [
        (r["rule"], Outcome(r["outcome"])) for r in upgrade.verdict.results if not r["advisory"]
    ]
    results += [(COVERAGE, Outcome(entry["outcome"])) for entry in upgrade.verdict.coverage]
    return outcome_after_waivers(results, waived)


def _require_waivable(upgrade: Upgrade, rules: Sequence[str]) -> None:
    blocking = {
        r["rule"]: r["outcome"]
        for r in upgrade.verdict.results
        if r["outcome"] != Outcome.PASSED and not r["advisory"]
    }
    for rule in rules:
        if rule not in blocking:
            raise InvalidInputError(
                f"{rule} does not block this candidate", code="rule_not_blocking"
            )
        if blocking[rule] == Outcome.ERRORED:
            raise InvalidInputError(f"{rule} errored: that is never waived", code="not_waivable")
    if not rules:
        raise InvalidInputError("a waiver names the rules that it is for", code="rules_missing")


def _flips_only(upgrade: Upgrade, named: set[str]) -> bool:
    """Whether every negative flip is one of ``named``; a list that was cut short proves nothing."""
    for comparison in Comparison.objects.filter(pk__in=upgrade.verdict.comparisons):
        flipped, is_whole = negative_flips(comparison)
        if not is_whole or not flipped <= named:
            return False
    return True


def _note(waiver: Waiver, actor: AbstractUser, action: str) -> None:
    record(
        actor=actor.get_username(),
        action=action,
        subject=f"upgrade:{waiver.upgrade_id}",
        waiver=waiver.pk,
        rules=waiver.rules,
        sample_ids=waiver.sample_ids[:200],
        reason=waiver.reason,
        expires_at=waiver.expires_at.isoformat(),
    )
