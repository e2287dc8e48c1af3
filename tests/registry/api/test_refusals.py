"""A decision that was refused to a person is in the ledger; one on nothing is none."""

import pytest

from registry.audit.models import LedgerEntry
from registry.upgrades.models import AliasGate
from tests.builders import registry as make
from tests.builders.waivers import a_failed_upgrade, a_waiver, end
from tests.registry.api.conftest import Api
from tests.registry.api.test_waivers import asked

pytestmark = pytest.mark.django_db


def withdraw_what_serves(api):
    upgrade = make.a_promoted_upgrade()
    return api.post(f"upgrades/{upgrade.pk}/withdraw"), f"upgrade:{upgrade.pk}"


def evaluate_what_serves(api):
    upgrade = make.a_promoted_upgrade()
    return api.post(f"upgrades/{upgrade.pk}/evaluate"), f"upgrade:{upgrade.pk}"


def supersede_by_itself(api):
    upgrade = make.an_upgrade()
    return (
        api.post(f"upgrades/{upgrade.pk}/supersede", by=upgrade.pk),
        f"upgrade:{upgrade.pk}",
    )


def waive_nothing(api):
    upgrade = a_failed_upgrade()
    answer = api.post(f"upgrades/{upgrade.pk}/waivers", **asked(rules=["nothing"]))
    return answer, f"upgrade:{upgrade.pk}"


def grant_an_own_waiver(api):
    upgrade = a_failed_upgrade()
    waiver = a_waiver(upgrade, granted=False, actor=api.owner)
    return api.post(f"waivers/{waiver.pk}/grant"), f"upgrade:{upgrade.pk}"


def grant_an_expired_waiver(api):
    upgrade = a_failed_upgrade()
    waiver = a_waiver(upgrade, granted=False)
    end(waiver)
    return api.post(f"waivers/{waiver.pk}/grant"), f"upgrade:{upgrade.pk}"


def ask_for_too_many_approvals(api):
    alias = make.an_alias()
    body = {"needed": 2, "approvers": [make.a_user().username]}
    path = f"models/{alias.model.name}/aliases/production/approvals"
    return api.send("PUT", path, body), f"alias:{alias}"


def name_an_unknown_approver(api):
    alias = make.an_alias()
    body = {"needed": 1, "approvers": ["nobody"]}
    path = f"models/{alias.model.name}/aliases/production/approvals"
    return api.send("PUT", path, body), f"alias:{alias}"


def approve_what_failed(api):
    upgrade = a_failed_upgrade()
    return api.post(f"upgrades/{upgrade.pk}/approve"), f"upgrade:{upgrade.pk}"


def reject_without_being_asked(api):
    upgrade = make.a_judged_upgrade()
    AliasGate.objects.get(alias=upgrade.alias).approvers.add(make.a_user())
    answer = api.post(f"upgrades/{upgrade.pk}/reject", comment="no")
    return answer, f"upgrade:{upgrade.pk}"


def reject_without_a_word(api):
    upgrade = make.a_judged_upgrade()
    return api.post(f"upgrades/{upgrade.pk}/reject"), f"upgrade:{upgrade.pk}"


REFUSED = {
    withdraw_what_serves: ("upgrade.withdraw", "illegal_transition"),
    evaluate_what_serves: ("upgrade.evaluate_again", "illegal_transition"),
    supersede_by_itself: ("upgrade.supersede", "same_upgrade"),
    waive_nothing: ("waiver.request", "unknown_rule"),
    grant_an_own_waiver: ("waiver.grant", "own_waiver"),
    grant_an_expired_waiver: ("waiver.grant", "waiver_expired"),
    ask_for_too_many_approvals: ("alias.set_approvals", "invalid_quorum"),
    name_an_unknown_approver: ("alias.set_approvals", "unknown_account"),
    approve_what_failed: ("upgrade.approve", "gate_not_passed"),
    reject_without_being_asked: ("upgrade.reject", "not_approver"),
    reject_without_a_word: ("upgrade.reject", "comment_missing"),
}


@pytest.mark.parametrize("act", REFUSED)
def test_a_refused_decision_is_in_the_ledger_with_who_and_why(api, act):
    action, code = REFUSED[act]

    answer, subject = act(api)

    entry = LedgerEntry.objects.latest("seq")
    assert answer.json()["code"] == code
    assert (entry.actor, entry.action, entry.subject) == (api.owner.username, action, subject)
    assert (entry.body["refused"], entry.body["detail"]) == (code, answer.json()["detail"])


@pytest.mark.parametrize(
    "path",
    [
        "upgrades/999999/withdraw",
        "upgrades/999999/evaluate",
        "upgrades/999999/approve",
        "upgrades/999999/promote",
        "waivers/999999/grant",
    ],
)
def test_a_decision_on_nothing_leaves_no_entry(api, path):
    before = LedgerEntry.objects.count()

    assert api.post(path).status_code == 404
    assert LedgerEntry.objects.count() == before


def test_what_the_token_may_not_is_no_decision():
    upgrade, reader = make.an_upgrade(), Api("read")
    before = LedgerEntry.objects.count()

    assert reader.post(f"upgrades/{upgrade.pk}/withdraw").status_code == 403
    assert LedgerEntry.objects.count() == before
