"""A shadow: who may start it, what it counts, what its figures say, when it is over."""

import math
from datetime import timedelta

import pytest
from django.db import IntegrityError, transaction
from django.utils import timezone

from compat.policy import Task
from registry.audit.models import LedgerEntry
from registry.core.errors import ConflictError, IllegalTransitionError, InvalidInputError
from registry.galleries.services.attach import Attachment
from registry.galleries.services.create_gallery import create_gallery
from registry.upgrades.models import Shadow
from registry.upgrades.services.count_shadow import Compared, Tally, count_shadow
from registry.upgrades.services.promote import promote
from registry.upgrades.services.start_shadow import start_shadow
from registry.upgrades.services.stop_shadow import end_shadows, stop_shadow
from registry.upgrades.services.withdraw import withdraw
from registry.upgrades.shadows import shadow_result, shadows_at_work
from tests.builders import registry as build

pytestmark = pytest.mark.django_db


@pytest.fixture
def upgrade():
    alias = build.an_alias(build.a_model(task=Task.EMBEDDING))
    build.a_promoted_upgrade(alias)
    build.a_gallery(alias, items=3)
    return build.a_judged_upgrade(alias)


def begin(upgrade, share=0.5, **until):
    return start_shadow(upgrade_id=upgrade.pk, share=share, actor=build.a_user("ann"), **until)


def found(overlap=1.0, live_ms=3.0, candidate_ms=7.0, same=True):
    return Compared(overlap, same, live_ms, candidate_ms)


def at_work():
    return list(shadows_at_work(timezone.now()))


def test_a_person_starts_and_stops_a_shadow_and_the_ledger_tells(upgrade):
    shadow = begin(upgrade, 0.25, most_queries=100)
    assert at_work() == [shadow]

    stop_shadow(upgrade_id=upgrade.pk, actor=build.a_user("bob"))

    assert at_work() == []
    entries = LedgerEntry.objects.filter(action__startswith="shadow.").order_by("pk")
    assert [(e.actor, e.action, e.subject) for e in entries] == [
        ("ann", "shadow.start", f"upgrade:{upgrade.pk}"),
        ("bob", "shadow.stop", f"upgrade:{upgrade.pk}"),
    ]
    assert entries[0].body["share"] == 0.25


@pytest.mark.parametrize("share", [0, -0.1, 1.01, math.nan, math.inf])
def test_a_share_is_above_0_and_at_most_1(upgrade, share):
    with pytest.raises(InvalidInputError) as refusal:
        begin(upgrade, share)

    assert refusal.value.code == "invalid_share"
    assert refusal.value.refusal is not None


@pytest.mark.parametrize("until", [{"most_queries": 0}, {"ends_at": timezone.now()}])
def test_an_end_lies_ahead(upgrade, until):
    with pytest.raises(InvalidInputError) as refusal:
        begin(upgrade, **until)

    assert refusal.value.code == "invalid_end"


def test_only_a_judged_upgrade_has_a_shadow(upgrade):
    withdraw(upgrade_id=upgrade.pk, actor=build.a_user())

    with pytest.raises(IllegalTransitionError):
        begin(upgrade)


def test_recorded_outputs_cannot_shadow(upgrade):
    recorded = build.a_version(upgrade.alias.model, recorded=True)
    upgrade.candidate = recorded
    upgrade.save(update_fields=["candidate"])

    with pytest.raises(ConflictError) as refusal:
        begin(upgrade)

    assert refusal.value.code == "encoder_without_weights"


def test_where_no_gallery_is_searched_here_there_is_nothing_to_sample():
    alias = build.an_alias(build.a_model(task=Task.EMBEDDING))
    version = build.a_promoted_upgrade(alias).candidate
    create_gallery(
        name="elsewhere",
        alias=alias,
        actor=build.a_user(),
        attachment=Attachment("their index", [(version, 3)]),
    )

    with pytest.raises(ConflictError) as refusal:
        begin(build.a_judged_upgrade(alias))

    assert refusal.value.code == "no_gallery"


def test_one_shadow_runs_at_a_time(upgrade):
    first = begin(upgrade)
    with pytest.raises(ConflictError) as refusal:
        start_shadow(upgrade_id=upgrade.pk, share=1, actor=build.a_user())
    assert refusal.value.code == "shadow_running"

    with pytest.raises(IntegrityError), transaction.atomic():
        Shadow.objects.create(
            upgrade=upgrade, alias_epoch=1, share=1, started_by=first.started_by,
            started_at=timezone.now(),
        )  # fmt: skip


