"""Close an upgrade that nobody wants any more."""

from datetime import timedelta

from django.contrib.auth.models import AbstractUser
from django.db import transaction
from django.utils import timezone

from registry.audit.services.record import record
from registry.core.errors import noting_refusal
from registry.notify.services.publish import publish
from registry.upgrades.models import Upgrade
from registry.upgrades.services.advance import ENGINE
from registry.upgrades.services.locked import locked_upgrade, locked_upgrades
from registry.upgrades.states import OPEN, State, next_state

KEPT_OPEN = timedelta(days=30)
"""An upgrade that nothing happens to for so long is closed (chosen)."""


def withdraw(*, upgrade_id: int, actor: AbstractUser, reason: str = "") -> Upgrade:
    """Withdraw an open upgrade.

    Raises:
        UnknownObjectError: there is no such upgrade.
        IllegalTransitionError: it is not open.
    """
    with noting_refusal("upgrade.withdraw", f"upgrade:{upgrade_id}"), transaction.atomic():
        return _close(locked_upgrade(upgrade_id), actor.get_username(), reason)


@transaction.atomic
def expire_untouched() -> int:
    """Withdraw open upgrades that nothing has happened to for ``KEPT_OPEN``; return how many."""
    untouched = locked_upgrades().filter(state__in=OPEN, changed_at__lt=timezone.now() - KEPT_OPEN)
    return len([_close(upgrade, ENGINE, "expired") for upgrade in untouched])


def _close(upgrade: Upgrade, actor: str, reason: str) -> Upgrade:
    upgrade.state = next_state(State(upgrade.state), "withdraw")
    upgrade.changed_at = timezone.now()
    upgrade.save(update_fields=["state", "changed_at"])
    facts = {"alias": str(upgrade.alias), "candidate": str(upgrade.candidate), "reason": reason}
    subject = f"upgrade:{upgrade.pk}"
    record(actor=actor, action="upgrade.withdraw", subject=subject, **facts)
    publish(kind="upgrade.withdrawn", subject=subject, **facts)
    return upgrade
