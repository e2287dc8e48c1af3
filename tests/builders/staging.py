"""Schedules, safeguards and shadows that have measured something, by the services themselves."""

from datetime import timedelta
from typing import Any

from django.utils import timezone

from registry.catalog.models import Alias
from registry.evaluation.models import Comparison
from registry.upgrades.models import Safeguard, ScheduledPromotion, Shadow, Upgrade
from registry.upgrades.services.promote import promote
from registry.upgrades.services.safeguards import declare
from registry.upgrades.services.schedule import schedule
from tests.builders import registry as make

SIGNAL = "error-rate"


def a_schedule(upgrade: Upgrade | None = None, **changes: Any) -> ScheduledPromotion:
    """Return an open schedule for tomorrow."""
    upgrade = upgrade or make.a_judged_upgrade()
    values = {
        "upgrade_id": upgrade.pk,
        "actor": upgrade.created_by,
        "not_before": timezone.now() + timedelta(days=1),
        "reason": "when nobody searches",
    }
    return schedule(**(values | changes))


def let_it_be_due(held: ScheduledPromotion, *, over: bool = False) -> None:
    """Let the moment of a schedule have come, or its window be over."""
    now = timezone.now()
    ScheduledPromotion.objects.filter(pk=held.pk).update(
        not_before=now - timedelta(hours=2),
        not_after=now + timedelta(hours=-1 if over else 1),
    )


def a_guarded_alias(
    alias: Alias | None = None, *, items_after: int = 0, forward: bool = True, **terms: Any
) -> Alias:
    """Return an alias of encoders that was promoted twice, with a safeguard for ``SIGNAL``.

    Its gallery holds five items of the first version, and ``items_after`` of the second. Without
    ``forward`` nothing shows that the first version finds what the second one writes.
    """
    gallery = make.a_gallery(make.a_promoted_upgrade(alias).alias if alias else None, items=5)
    upgrade = make.a_judged_upgrade(gallery.alias)
    if not forward:
        comparison = Comparison.objects.order_by("pk").last()
        assert comparison is not None
        comparison.measurements = [
            m for m in comparison.measurements if m["name"] != "map.old_new_minus_old_old"
        ]
        comparison.save(update_fields=["measurements"])
    promote(upgrade_id=upgrade.pk, actor=upgrade.created_by)
    if items_after:
        make.an_insert(gallery, [f"late-{i}" for i in range(items_after)])
    alias = the_alias(gallery.alias_id)
    a_safeguard(alias, **terms)
    return alias


def a_safeguard(alias: Alias, **terms: Any) -> Safeguard:
    """Return a safeguard of an alias that is armed for a day after a promotion."""
    values = {"signal": SIGNAL, "armed_hours": 24, "actor": make.a_user()}
    return declare(alias=alias, **(values | terms))


def the_alias(pk: int) -> Alias:
    """Return an alias as it is now."""
    return Alias.objects.select_related("model", "version__model").get(pk=pk)


def a_shadow(upgrade: Upgrade, *, compared: int, overlap: float = 1.0, failed: int = 0) -> Shadow:
    """Return a shadow in which every compared query had the same overlap."""
    return Shadow.objects.create(
        upgrade=upgrade,
        alias_epoch=the_alias(upgrade.alias_id).epoch,
        share=1.0,
        queries=compared + failed,
        compared=compared,
        failed=failed,
        overlap_sum=compared * overlap,
        overlap_square_sum=compared * overlap**2,
        started_by=upgrade.created_by,
        started_at=timezone.now(),
    )
