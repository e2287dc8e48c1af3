"""Waivers by the services themselves, and promotions that needed one."""

from datetime import timedelta
from typing import Any

from django.utils import timezone

from compat.verdict import Outcome
from registry.catalog.models import Alias
from registry.evaluation.models import Comparison
from registry.upgrades.models import Upgrade, Waiver
from registry.upgrades.services.promote import promote
from registry.upgrades.services.waivers import grant_waiver, request_waiver
from tests.builders import registry as make

RULES = ("accuracy kept", "negative flips")
"""What blocks a candidate that ``make.a_judged_upgrade`` lets fail."""

FAILING_FLIPS = 400
"""Negative flips that are counted of a candidate that ``make.a_judged_upgrade`` lets fail."""


def a_waiver(upgrade: Upgrade, *, granted: bool = True, **changes: Any) -> Waiver:
    """Return a waiver of everything that blocks, for three days, granted by another person."""
    values = {
        "rules": RULES,
        "reason": "the new camera comes on Monday",
        "expires_at": timezone.now() + timedelta(days=3),
        "actor": make.a_user(),
    }
    waiver = request_waiver(upgrade_id=upgrade.pk, **(values | changes))
    return grant_waiver(waiver_id=waiver.pk, actor=make.a_user()) if granted else waiver


def a_failed_upgrade(alias: Alias | None = None) -> Upgrade:
    """Return an upgrade of an alias that serves to a candidate that failed."""
    if alias is None or alias.version is None:
        alias = make.a_promoted_upgrade(alias).alias
    return make.a_judged_upgrade(alias, outcome=Outcome.FAILED)


def a_waived_promotion(alias: Alias | None = None, *, itemised: bool = False) -> Upgrade:
    """Return an upgrade that failed and was promoted under a waiver, itemised or not."""
    upgrade = a_failed_upgrade(alias)
    a_waiver(upgrade, sample_ids=list_flips(upgrade, FAILING_FLIPS) if itemised else ())
    promote(upgrade_id=upgrade.pk, actor=upgrade.created_by)
    if alias is not None:
        alias.refresh_from_db()
    upgrade.refresh_from_db()
    return upgrade


def list_flips(upgrade: Upgrade, count: int) -> list[str]:
    """Let the upgrade's comparison list ``count`` negative flips; return their sample ids."""
    comparison = Comparison.objects.get(pk=upgrade.verdict.comparisons[0])
    comparison.flips = [make.a_flip(row, thumbnail=False) for row in range(count)]
    comparison.save(update_fields=["flips"])
    return [flip["id"] for flip in comparison.flips]


def end(waiver: Waiver) -> None:
    """Let a waiver's time be over from now on; what was done under it keeps having been."""
    Waiver.objects.filter(pk=waiver.pk).update(expires_at=timezone.now())
