"""Promoting and rolling back with a dual query: each version goes on to query its own vectors."""

import pytest

from compat.policy import Task
from compat.verdict import Outcome
from registry.audit.models import LedgerEntry
from registry.core.errors import GateNotPassedError
from registry.evaluation.models import Comparison
from registry.upgrades.services.promote import promote
from registry.upgrades.services.roll_back import plan_rollback, roll_back
from tests.builders import registry as build
from tests.builders.new_lines import a_new_line

pytestmark = pytest.mark.django_db


@pytest.fixture
def upgrade():
    return a_new_line()


def take(upgrade, **how):
    return promote(upgrade_id=upgrade.pk, actor=build.a_user(), **how)


def entries(upgrade):
    gallery = upgrade.alias.galleries.get()
    return [
        (str(e.encoder), e.searchable, e.evidence, bool(e.calibration))
        for e in gallery.live_view.entries.select_related("encoder__model").order_by("segment")
    ]


def test_what_is_not_covered_is_promoted_by_a_dual_query_alone(upgrade):
    incumbent = upgrade.alias.version
    with pytest.raises(GateNotPassedError) as refusal:
        take(upgrade)
    assert refusal.value.code == "gallery_not_covered"

    promotion = take(upgrade, dual_query=True)

    comparison = Comparison.objects.get(
        old_digest=incumbent.digest, new_digest=upgrade.candidate.digest
    )
    assert entries(upgrade) == [
        (str(incumbent), True, f"comparison:{comparison.pk}", True),
        (str(upgrade.candidate), True, "self", True),
    ]
    assert promotion.cutovers[0].unsearchable_items == 0
    entry = LedgerEntry.objects.filter(action="upgrade.promote").last()
    assert entry.body["dual_query"] is True


def test_without_stored_calibrations_there_is_no_dual_query(upgrade):
    Comparison.objects.update(calibration={})

    with pytest.raises(GateNotPassedError) as refusal:
        take(upgrade, dual_query=True)

    assert refusal.value.code == "gallery_not_covered"


def test_a_dual_query_excuses_the_coverage_and_no_rule():
    alias = build.an_alias(build.a_model(task=Task.EMBEDDING))
    build.a_promoted_upgrade(alias)
    build.a_gallery(alias, items=3)
    failed = build.a_judged_upgrade(alias, outcome=Outcome.FAILED)

    with pytest.raises(GateNotPassedError) as refusal:
        take(failed, dual_query=True)

    assert refusal.value.code == "gate_not_passed"


def test_going_back_loses_nothing_that_was_written_since(upgrade):
    former = upgrade.alias.version
    take(upgrade, dual_query=True)
    alias = type(upgrade.alias).objects.get(pk=upgrade.alias_id)
    build.an_insert(alias.galleries.get(), ["later"])

    assert plan_rollback(alias=alias, target=former).unsearchable_items == 1
    assert plan_rollback(alias=alias, target=former, dual_query=True).unsearchable_items == 0
    roll_back(alias=alias, target=former, actor=build.a_user(), reason="worse", dual_query=True)

    searched = entries(upgrade)
    assert [(encoder, searchable) for encoder, searchable, *_ in searched] == [
        (str(former), True),
        (str(upgrade.candidate), True),
        (str(former), True),
    ]
