"""Close an upgrade in favour of another open one of the same alias."""

from django.contrib.auth.models import AbstractUser
from django.db import transaction
from django.utils import timezone

from registry.audit.services.record import record
from registry.catalog.models import Alias
from registry.core.errors import (
    ConflictError,
    InvalidInputError,
    UnknownObjectError,
    noting_refusal,
)
from registry.notify.services.publish import publish
from registry.upgrades.models import Upgrade
from registry.upgrades.services.locked import locked_upgrades
from registry.upgrades.states import OPEN, State, next_state


def supersede(
    *, upgrade_id: int, by_upgrade_id: int, actor: AbstractUser, reason: str = ""
) -> Upgrade:
    """Close an open upgrade: another open upgrade of its alias takes its place.

    Proposing its candidate again opens it again.

    Raises:
        UnknownObjectError: there is no such upgrade.
        InvalidInputError: the other one is the same, or is for another alias.
        IllegalTransitionError: it is not open.
        ConflictError: the other one is not open.
    """
    subject = f"upgrade:{upgrade_id}"
    with (
        noting_refusal("upgrade.supersede", subject, by=by_upgrade_id),
        transaction.atomic(),
    ):
        upgrade, by = _locked(upgrade_id, by_upgrade_id)
        _require_another(upgrade, by)
        upgrade.state = next_state(State(upgrade.state), "supersede")
        if by.state not in OPEN:
            raise ConflictError(f"upgrade {by.pk} is {by.state}", code="not_open")
        upgrade.superseded_by, upgrade.changed_at = by, timezone.now()
        upgrade.save(update_fields=["state", "superseded_by", "changed_at"])
        facts = {
            "alias": str(upgrade.alias),
            "candidate": str(upgrade.candidate),
            "by": by.pk,
            "by_candidate": str(by.candidate),
            "reason": reason,
        }
        record(actor=actor.get_username(), action="upgrade.supersede", subject=subject, **facts)
        publish(kind="upgrade.superseded", subject=subject, **facts)
        return upgrade


def _locked(upgrade_id: int, by_upgrade_id: int) -> tuple[Upgrade, Upgrade]:
    """Lock the alias, then both upgrades, so that no two close in favour of each other."""
    alias_id = Upgrade.objects.filter(pk=upgrade_id).values_list("alias", flat=True).first()
    Alias.objects.select_for_update(no_key=True).filter(pk=alias_id).first()
    found = {
        upgrade.pk: upgrade
        for upgrade in locked_upgrades().filter(pk__in=[upgrade_id, by_upgrade_id]).order_by("-pk")
    }
    for pk in (upgrade_id, by_upgrade_id):
        if pk not in found:
            raise UnknownObjectError(f"no upgrade {pk}", code="unknown_upgrade")
    return found[upgrade_id], found[by_upgrade_id]


def _require_another(upgrade: Upgrade, by: Upgrade) -> None:
    if upgrade.pk == by.pk:
        raise InvalidInputError("no upgrade supersedes itself", code="same_upgrade")
    if upgrade.alias_id != by.alias_id:
        raise InvalidInputError("the two upgrades are for different aliases", code="other_alias")
