"""A verdict is valid only for the situation that it was made for."""

import pytest

from registry.evaluation.models import Comparison, Outputs
from registry.galleries.services.remove import remove_items
from registry.upgrades.selectors import fresh_upgrade
from registry.upgrades.services.advance import advance, advance_all, is_stale
from registry.upgrades.services.gates import pin_set, unpin_set
from registry.upgrades.services.policy_scopes import set_policy
from registry.upgrades.services.promote import promote
from registry.upgrades.services.roll_back import roll_back
from registry.upgrades.services.situation import situation_of
from registry.upgrades.states import State
from tests.builders import registry as build

pytestmark = pytest.mark.django_db


def stale(upgrade):
    upgrade.refresh_from_db()
    return is_stale(upgrade, situation_of(upgrade))


@pytest.fixture
def upgrade():
    alias = build.a_promoted_upgrade().alias
    return build.a_judged_upgrade(alias)


def test_a_verdict_stands_while_nothing_moves(upgrade):
    verdict = upgrade.verdict

    advance_all()

    assert not stale(upgrade)
    assert upgrade.verdict == verdict


def move_policy(upgrade):
    set_policy(alias=upgrade.alias, revision=build.a_policy_revision(), actor=build.a_user())


def move_pin(upgrade):
    pin = upgrade.alias.gate.pins.get()
    revision = build.a_set_revision(pin.evaluation_set.name)
    pin_set(alias=upgrade.alias, revision=revision, actor=build.a_user())


def add_pin(upgrade):
    build.a_pin(upgrade.alias)


def remove_pin(upgrade):
    pin = upgrade.alias.gate.pins.get()
    unpin_set(alias=upgrade.alias, pin=pin, actor=build.a_user())


def move_alias(upgrade):
    other = build.a_judged_upgrade(upgrade.alias)
    promote(upgrade_id=other.pk, actor=build.a_user())


@pytest.mark.parametrize("move", [move_policy, move_pin, add_pin, remove_pin, move_alias])
def test_a_verdict_is_stale_when_what_it_rests_on_moves(upgrade, move):
    move(upgrade)

    assert stale(upgrade)


def test_reading_a_stale_upgrade_reopens_it_and_it_is_judged_again(upgrade):
    first = upgrade.verdict
    move_alias(upgrade)

    assert fresh_upgrade(upgrade.pk).state == State.EVALUATING
    again = build.judge(upgrade)

    assert (again.verdict.number, first.number) == (2, 1)
    assert again.verdict.incumbent != first.incumbent


def test_a_stale_verdict_is_redone_from_stored_outputs(upgrade):
    outputs = Outputs.objects.count()
    incumbent = upgrade.alias.version
    incumbent.artifact_id, artifact = None, incumbent.artifact_id
    move_policy(upgrade)

    again = advance(upgrade_id=upgrade.pk)

    assert artifact is not None
    assert again.state == State.JUDGED
    assert again.verdict.number == 2
    assert Outputs.objects.count() == outputs


def test_after_a_rollback_to_the_same_version_older_verdicts_are_stale():
    first = build.a_promoted_upgrade()
    waiting = build.a_judged_upgrade(first.alias)
    second = build.a_judged_upgrade(first.alias)
    promote(upgrade_id=second.pk, actor=build.a_user())
    first.alias.refresh_from_db()
    roll_back(alias=first.alias, target=first.candidate, actor=build.a_user(), reason="bad")

    assert waiting.verdict.incumbent == first.candidate
    assert stale(waiting)
    comparisons = Comparison.objects.count()
    assert advance(upgrade_id=waiting.pk).state == State.JUDGED
    assert Comparison.objects.count() == comparisons


def test_an_insert_does_not_void_a_verdict_but_a_new_producer_does():
    gallery = build.a_gallery(items=3)
    first = gallery.alias.upgrades.get()
    waiting = build.a_judged_upgrade(gallery.alias)

    build.an_insert(gallery, ["another"])
    assert not stale(waiting)

    second = build.a_judged_upgrade(gallery.alias)
    promote(upgrade_id=second.pk, actor=build.a_user())
    build.an_insert(gallery, ["by the second"])
    waiting = build.judge(waiting)
    assert len(waiting.verdict.fingerprint["producers"]) == 2
    assert [c["outcome"] for c in waiting.verdict.coverage] == ["passed", "passed"]

    remove_items(gallery=gallery, ids=["by the second"], actor=build.a_user())
    assert stale(waiting)
    assert first.candidate_id != second.candidate_id
