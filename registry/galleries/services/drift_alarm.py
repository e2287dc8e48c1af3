"""The alarm of a gallery whose canaries differ; while it is open, the gate is closed."""

from collections.abc import Sequence
from typing import Any

from django.contrib.auth.models import AbstractUser
from django.db import transaction
from django.utils import timezone

from compat.drift import DriftOutcome
from registry.audit.services.record import record
from registry.core.errors import (
    ConflictError,
    GateNotPassedError,
    InvalidInputError,
    noting_refusal,
)
from registry.galleries.canaries import in_words
from registry.galleries.models import CanaryCheck, DriftAlarm, Gallery
from registry.notify.services.publish import publish

SAID_OF_FINDING = ("segment", "producer", "items", "over", "worst", "tolerance", "of")
WHAT_IT_IS = ("segment", "producer", "of")
"""What makes a finding another one: how many of the canaries differ may vary from draw to draw."""


def follow(gallery: Gallery, check: CanaryCheck) -> None:
    """Raise, keep or clear the alarm of a gallery by a check; the caller holds the gallery locked.

    A segment that errored or was not checked says nothing about the encoder in use.
    """
    alarm = gallery.drift_alarms.exclude(state=DriftAlarm.State.CLEARED).first()
    if check.outcome == DriftOutcome.DIFFERS:
        _raise(gallery, alarm, check)
    elif alarm is not None and _answers(alarm, check):
        _clear(gallery, alarm, check)


def acknowledge_drift(*, gallery: Gallery, reason: str, actor: AbstractUser) -> DriftAlarm:
    """Let a person take the drift upon them, so that promotions may cut the gallery over again.

    Raises:
        InvalidInputError: no reason (``reason_missing``).
        ConflictError: no alarm is open (``no_drift``).
    """
    reason = reason.strip()
    noting = noting_refusal("gallery.acknowledge_drift", f"gallery:{gallery.name}", reason=reason)
    with noting, transaction.atomic():
        if not reason:
            raise InvalidInputError("say why the drift is no harm", code="reason_missing")
        locked = Gallery.objects.select_for_update(of=("self",)).get(pk=gallery.pk)
        alarm = locked.drift_alarms.filter(state=DriftAlarm.State.OPEN).first()
        if alarm is None:
            raise ConflictError(f"{gallery} has no open alarm", code="no_drift")
        alarm.state, alarm.reason = DriftAlarm.State.ACKNOWLEDGED, reason
        alarm.acknowledged_by, alarm.acknowledged_at = actor, timezone.now()
        alarm.save(update_fields=["state", "reason", "acknowledged_by", "acknowledged_at"])
        _tell("gallery.drift_acknowledged", alarm, actor=actor.get_username(), reason=reason)
    return alarm


def require_no_drift(galleries: Sequence[Gallery]) -> None:
    """Refuse to cut galleries over whose vectors seem to be of another encoder than is claimed.

    Raises:
        GateNotPassedError: an alarm is open (``gallery_drifted``).
    """
    alarm = (
        DriftAlarm.objects.select_related("gallery")
        .filter(gallery__in=galleries, state=DriftAlarm.State.OPEN)
        .order_by("gallery")
        .first()
    )
    if alarm is not None:
        raise GateNotPassedError(
            f"gallery {alarm.gallery} has an open drift alarm: {in_words(alarm.finding)}",
            code="gallery_drifted",
        )


def _raise(gallery: Gallery, alarm: DriftAlarm | None, check: CanaryCheck) -> None:
    differs = [
        {key: one[key] for key in SAID_OF_FINDING}
        for one in check.results
        if one["outcome"] == DriftOutcome.DIFFERS
    ]
    finding = sorted([*differs, *_unanswered(alarm, check)], key=lambda one: one["segment"])
    if alarm is not None and _gist(alarm.finding) == _gist(finding):
        alarm.last_check, alarm.finding = check, finding
        alarm.save(update_fields=["last_check", "finding"])
        return
    now = timezone.now()
    values = {"state": DriftAlarm.State.OPEN, "last_check": check, "finding": finding}
    if alarm is None:
        alarm = DriftAlarm(gallery=gallery, raised_by=check, raised_at=now)
    for name, value in (values | _UNACKNOWLEDGED).items():
        setattr(alarm, name, value)
    alarm.save()
    _tell("gallery.drift", alarm, actor="worker")


_UNACKNOWLEDGED: dict[str, Any] = {"acknowledged_by": None, "acknowledged_at": None, "reason": ""}


def _clear(gallery: Gallery, alarm: DriftAlarm, check: CanaryCheck) -> None:
    alarm.state, alarm.cleared_at = DriftAlarm.State.CLEARED, timezone.now()
    alarm.last_check = check
    alarm.save(update_fields=["state", "cleared_at", "last_check"])
    _tell("gallery.drift_cleared", alarm, actor="worker")


def _answers(alarm: DriftAlarm, check: CanaryCheck) -> bool:
    """Whether each segment that differed matches now, or holds nothing beside one that matches."""
    said = {one["segment"]: one["outcome"] for one in check.results}
    return DriftOutcome.MATCHES in said.values() and all(
        said.get(one["segment"], DriftOutcome.MATCHES) == DriftOutcome.MATCHES
        for one in alarm.finding
    )


def _unanswered(alarm: DriftAlarm | None, check: CanaryCheck) -> list[dict[str, Any]]:
    """Return what was found of segments that this check could not tell anything about."""
    told = {DriftOutcome.MATCHES, DriftOutcome.DIFFERS}
    untold = {one["segment"] for one in check.results if one["outcome"] not in told}
    return [one for one in (alarm.finding if alarm else []) if one["segment"] in untold]


def _gist(finding: Sequence[dict[str, Any]]) -> list[list[Any]]:
    return [[one[key] for key in WHAT_IT_IS] for one in finding]


def _tell(kind: str, alarm: DriftAlarm, *, actor: str, **facts: Any) -> None:
    """Write the ledger entry and the event of what became of an alarm."""
    subject = f"gallery:{alarm.gallery.name}"
    said = {
        "alias": str(alarm.gallery.alias),
        "alarm": alarm.pk,
        "check": alarm.last_check_id,
        "finding": alarm.finding,
        "in_words": in_words(alarm.finding),
        **facts,
    }
    record(actor=actor, action=kind, subject=subject, **said)
    publish(kind=kind, subject=subject, **said)