def test_one_that_has_run_its_course_makes_way(upgrade):
    first = begin(upgrade, most_queries=1)
    count_shadow(shadow_id=first.pk, tally=Tally([found()]))
    assert at_work() == []

    second = start_shadow(upgrade_id=upgrade.pk, share=1, actor=build.a_user())

    first.refresh_from_db()
    assert (first.state, first.end) == ("over", "queries")
    assert at_work() == [second]


def test_a_promotion_ends_it(upgrade):
    shadow = begin(upgrade)
    promote(upgrade_id=upgrade.pk, actor=build.a_user())
    assert at_work() == []

    assert end_shadows() == 1

    shadow.refresh_from_db()
    assert (shadow.state, shadow.end) == ("over", "upgrade_closed")
    assert LedgerEntry.objects.filter(action="shadow.end").count() == 1


def test_its_time_ends_it(upgrade):
    shadow = begin(upgrade, ends_at=timezone.now() + timedelta(hours=1))
    assert end_shadows() == 0

    Shadow.objects.update(ends_at=timezone.now() - timedelta(seconds=1))

    assert at_work() == []
    end_shadows()
    shadow.refresh_from_db()
    assert shadow.end == "time"


def test_figures_beside_another_incumbent_are_not_of_this_one(upgrade):
    rival = build.a_judged_upgrade(upgrade.alias)
    shadow = begin(upgrade)
    count_shadow(shadow_id=shadow.pk, tally=Tally([found()]))
    assert shadow_result(upgrade).queries == 1

    promote(upgrade_id=rival.pk, actor=build.a_user())

    assert at_work() == []
    assert shadow_result(upgrade) is None
    end_shadows()
    shadow.refresh_from_db()
    assert shadow.end == "alias_moved"


def test_what_is_counted_adds_up(upgrade):
    shadow = begin(upgrade)
    count_shadow(shadow_id=shadow.pk, tally=Tally([found(1.0), found(0.5, same=False)], 2, 1, 4))
    count_shadow(
        shadow_id=shadow.pk,
        tally=Tally([found(0.6, live_ms=30, candidate_ms=9999)], failed=1, last_failure="busy"),
    )

    result = shadow_result(upgrade)

    assert result.queries == 3
    assert result.mean_overlap == pytest.approx(0.7)
    assert (result.top1_changed, result.not_comparable, result.failed) == (1, 2, 2)
    assert result.dropped == 4
    shadow.refresh_from_db()
    assert (shadow.queries, shadow.last_failure) == (11, "busy")


def test_quantiles_are_bounds_of_buckets(upgrade):
    shadow = begin(upgrade)
    assert shadow_result(upgrade).live_p95_ms is None

    answers = [found(candidate_ms=7.0)] * 95 + [found(candidate_ms=6000.0)] * 5
    count_shadow(shadow_id=shadow.pk, tally=Tally(answers))
    result = shadow_result(upgrade)
    assert (result.live_p50_ms, result.live_p95_ms) == (5.0, 5.0)
    assert (result.candidate_p50_ms, result.candidate_p95_ms) == (10.0, 10.0)

    count_shadow(shadow_id=shadow.pk, tally=Tally([found(candidate_ms=6000.0)]))
    assert shadow_result(upgrade).candidate_p95_ms == math.inf


def test_the_interval_is_that_of_the_single_values(upgrade):
    shadow = begin(upgrade)
    values = [0.9, 1.0, 0.8, 0.7] * 500
    count_shadow(shadow_id=shadow.pk, tally=Tally([found(v) for v in values]))

    result = shadow_result(upgrade)

    mean = sum(values) / len(values)
    variance = sum((v - mean) ** 2 for v in values) / (len(values) - 1)
    weight = math.log(2 / 0.025)
    half = math.sqrt(2 * variance * weight / len(values)) + 7 * weight / (3 * (len(values) - 1))
    assert result.overlap_lower == pytest.approx(mean - half)
    assert result.overlap_upper == pytest.approx(mean + half)


def test_few_equal_answers_prove_little(upgrade):
    shadow = begin(upgrade)
    count_shadow(shadow_id=shadow.pk, tally=Tally([found(1.0)]))
    assert shadow_result(upgrade).overlap_lower is None

    count_shadow(shadow_id=shadow.pk, tally=Tally([found(1.0)] * 9))
    assert shadow_result(upgrade).overlap_lower == 0.0


def test_while_a_stale_verdict_is_made_again_nothing_is_sampled_and_nothing_ends(upgrade):
    begin(upgrade)
    upgrade.state = "evaluating"
    upgrade.save(update_fields=["state"])

    assert at_work() == []
    assert end_shadows() == 0
