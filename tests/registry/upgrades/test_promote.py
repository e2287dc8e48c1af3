"""Only a pass that still stands moves an alias, and it moves everything or nothing."""

import threading

import pytest
from django.db import connection, connections

from compat.verdict import Outcome
from registry.audit.models import LedgerEntry
from registry.audit.selectors import verified_head
from registry.catalog.models import AliasMove
from registry.core.errors import (
    ConflictError,
    GateNotPassedError,
    IllegalTransitionError,
    RegistryError,
    UnknownObjectError,
)
from registry.galleries.models import Cutover
from registry.notify.models import OutboxEvent
from registry.upgrades.models import Upgrade
from registry.upgrades.services.policy_scopes import set_policy
from registry.upgrades.services.promote import promote
from registry.upgrades.services.propose import propose
from registry.upgrades.services.withdraw import withdraw
from registry.upgrades.states import State
from tests.builders import registry as build
from tests.soak import rounds

pytestmark = pytest.mark.django_db


def the_alias(upgrade):
    upgrade.alias.refresh_from_db()
    return upgrade.alias


def promote_it(upgrade, **options):
    return promote(upgrade_id=upgrade.pk, actor=upgrade.created_by, **options)


def test_a_pass_moves_the_alias_with_its_history_ledger_and_event():
    upgrade = build.a_judged_upgrade()

    promotion = promote_it(upgrade, reason="it is better")

    assert the_alias(upgrade).version == upgrade.candidate
    assert promotion.upgrade.state == State.PROMOTED
    move = AliasMove.objects.get(alias=upgrade.alias)
    assert (move.epoch, move.from_version, move.reason) == (1, None, "it is better")
    assert move.evidence == f"verdict:{promotion.upgrade.verdict_id}"
    entry = LedgerEntry.objects.get(action="upgrade.promote")
    assert entry.body["to"] == str(upgrade.candidate)
    assert OutboxEvent.objects.get(kind="alias.moved").body == entry.body


@pytest.mark.parametrize("outcome", [o for o in Outcome if o is not Outcome.PASSED])
def test_nothing_but_a_pass_is_promoted(outcome):
    upgrade = build.a_judged_upgrade(outcome=outcome)

    with pytest.raises(GateNotPassedError) as refused:
        promote_it(upgrade)

    assert refused.value.code == "gate_not_passed"
    assert refused.value.refusal.action == "upgrade.promote"
    assert the_alias(upgrade).version is None
    assert not AliasMove.objects.exists()
    assert not LedgerEntry.objects.filter(action="upgrade.promote").exists()


def test_what_was_never_judged_is_not_promoted():
    with pytest.raises(IllegalTransitionError):
        promote_it(build.an_upgrade())


def test_an_unknown_upgrade_is_not_promoted():
    with pytest.raises(UnknownObjectError) as refused:
        promote(upgrade_id=999_999, actor=build.a_user())

    assert refused.value.code == "unknown_upgrade"


def test_a_promoted_upgrade_cannot_be_promoted_again():
    upgrade = build.a_promoted_upgrade()

    with pytest.raises(IllegalTransitionError):
        promote_it(upgrade)


def test_a_pass_under_a_policy_that_no_longer_guards_is_stale():
    upgrade = build.a_judged_upgrade()
    set_policy(alias=upgrade.alias, revision=build.a_policy_revision(), actor=build.a_user())

    with pytest.raises(GateNotPassedError) as refused:
        promote_it(upgrade)

    assert refused.value.code == "verdict_stale"
    assert the_alias(upgrade).epoch == 0


def test_a_pass_against_a_version_that_no_longer_serves_is_stale():
    alias = build.a_promoted_upgrade().alias
    one, other = build.a_judged_upgrade(alias), build.a_judged_upgrade(alias)
    promote_it(one)

    with pytest.raises(GateNotPassedError) as refused:
        promote_it(other)

    assert refused.value.code == "verdict_stale"


def test_a_dry_run_gives_the_real_answer_and_moves_nothing():
    passed, failed = build.a_judged_upgrade(), build.a_judged_upgrade(outcome=Outcome.FAILED)

    promotion = promote_it(passed, dry_run=True)
    with pytest.raises(GateNotPassedError) as refused:
        promote_it(failed, dry_run=True)

    assert promotion.move.epoch == 1
    assert refused.value.refusal is None
    assert the_alias(passed).version is None
    assert not AliasMove.objects.exists()
    assert not LedgerEntry.objects.filter(action="upgrade.promote").exists()
    assert Upgrade.objects.get(pk=passed.pk).state == State.JUDGED


