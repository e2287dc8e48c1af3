"""Waivers: itemised, expiring, by two people, and never silent."""

from datetime import timedelta

import pytest
from django.db import IntegrityError, transaction
from django.utils import timezone

from compat.verdict import COVERAGE, NULL_TEST, Outcome, outcome_after_waivers
from registry.audit.models import LedgerEntry
from registry.core.errors import RegistryError
from registry.evaluation.models import Comparison
from registry.upgrades.models import Waiver
from registry.upgrades.services.promote import promote
from registry.upgrades.services.waivers import grant_waiver, outcome_now, request_waiver
from tests.builders import registry as build

pytestmark = pytest.mark.django_db

RULES = ["negative flips", "accuracy kept"]


@pytest.fixture
def failed():
    alias = build.a_promoted_upgrade().alias
    return build.a_judged_upgrade(alias, outcome=Outcome.FAILED)


def ask(upgrade, **changes):
    values = {
        "upgrade_id": upgrade.pk,
        "rules": RULES,
        "reason": "the new camera comes on Monday",
        "expires_at": timezone.now() + timedelta(days=3),
        "actor": build.a_user(),
    }
    return request_waiver(**values | changes)


def code_of(act, **values):
    with pytest.raises(RegistryError) as refusal:
        act(**values)
    return refusal.value.code


def test_a_granted_waiver_lets_a_failed_candidate_in_and_the_ledger_says_so(failed):
    waiver = ask(failed)
    assert outcome_now(failed) == Outcome.FAILED
    grant_waiver(waiver_id=waiver.pk, actor=build.a_user())

    promote(upgrade_id=failed.pk, actor=build.a_user())

    assert outcome_now(failed) == Outcome.PASSED
    assert failed.verdict.outcome == Outcome.FAILED
    entry = LedgerEntry.objects.filter(action="upgrade.promote").latest("seq")
    assert entry.body["waivers"] == [waiver.pk]
    actions = LedgerEntry.objects.filter(action__startswith="waiver.")
    assert list(actions.order_by("seq").values_list("action", flat=True)) == [
        "waiver.request",
        "waiver.grant",
    ]


def test_every_rule_that_blocks_must_be_named(failed):
    grant_waiver(waiver_id=ask(failed, rules=RULES[:1]).pk, actor=build.a_user())

    assert outcome_now(failed) == Outcome.FAILED
    assert code_of(promote, upgrade_id=failed.pk, actor=build.a_user()) == "gate_not_passed"


def test_a_waiver_takes_two_people(failed):
    person = build.a_user()
    waiver = ask(failed, actor=person)

    assert code_of(grant_waiver, waiver_id=waiver.pk, actor=person) == "own_waiver"
    with pytest.raises(IntegrityError), transaction.atomic():
        Waiver.objects.filter(pk=waiver.pk).update(granted_by=person)


def test_the_uploader_does_not_grant_a_waiver(failed):
    waiver = ask(failed)

    code = code_of(grant_waiver, waiver_id=waiver.pk, actor=failed.candidate.created_by)

    assert code == "own_candidate"


def test_an_expired_waiver_counts_no_more(failed):
    waiver = ask(failed)
    grant_waiver(waiver_id=waiver.pk, actor=build.a_user())
    Waiver.objects.filter(pk=waiver.pk).update(expires_at=timezone.now() - timedelta(seconds=1))

    assert outcome_now(failed) == Outcome.FAILED
    assert code_of(promote, upgrade_id=failed.pk, actor=build.a_user()) == "gate_not_passed"


def test_a_waiver_of_named_samples_holds_only_for_them(failed):
    comparison = Comparison.objects.get(pk=failed.verdict.comparisons[0])
    named = [f"sample-{row}" for row in range(400)]
    comparison.flips = [build.a_flip(row, thumbnail=False) for row in range(400)]
    comparison.save(update_fields=["flips"])
    grant_waiver(waiver_id=ask(failed, sample_ids=named[:399]).pk, actor=build.a_user())
    assert outcome_now(failed) == Outcome.FAILED

    grant_waiver(waiver_id=ask(failed, sample_ids=named).pk, actor=build.a_user())
    assert outcome_now(failed) == Outcome.PASSED


def test_a_waiver_of_named_samples_does_not_hold_for_a_list_that_was_cut_short(failed):
    named = ["sample-0", "sample-1", "sample-2"]
    grant_waiver(waiver_id=ask(failed, sample_ids=named).pk, actor=build.a_user())

    assert outcome_now(failed) == Outcome.FAILED


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"reason": " "}, "reason_missing"),
        ({"rules": []}, "rules_missing"),
        ({"rules": ["no such rule"]}, "unknown_rule"),
        ({"rules": [NULL_TEST]}, "not_waivable"),
        ({"rules": [RULES[0], COVERAGE]}, "not_waivable"),
        ({"expires_at": timezone.now() + timedelta(days=400)}, "waiver_too_long"),
        ({"sample_ids": ["sample-0", "sample-9"]}, "not_flipped"),
        ({"upgrade_id": 999_999}, "unknown_upgrade"),
    ],
)
def test_a_wrong_request_is_refused_and_leaves_nothing(failed, changes, code):
    assert code_of(lambda: ask(failed, **changes)) == code
    assert not Waiver.objects.exists()


def test_a_waiver_ends_in_the_future(failed):
    assert code_of(lambda: ask(failed, expires_at=timezone.now())) == "waiver_expired"


def test_what_errored_is_never_waived():
    errored = build.a_judged_upgrade(outcome=Outcome.ERRORED)

    assert code_of(lambda: ask(errored, rules=[NULL_TEST])) == "not_waivable"


def test_a_waiver_is_granted_once(failed):
    waiver = ask(failed)
    grant_waiver(waiver_id=waiver.pk, actor=build.a_user())

    assert code_of(grant_waiver, waiver_id=waiver.pk, actor=build.a_user()) == "waiver_granted"


@pytest.mark.parametrize("outcome", [Outcome.ERRORED, Outcome.FAILED, Outcome.INCONCLUSIVE])
def test_the_null_test_and_coverage_are_never_excepted(outcome):
    for rule in (NULL_TEST, "gallery coverage"):
        assert outcome_after_waivers([(rule, outcome)], {rule}) is outcome


def test_an_errored_rule_is_not_excepted():
    assert outcome_after_waivers([("a", Outcome.ERRORED)], {"a"}) is Outcome.ERRORED
    assert outcome_after_waivers([], {"a"}) is Outcome.INCONCLUSIVE
