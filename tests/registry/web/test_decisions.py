"""Decisions on a candidate: approvals, rejections, waivers, and evaluating again."""

import pytest
from django.test import Client

from compat.verdict import Outcome
from registry.audit.models import LedgerEntry
from registry.upgrades.models import AliasGate, Decision, Waiver
from tests.builders import registry as make
from tests.registry.web.conftest import outcomes_of, text_of


def path_of(upgrade, *parts):
    return "/".join([f"/upgrades/{upgrade.pk}", *parts, ""])


def another_person():
    client = Client()
    client.force_login(make.a_user())
    return client


def a_failed_upgrade():
    return make.a_judged_upgrade(make.a_promoted_upgrade().alias, outcome=Outcome.FAILED)


def test_an_approval_counts_and_is_shown(pages):
    upgrade = make.a_judged_upgrade()
    AliasGate.objects.filter(alias=upgrade.alias).update(approvals_needed=1)

    before = text_of(pages.get(path_of(upgrade)))
    pages.post(path_of(upgrade, "decision"), {"decision": "approve", "comment": "looks right"})
    after = text_of(pages.get(path_of(upgrade)))

    assert "0 of 1 approvals needed" in before
    assert "1 of 1 approvals needed" in after
    assert "ada approves verdict 1: looks right" in after


def test_a_promotion_that_lacks_approvals_says_so(pages):
    upgrade = make.a_judged_upgrade()
    AliasGate.objects.filter(alias=upgrade.alias).update(approvals_needed=2)

    words = text_of(pages.get(path_of(upgrade, "promote")))

    assert "0 of 2 approvals of this verdict" in words
    assert "approvals_missing" in words


def test_a_rejection_needs_a_reason_and_closes_the_upgrade(pages):
    upgrade = make.a_judged_upgrade()

    refused = pages.post(path_of(upgrade, "decision"), {"decision": "reject"}, follow=True)
    pages.post(path_of(upgrade, "decision"), {"decision": "reject", "comment": "too slow"})
    response = pages.get(path_of(upgrade))

    assert "comment_missing" in text_of(refused)
    assert outcomes_of(response)[0] == "quiet"
    assert "ada rejects verdict 1: too slow" in text_of(response)


@pytest.mark.parametrize("outcome", [o for o in Outcome if o is not Outcome.PASSED])
def test_what_did_not_pass_has_no_button_to_approve(pages, outcome):
    response = pages.get(path_of(make.a_judged_upgrade(outcome=outcome)))

    assert b'value="approve"' not in response.content
    assert b'value="reject"' in response.content


def test_a_person_who_may_not_decide_is_told_and_it_is_in_the_ledger(pages):
    upgrade = make.a_judged_upgrade()
    AliasGate.objects.get(alias=upgrade.alias).approvers.add(make.a_user())

    response = pages.post(path_of(upgrade, "decision"), {"decision": "approve"}, follow=True)

    assert "not_approver" in text_of(response)
    assert LedgerEntry.objects.last().body["refused"] == "not_approver"
    assert not Decision.objects.exists()


def test_a_decision_is_one_of_two(pages):
    upgrade = make.a_judged_upgrade()

    response = pages.post(path_of(upgrade, "decision"), {"decision": "maybe"}, follow=True)

    assert "Approve or reject." in text_of(response)


def test_a_waiver_takes_two_people_and_then_opens(pages):
    upgrade = a_failed_upgrade()
    form = {"rules": ["negative flips", "accuracy kept"], "reason": "agreed", "days": "3"}

    pages.post(path_of(upgrade, "waivers"), form)
    own = pages.post(f"/waivers/{Waiver.objects.get().pk}/grant/", follow=True)
    asked = pages.get(path_of(upgrade))
    another_person().post(f"/waivers/{Waiver.objects.get().pk}/grant/")
    granted = pages.get(path_of(upgrade))

    assert "own_waiver" in text_of(own)
    assert asked.context["may_promote"] is False
    assert granted.context["may_promote"] is True
    assert "A waiver excepts what blocks" in text_of(granted)
    assert outcomes_of(granted)[0] == "failed"


def test_a_waiver_offers_only_what_blocks(pages):
    response = pages.get(path_of(a_failed_upgrade()))

    offered = [value for value, _ in response.context["waiver_form"].fields["rules"].choices]
    assert offered == ["negative flips", "accuracy kept"]
    passed = pages.get(path_of(make.a_judged_upgrade()))
    assert passed.context["waiver_form"] is None


@pytest.mark.parametrize(
    "changes", [{"rules": []}, {"rules": ["null test"]}, {"reason": ""}, {"days": "0"}]
)
def test_a_waiver_for_nothing_is_not_asked_for(pages, changes):
    upgrade = a_failed_upgrade()
    form = {"rules": ["negative flips"], "reason": "agreed", "days": "3"} | changes

    response = pages.post(path_of(upgrade, "waivers"), form, follow=True)

    assert not Waiver.objects.exists()
    assert "Waiver:" in text_of(response)


def test_a_waiver_may_be_bound_to_named_samples(pages):
    upgrade = a_failed_upgrade()
    form = {"rules": ["negative flips"], "reason": "agreed", "days": "3"}

    pages.post(path_of(upgrade, "waivers"), form | {"sample_ids": "sample-1\n sample-2"})

    assert Waiver.objects.get().sample_ids == ["sample-1", "sample-2"]


def test_evaluating_again_reopens(pages):
    upgrade = make.a_judged_upgrade(outcome=Outcome.ERRORED)

    pages.post(path_of(upgrade, "evaluate-again"))

    upgrade.refresh_from_db()
    assert upgrade.state == "evaluating"


def test_who_approves_is_changed_on_the_page_of_the_alias(pages, ada):
    alias = make.an_alias()
    path = f"/models/{alias.model.name}/aliases/production/"

    pages.post(f"{path}approvals/", {"needed": "1", "approvers": [ada.pk]})

    gate = AliasGate.objects.get(alias=alias)
    assert (gate.approvals_needed, list(gate.approvers.all())) == (1, [ada])
    assert "1 needed, of ada" in text_of(pages.get(path))


def test_more_approvals_than_people_are_refused(pages, ada):
    alias = make.an_alias()
    path = f"/models/{alias.model.name}/aliases/production/"

    response = pages.post(f"{path}approvals/", {"needed": "2", "approvers": [ada.pk]}, follow=True)

    assert "invalid_quorum" in text_of(response)
