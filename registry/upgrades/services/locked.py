"""Upgrades that are locked until the transaction ends."""

from django.db.models import QuerySet

from registry.core.errors import UnknownObjectError
from registry.upgrades.models import Upgrade


def locked_upgrades() -> QuerySet[Upgrade]:
    """Return upgrades that are locked as they are read; neither candidate nor alias is."""
    return Upgrade.objects.select_for_update(of=("self",)).select_related(
        "alias__model", "candidate__model"
    )


def locked_upgrade(upgrade_id: int) -> Upgrade:
    """Lock an upgrade.

    Raises:
        UnknownObjectError: there is no such upgrade.
    """
    found = locked_upgrades().filter(pk=upgrade_id).first()
    if found is None:
        raise UnknownObjectError(f"no upgrade {upgrade_id}", code="unknown_upgrade")
    return found
