"""Declare which signals roll an alias back after a promotion, or withdraw it."""

import re

from django.contrib.auth.models import AbstractUser
from django.db import transaction
from django.utils import timezone

from registry.audit.services.record import record
from registry.catalog.models import Alias
from registry.core.errors import InvalidInputError, UnknownObjectError, noting_refusal
from registry.notify.services.publish import publish
from registry.upgrades.models import Safeguard

SIGNAL = re.compile(r"[-a-zA-Z0-9_]{1,64}")
LONGEST_H = 366 * 24
"""A safeguard that is armed for longer than a year guards no promotion any more (chosen)."""

MOST_ITEMS = 2**62


def declare(
    *,
    alias: Alias,
    signal: str,
    armed_hours: int,
    actor: AbstractUser,
    at_most_unsearchable: int = 0,
    dual_query: bool = False,
    reason: str = "",
) -> Safeguard:
    """Have ``signal`` roll the alias back while it fires within some hours of a promotion.

    It acts on behalf of ``actor``. Declared again with other terms it takes the place of the former
    declaration; with the same terms it is the former one.

    Args:
        at_most_unsearchable: it does not roll back where more items would be found no longer.
        dual_query: let each version query its own vectors where items would be found no longer.

    Raises:
        InvalidInputError: the signal has no such name, or a number is out of range.
    """
    terms = {
        "armed_hours": armed_hours,
        "at_most_unsearchable": at_most_unsearchable,
        "dual_query": dual_query,
        "reason": reason,
    }
    refusal = noting_refusal("safeguard.declare", f"alias:{alias}", signal=signal[:64])
    with refusal, transaction.atomic():
        _require_sense(signal, armed_hours, at_most_unsearchable)
        Alias.objects.select_for_update(no_key=True).get(pk=alias.pk)
        former = Safeguard.objects.filter(alias=alias, signal=signal, withdrawn_at=None).first()
        if former is not None and all(getattr(former, k) == v for k, v in terms.items()):
            return former
        now = timezone.now()
        Safeguard.objects.filter(pk=former.pk if former else None).update(withdrawn_at=now)
        made = Safeguard.objects.create(
            alias=alias, signal=signal, declared_by=actor, declared_at=now, **terms
        )
        _note(made, "safeguard.declare", actor, **terms, replaces=former.pk if former else None)
        return made


def withdraw_safeguard(*, alias: Alias, signal: str, actor: AbstractUser) -> Safeguard:
    """Let a signal roll nothing back any more.

    Raises:
        UnknownObjectError: none is declared for it.
    """
    with transaction.atomic():
        Alias.objects.select_for_update(no_key=True).get(pk=alias.pk)
        held = declared(alias, signal)
        held.withdrawn_at = timezone.now()
        held.save(update_fields=["withdrawn_at"])
        _note(held, "safeguard.withdraw", actor)
        return held


def declared(alias: Alias, signal: str) -> Safeguard:
    """Return what is declared for a signal now, or raise UnknownObjectError."""
    found = Safeguard.objects.select_related("declared_by", "alias__model").filter(
        alias=alias, signal=signal, withdrawn_at=None
    )
    held = found.first()
    if held is None:
        raise UnknownObjectError(
            f"no safeguard of {alias} for the signal {signal}", code="unknown_safeguard"
        )
    return held


def _require_sense(signal: str, armed_hours: int, at_most: int) -> None:
    if SIGNAL.fullmatch(signal) is None:
        raise InvalidInputError(
            "a signal is named by 1 to 64 letters, digits, hyphens or underscores",
            code="invalid_safeguard",
        )
    if not (1 <= armed_hours <= LONGEST_H and 0 <= at_most <= MOST_ITEMS):
        raise InvalidInputError(
            f"it is armed for 1 to {LONGEST_H} hours, and allows 0 items or more",
            code="invalid_safeguard",
        )


def _note(held: Safeguard, action: str, actor: AbstractUser, **facts: object) -> None:
    subject = f"alias:{held.alias}"
    said = {"safeguard": held.pk, "signal": held.signal, **facts}
    record(actor=actor.get_username(), action=action, subject=subject, **said)
    publish(kind=action, subject=subject, **said)
