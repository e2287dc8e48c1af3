"""Close an upgrade that nobody wants any more."""

from django.contrib.auth.models import AbstractUser
from django.db import transaction
from django.utils import timezone

from registry.audit.services.record import record
from registry.core.errors import UnknownObjectError
from registry.upgrades.models import Upgrade
from registry.upgrades.states import State, next_state


@transaction.atomic
def withdraw(*, upgrade_id: int, actor: AbstractUser, reason: str = "") -> Upgrade:
    """Withdraw an open upgrade.

    Raises:
        UnknownObjectError: there is no such upgrade.
        IllegalTransitionError: it is not open.
    """
    upgrade = Upgrade.objects.select_for_update().filter(pk=upgrade_id).first()
    if upgrade is None:
        raise UnknownObjectError(f"no upgrade {upgrade_id}", code="unknown_upgrade")
    upgrade.state = next_state(State(upgrade.state), "withdraw")
    upgrade.changed_at = timezone.now()
    upgrade.save(update_fields=["state", "changed_at"])
    record(
        actor=actor.get_username(),
        action="upgrade.withdraw",
        subject=f"upgrade:{upgrade.pk}",
        reason=reason,
    )
    return upgrade
