"""Waivers: itemised, expiring exceptions to named rules for one candidate, by two people."""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from django.contrib.auth.models import AbstractUser
from django.db import transaction
from django.utils import timezone

from compat.verdict import BUILT_IN, COVERAGE, Outcome, outcome_after_waivers
from registry.audit.services.record import record
from registry.core.errors import (
    ConflictError,
    InvalidInputError,
    NotPermittedError,
    UnknownObjectError,
    noting_refusal,
)
from registry.evaluation.models import Comparison
from registry.evaluation.selectors import negative_flips
from registry.upgrades.models import Upgrade, Waiver
from registry.upgrades.permissions import require_approver
from registry.upgrades.states import OPEN

LONGEST_WAIVER = timedelta(days=366)
"""An exception that is to last for longer is a change of the policy (chosen)."""


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
        InvalidInputError: no reason, no rule, a rule that is not known, cannot be waived or does
            not block now, a sample that did not flip, or an end in the past or too far away.
    """
    refusal = noting_refusal(
        "waiver.request", f"upgrade:{upgrade_id}", rules=sorted(set(rules)), reason=reason
    )
    with refusal, transaction.atomic():
        upgrade = _waivable(upgrade_id, reason, expires_at)
        _require_waivable(upgrade, rules)
        _require_flipped(upgrade, sample_ids)
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


def _waivable(upgrade_id: int, reason: str, expires_at: datetime) -> Upgrade:
    upgrade = Upgrade.objects.select_for_update().filter(pk=upgrade_id).first()
    if upgrade is None:
        raise UnknownObjectError(f"no upgrade {upgrade_id}", code="unknown_upgrade")
    if upgrade.state not in OPEN or upgrade.verdict is None:
        raise ConflictError("only a judged, open upgrade can have a waiver", code="not_judged")
    if not reason.strip():
        raise InvalidInputError("a waiver says why", code="reason_missing")
    if expires_at <= timezone.now():
        raise InvalidInputError("a waiver ends in the future", code="waiver_expired")
    if expires_at > timezone.now() + LONGEST_WAIVER:
        raise InvalidInputError(
            f"a waiver lasts at most {LONGEST_WAIVER.days} days", code="waiver_too_long"
        )
    return upgrade


def grant_waiver(*, waiver_id: int, actor: AbstractUser) -> Waiver:
    """Grant a waiver that somebody else asked for.

    Raises:
        UnknownObjectError: there is no such waiver.
        ConflictError: it is granted already, or has expired.
        NotPermittedError: the actor asked for it, or may not approve for the alias.
    """
    upgrade_id = Waiver.objects.filter(pk=waiver_id).values_list("upgrade", flat=True).first()
    if upgrade_id is None:
        raise UnknownObjectError(f"no waiver {waiver_id}", code="unknown_waiver")
    refusal = noting_refusal("waiver.grant", f"upgrade:{upgrade_id}", waiver=waiver_id)
    with refusal, transaction.atomic():
        return _grant(waiver_id, actor)


def _grant(waiver_id: int, actor: AbstractUser) -> Waiver:
    waiver = (
        Waiver.objects.select_for_update(of=("self",))
        .select_related("upgrade__candidate__model", "upgrade__alias__model")
        .get(pk=waiver_id)
    )
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
        if not waiver.sample_ids or flips_only(
            Comparison.objects.filter(pk__in=upgrade.verdict.comparisons), set(waiver.sample_ids)
        ):
            standing.append(waiver)
    return standing


def outcome_now(upgrade: Upgrade, *, with_coverage: bool = True) -> Outcome:
    """Return the outcome of the present verdict after the waivers that count at this moment.

    Without the coverage of galleries it is what a dual query rests on.
    """
    if upgrade.verdict is None:
        return Outcome.INCONCLUSIVE
    waived = {rule for waiver in standing_waivers(upgrade) for rule in waiver.rules}
    results = [
        (r["rule"], Outcome(r["outcome"])) for r in upgrade.verdict.results if not r["advisory"]
    ]
    if with_coverage:
        results += [(COVERAGE, Outcome(entry["outcome"])) for entry in upgrade.verdict.coverage]
    return outcome_after_waivers(results, waived)


def _require_waivable(upgrade: Upgrade, rules: Sequence[str]) -> None:
    if not rules:
        raise InvalidInputError("a waiver names the rules that it is for", code="rules_missing")
    outcomes: dict[str, set[str]] = {}
    for result in upgrade.verdict.results:
        against = set() if result["advisory"] else {result["outcome"]} - {Outcome.PASSED}
        outcomes.setdefault(result["rule"], set()).update(against)
    covering = {r["rule"] for entry in upgrade.verdict.coverage for r in entry["results"]}
    for rule in rules:
        if rule in BUILT_IN or rule in covering - outcomes.keys():
            raise InvalidInputError(f"{rule} is never waived", code="not_waivable")
        if rule not in outcomes:
            raise InvalidInputError(f"the verdict knows no rule {rule}", code="unknown_rule")
        if not outcomes[rule]:
            raise InvalidInputError(
                f"{rule} does not block this candidate", code="rule_not_blocking"
            )
        if Outcome.ERRORED in outcomes[rule]:
            raise InvalidInputError(f"{rule} errored: that is never waived", code="not_waivable")


def _require_flipped(upgrade: Upgrade, sample_ids: Sequence[str]) -> None:
    if not sample_ids:
        return
    flipped: set[str] = set()
    for comparison in Comparison.objects.filter(pk__in=upgrade.verdict.comparisons):
        flipped |= negative_flips(comparison)[0]
    unknown = sorted(set(sample_ids) - flipped)
    if unknown:
        raise InvalidInputError(
            f"{unknown[0]} is no negative flip of this candidate", code="not_flipped"
        )


def flips_only(comparisons: Iterable[Comparison], named: set[str]) -> bool:
    """Whether every negative flip is one of ``named``; a list that was cut short proves nothing."""
    for comparison in comparisons:
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
