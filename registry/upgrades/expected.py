"""Which encoders a rollback or a promotion may make live next, so that they can be warm by then."""

from collections import Counter
from collections.abc import Iterator

from django.db.models import F

from compat.verdict import Outcome
from registry.catalog.models import ModelVersion
from registry.galleries.models import Cutover
from registry.upgrades.models import Upgrade
from registry.upgrades.services.waivers import outcome_now
from registry.upgrades.states import State


def expected_encoders(*, candidates_per_alias: int) -> list[ModelVersion]:
    """Return what encoded for each gallery before, then the candidates that may be promoted now.

    Of an alias that galleries follow they are the newest, at most ``candidates_per_alias``.
    """
    found = {version.pk: version for version in [*_former(), *_candidates(candidates_per_alias)]}
    return [version for version in found.values() if not version.is_recorded]


def _former() -> list[ModelVersion]:
    last = Cutover.objects.filter(epoch=F("gallery__epoch"), from_view__isnull=False)
    last = last.select_related("from_view__encoder__model").order_by("gallery")
    return [cutover.from_view.encoder for cutover in last]


def _candidates(at_most: int) -> Iterator[ModelVersion]:
    """Whether the galleries are covered does not matter: a dual query asks for no coverage."""
    judged = Upgrade.objects.filter(state=State.JUDGED, alias__galleries__isnull=False)
    chosen: Counter[int] = Counter()
    for upgrade in judged.select_related("candidate__model", "verdict").distinct().order_by("-pk"):
        if chosen[upgrade.alias_id] == at_most:
            continue
        if outcome_now(upgrade, with_coverage=False) == Outcome.PASSED:
            chosen[upgrade.alias_id] += 1
            yield upgrade.candidate