def test_the_former_upgrade_is_replaced():
    former = build.a_promoted_upgrade()

    promote_it(build.a_judged_upgrade(former.alias))

    former.refresh_from_db()
    assert former.state == State.REPLACED


def test_an_error_after_the_move_leaves_nothing_of_it(monkeypatch):
    upgrade = build.a_judged_upgrade()

    def broken(**values):
        raise ZeroDivisionError

    monkeypatch.setattr("registry.upgrades.services.promote.publish", broken)
    with pytest.raises(ZeroDivisionError):
        promote_it(upgrade)

    assert the_alias(upgrade).epoch == 0
    assert not AliasMove.objects.exists()
    assert not LedgerEntry.objects.filter(action="upgrade.promote").exists()


def test_a_withdrawn_candidate_can_be_proposed_again_but_keeps_no_verdict_that_counts():
    upgrade = build.a_judged_upgrade()
    withdraw(upgrade_id=upgrade.pk, actor=upgrade.created_by)

    with pytest.raises(IllegalTransitionError):
        promote_it(upgrade)
    again = propose(alias=upgrade.alias, candidate=upgrade.candidate, actor=upgrade.created_by)

    assert again.pk == upgrade.pk
    assert again.state == State.EVALUATING


def test_what_serves_already_is_not_proposed():
    upgrade = build.a_promoted_upgrade()

    with pytest.raises(ConflictError) as refused:
        propose(alias=the_alias(upgrade), candidate=upgrade.candidate, actor=upgrade.created_by)

    assert refused.value.code == "already_serving"


def test_galleries_are_cut_over_in_the_same_transaction_or_not_at_all(monkeypatch):
    gallery = build.a_gallery(items=3)
    upgrade = build.a_judged_upgrade(gallery.alias)

    def broken(**values):
        raise ZeroDivisionError

    with monkeypatch.context() as patched:
        patched.setattr("registry.upgrades.services.promote.publish", broken)
        with pytest.raises(ZeroDivisionError):
            promote_it(upgrade)
    before = Cutover.objects.count()
    gallery.refresh_from_db()
    assert gallery.live_view.encoder == the_alias(upgrade).version

    promote_it(upgrade)

    gallery.refresh_from_db()
    assert gallery.live_view.encoder == upgrade.candidate == the_alias(upgrade).version
    assert Cutover.objects.count() == before + 1


def race(*acts):
    """Run the acts in threads behind one barrier; return what each returned or raised."""
    barrier, answers = threading.Barrier(len(acts)), [None] * len(acts)

    def run(place, act):
        try:
            barrier.wait(timeout=20)
            answers[place] = act()
        except RegistryError as exc:
            answers[place] = exc
        finally:
            connections.close_all()

    threads = [threading.Thread(target=run, args=(i, act)) for i, act in enumerate(acts)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    return answers


@pytest.mark.soak
@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
def test_of_concurrent_promotions_exactly_one_wins(soak_row):
    assert connection.vendor == "postgresql"
    contenders = 8
    for _ in range(count := rounds(ci=4, full=25)):
        alias = build.a_promoted_upgrade().alias
        rivals = [build.a_judged_upgrade(alias) for _ in range(contenders)]

        answers = race(*(lambda u=u: promote_it(u) for u in rivals))

        losers = [a for a in answers if isinstance(a, GateNotPassedError)]
        assert len(losers) == contenders - 1, answers
        assert {loser.code for loser in losers} == {"verdict_stale"}
        alias.refresh_from_db()
        assert alias.epoch == 2
    assert LedgerEntry.objects.filter(action="upgrade.promote").count() == 2 * count
    assert verified_head()[0] > 0
    soak_row("promotion races on PostgreSQL", f"{count} x {contenders}", "one winner in each")


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
def test_an_insert_and_a_promotion_do_not_pass_each_other():
    gallery = build.a_gallery(items=3)
    upgrade = build.a_judged_upgrade(gallery.alias)

    answers = race(
        lambda: promote_it(upgrade),
        *(lambda i=i: build.an_insert(gallery, [f"x{i}"]) for i in "ab"),
    )

    assert not isinstance(answers[0], RegistryError), answers
    for answer in answers[1:]:
        if isinstance(answer, RegistryError):
            assert answer.code in {"epoch_moved", "wrong_producer"}
    gallery.refresh_from_db()
    for segment in gallery.segments.all():
        rows = segment.items.filter(removed_at_revision=None)
        assert rows.count() == segment.live_items
