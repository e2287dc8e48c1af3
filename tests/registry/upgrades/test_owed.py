"""A waiver is owed from the promotion that needed it until one that needed none."""

import pytest

from compat.verdict import Outcome
from registry.upgrades.owed import owed_by, waivers_owed
from registry.upgrades.services.promote import promote
from registry.upgrades.services.propose import propose
from registry.upgrades.services.roll_back import roll_back
from registry.upgrades.services.waivers import grant_waiver
from tests.builders import registry as make
from tests.builders.waivers import (
    a_failed_upgrade,
    a_waived_promotion,
    a_waiver,
    end,
    list_flips,
)

pytestmark = pytest.mark.django_db


@pytest.fixture
def alias():
    alias = make.an_alias()
    make.a_promoted_upgrade(alias)
    return alias


def owed(alias):
    alias.refresh_from_db()
    return [waiver.pk for waiver in waivers_owed(alias)]


def back_to(upgrade):
    roll_back(
        alias=upgrade.alias, target=upgrade.candidate, actor=make.a_user(), reason="complaints"
    )


def test_nothing_is_owed_where_every_promotion_passed(alias):
    assert owed(alias) == []
    assert owed(make.an_alias()) == []


def test_a_waiver_is_owed_once_its_candidate_serves(alias):
    failed = a_failed_upgrade(alias)
    waiver = a_waiver(failed)
    before = owed(alias)

    promote(upgrade_id=failed.pk, actor=make.a_user())

    assert (before, owed(alias)) == ([], [waiver.pk])


def test_expiry_repays_nothing(alias):
    waiver = a_waived_promotion(alias).waivers.get()

    end(waiver)

    assert owed(alias) == [waiver.pk]


def test_a_second_waived_promotion_adds_to_what_is_owed(alias):
    first = a_waived_promotion(alias).waivers.get()
    second = a_waived_promotion(alias).waivers.get()

    assert owed(alias) == [second.pk, first.pk]


def test_a_promotion_that_needed_no_waiver_repays(alias):
    a_waived_promotion(alias)

    make.a_promoted_upgrade(alias)

    assert owed(alias) == []


def test_a_rollback_to_what_passed_repays_and_one_to_what_was_waived_owes_again(alias):
    first = alias.upgrades.get(state="promoted")
    waived = a_waived_promotion(alias)
    later = a_waived_promotion(alias)

    back_to(first)
    assert owed(alias) == []

    back_to(waived)
    assert owed(alias) == [waived.waivers.get().pk]

    back_to(later)
    assert owed(alias) == [later.waivers.get().pk, waived.waivers.get().pk]


def test_a_rollback_owes_for_the_promotion_it_lands_on_and_not_for_what_it_leaves(alias):
    waived = a_waived_promotion(alias)
    a_waived_promotion(alias)
    end(waived.waivers.get())

    back_to(waived)

    assert owed(alias) == [waived.waivers.get().pk]


def test_what_follows_a_rollback_owes_what_the_version_before_it_owed(alias):
    waived = a_waived_promotion(alias)
    make.a_promoted_upgrade(alias)
    back_to(waived)

    last = a_waived_promotion(alias)

    assert owed(alias) == [last.waivers.get().pk, waived.waivers.get().pk]


def test_a_candidate_that_passes_in_the_end_owes_no_waiver_it_was_granted(alias):
    upgrade = a_failed_upgrade(alias)
    a_waiver(upgrade)
    make.a_pin(alias)
    alias.gate.pins.order_by("pk").first().delete()
    passed = make.judge(upgrade, outcome=Outcome.PASSED)

    promote(upgrade_id=passed.pk, actor=make.a_user())

    assert owed(alias) == []


def test_only_what_counted_at_the_promotion_is_owed(alias):
    upgrade = a_failed_upgrade(alias)
    names = list_flips(upgrade, 400)
    used = a_waiver(upgrade)
    itemised = a_waiver(upgrade, sample_ids=names)
    a_waiver(upgrade, sample_ids=names[:399])
    a_waiver(upgrade, granted=False)
    end(a_waiver(upgrade))
    asked = a_waiver(upgrade, granted=False)
    promote(upgrade_id=upgrade.pk, actor=make.a_user())

    grant_waiver(waiver_id=asked.pk, actor=make.a_user())

    assert owed(alias) == [used.pk, itemised.pk]


def test_one_waiver_is_owed_once_however_often_it_was_used(alias):
    upgrade = a_waived_promotion(alias)
    a_waived_promotion(alias)
    propose(alias=alias, candidate=upgrade.candidate, actor=make.a_user())
    again = make.judge(upgrade, outcome=Outcome.FAILED)

    promote(upgrade_id=again.pk, actor=make.a_user())

    assert owed(alias).count(upgrade.waivers.get().pk) == 1
    assert len(owed(alias)) == 2


def test_what_was_owed_at_an_earlier_epoch_is_told(alias):
    waiver = a_waived_promotion(alias).waivers.get()
    make.a_promoted_upgrade(alias)

    owing = [[w.pk for w in waivers_owed(alias, epoch=epoch)] for epoch in range(4)]

    assert owing == [[], [], [waiver.pk], []]


def test_each_alias_owes_its_own(django_assert_num_queries):
    first = a_waived_promotion()
    staging = make.an_alias(first.alias.model, "staging")
    second = a_waived_promotion(staging)
    third = a_waived_promotion(staging)
    free = make.a_promoted_upgrade(make.an_alias(first.alias.model, "free")).alias

    with django_assert_num_queries(3):
        found = owed_by([first.alias, staging, free])
        names = {pk: [f"{w.requested_by} {w.granted_by}" for w in ws] for pk, ws in found.items()}

    assert found == {
        first.alias.pk: list(first.waivers.all()),
        staging.pk: [third.waivers.get(), second.waivers.get()],
        free.pk: [],
    }
    assert all(names[alias.pk] for alias in (first.alias, staging))
    with django_assert_num_queries(1):
        assert waivers_owed(free) == []
