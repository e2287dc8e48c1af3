"""Approvals, rejections, another evaluation, checks: as a program asks for them."""

import pytest

from compat.verdict import Outcome
from registry.audit.models import LedgerEntry
from registry.upgrades.models import Check
from tests.builders import registry as make
from tests.registry.api.conftest import Api, refusal

pytestmark = pytest.mark.django_db


@pytest.fixture
def approver():
    return Api("read", "write", "promote")


def test_a_quorum_is_set_asked_for_and_reached(approver):
    upgrade = make.a_judged_upgrade()
    alias = f"models/{upgrade.alias.model.name}/aliases/production"

    chosen = approver.send("PUT", f"{alias}/approvals", {"needed": 1})
    blocked = approver.post(f"upgrades/{upgrade.pk}/promote")
    yes = approver.post(f"upgrades/{upgrade.pk}/approve", comment="looks right")
    state = approver.get(f"upgrades/{upgrade.pk}/decisions").json()
    done = approver.post(f"upgrades/{upgrade.pk}/promote")

    assert chosen.json() == {"needed": 1, "approvers": [], "uploader_may_approve": False}
    assert (blocked.status_code, blocked.json()["code"]) == (409, "approvals_missing")
    assert yes.status_code == 201
    assert (state["approvals"], state["approvals_needed"]) == (1, 1)
    assert done.status_code == 200


def test_the_uploader_is_refused_and_the_ledger_says_so():
    upgrade = make.a_judged_upgrade()
    uploader = Api("promote", owner=upgrade.created_by)

    answer = uploader.post(f"upgrades/{upgrade.pk}/approve")

    assert (answer.status_code, answer.json()["code"]) == (403, "own_candidate")
    entry = LedgerEntry.objects.latest("seq")
    assert (entry.action, entry.body["refused"]) == ("upgrade.approve", "own_candidate")


def test_a_rejection_without_a_word_is_refused(approver):
    upgrade = make.a_judged_upgrade()

    silent = approver.post(f"upgrades/{upgrade.pk}/reject")
    spoken = approver.post(f"upgrades/{upgrade.pk}/reject", comment="too slow")

    assert (silent.status_code, silent.json()["code"]) == (400, "comment_missing")
    assert spoken.json()["kind"] == "reject"


def test_an_unknown_approver_is_named(approver):
    alias = make.an_alias()

    answer = approver.send(
        "PUT",
        f"models/{alias.model.name}/aliases/production/approvals",
        {"needed": 1, "approvers": ["nobody"]},
    )

    assert (answer.status_code, answer.json()["code"]) == (400, "unknown_account")


def test_a_person_decides_once_on_a_verdict(approver):
    upgrade = make.a_judged_upgrade()
    path = f"upgrades/{upgrade.pk}"
    approver.post(f"{path}/approve")

    again = approver.post(f"{path}/approve")
    changed = approver.post(f"{path}/reject", comment="no, after all")

    assert refusal(again) == refusal(changed) == (409, "duplicate_decision")
    assert approver.get(f"{path}/decisions").json()["approvals"] == 1


def test_a_failed_evaluation_is_asked_for_again(approver):
    upgrade = make.a_judged_upgrade(outcome=Outcome.ERRORED)

    answer = approver.post(f"upgrades/{upgrade.pk}/evaluate")

    assert answer.json()["state"] == "evaluating"


def test_a_check_is_queued_and_registers_nothing(approver):
    upgrade = make.a_promoted_upgrade()
    name = upgrade.alias.model.name
    revision = str(upgrade.alias.gate.pins.get().set_revision)

    queued = approver.upload(
        "compatibility", make.table_bytes(), model=name, evaluation_set=revision
    )
    read = approver.get(f"compatibility/{queued.json()['id']}")

    assert queued.status_code == 202, queued.json()
    assert (read.json()["work_state"], read.json()["outcome"]) == ("queued", None)
    assert read.json()["incumbent"] == str(upgrade.candidate)
    assert Check.objects.get().created_by == approver.owner


@pytest.mark.parametrize("manifest", ["[]", "3", '{"output": 1}', '{"format": "onnx"}'])
def test_a_check_whose_manifest_makes_no_sense_is_refused(approver, manifest):
    upgrade = make.a_promoted_upgrade()
    revision = str(upgrade.alias.gate.pins.get().set_revision)

    answer = approver.upload(
        "compatibility",
        make.table_bytes(),
        model=upgrade.alias.model.name,
        evaluation_set=revision,
        manifest=manifest,
    )

    assert answer.status_code == 400
    assert not Check.objects.exists()


def test_a_check_without_a_file_is_refused(approver):
    upgrade = make.a_promoted_upgrade()
    revision = str(upgrade.alias.gate.pins.get().set_revision)

    answer = approver.upload(
        "compatibility", None, model=upgrade.alias.model.name, evaluation_set=revision
    )

    assert answer.status_code == 400
    assert not Check.objects.exists()


def test_two_candidates_are_held_against_each_other(approver):
    alias = make.a_promoted_upgrade().alias
    first, second = make.a_judged_upgrade(alias), make.a_judged_upgrade(alias)

    answer = approver.get(f"upgrades/{first.pk}/against/{second.pk}")

    (broken,) = answer.json()["results"]
    assert broken["both"] == ["sample-0", "sample-1", "sample-2"]
    assert broken["only_first"] == broken["only_second"] == []
