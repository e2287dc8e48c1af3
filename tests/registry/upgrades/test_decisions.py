"""A person's yes or no: by whom, on what, and how many it takes."""

import pytest

from compat.verdict import Outcome
from registry.audit.models import LedgerEntry
from registry.core.errors import ConflictError, NotPermittedError, RegistryError
from registry.upgrades.services.decide import approve, reject
from registry.upgrades.services.gates import set_approvals
from registry.upgrades.services.policy_scopes import set_policy
from registry.upgrades.services.promote import promote
from registry.upgrades.services.propose import propose
from registry.upgrades.states import State
from tests.builders import registry as build

pytestmark = pytest.mark.django_db


def two_approvals(upgrade, approvers=(), *, uploader_may_approve=False):
    set_approvals(
        alias=upgrade.alias,
        needed=2,
        approvers=list(approvers),
        uploader_may_approve=uploader_may_approve,
        actor=build.a_user(),
    )


def refused(code, act, **values):
    with pytest.raises(RegistryError) as refusal:
        act(**values)
    assert refusal.value.code == code
    return refusal.value


def test_a_promotion_waits_for_its_quorum():
    upgrade = build.a_judged_upgrade()
    two_approvals(upgrade)
    asked = {"upgrade_id": upgrade.pk, "actor": build.a_user()}

    refused("approvals_missing", promote, **asked)
    approve(upgrade_id=upgrade.pk, actor=build.a_user())
    refused("approvals_missing", promote, **asked)
    approve(upgrade_id=upgrade.pk, actor=build.a_user())

    assert promote(**asked).upgrade.state == State.PROMOTED
    assert LedgerEntry.objects.filter(action="upgrade.approve").count() == 2


def test_one_person_counts_once():
    upgrade = build.a_judged_upgrade()
    person = build.a_user()
    approve(upgrade_id=upgrade.pk, actor=person)

    error = refused("duplicate_decision", approve, upgrade_id=upgrade.pk, actor=person)

    assert error.refusal.action == "upgrade.approve"


@pytest.mark.parametrize("who", ["uploader", "proposer"])
def test_nobody_approves_their_own_candidate_unless_the_gate_says_so(who):
    upgrade = build.a_judged_upgrade()
    person = upgrade.candidate.created_by if who == "uploader" else upgrade.created_by

    refused("own_candidate", approve, upgrade_id=upgrade.pk, actor=person)
    two_approvals(upgrade, uploader_may_approve=True)

    assert approve(upgrade_id=upgrade.pk, actor=person).person == person


def test_only_the_people_named_for_the_alias_decide():
    upgrade = build.a_judged_upgrade()
    named, other = build.a_user(), build.a_user()
    two_approvals(upgrade, [named, build.a_user()])

    refused("not_approver", approve, upgrade_id=upgrade.pk, actor=other)
    refused("not_approver", reject, upgrade_id=upgrade.pk, actor=other, comment="no")

    assert approve(upgrade_id=upgrade.pk, actor=named)


def test_more_approvals_than_approvers_are_refused():
    upgrade = build.a_judged_upgrade()

    with pytest.raises(RegistryError) as refusal:
        two_approvals(upgrade, [build.a_user()])

    assert refusal.value.code == "invalid_quorum"


def test_an_approval_is_void_when_the_evidence_changes():
    upgrade = build.a_judged_upgrade()
    two_approvals(upgrade)
    people = [build.a_user(), build.a_user()]
    for person in people:
        approve(upgrade_id=upgrade.pk, actor=person)
    set_policy(alias=upgrade.alias, revision=build.a_policy_revision(), actor=build.a_user())
    build.judge(upgrade)

    with pytest.raises(ConflictError) as refusal:
        promote(upgrade_id=upgrade.pk, actor=build.a_user())

    assert refusal.value.code == "approvals_missing"
    for person in people:
        approve(upgrade_id=upgrade.pk, actor=person)
    assert promote(upgrade_id=upgrade.pk, actor=build.a_user())


@pytest.mark.parametrize("outcome", [o for o in Outcome if o is not Outcome.PASSED])
def test_what_did_not_pass_cannot_be_approved(outcome):
    upgrade = build.a_judged_upgrade(outcome=outcome)

    refused("gate_not_passed", approve, upgrade_id=upgrade.pk, actor=build.a_user())


def test_a_stale_verdict_cannot_be_approved():
    upgrade = build.a_judged_upgrade()
    set_policy(alias=upgrade.alias, revision=build.a_policy_revision(), actor=build.a_user())

    refused("verdict_stale", approve, upgrade_id=upgrade.pk, actor=build.a_user())


def test_a_rejection_says_why_and_closes_the_upgrade():
    upgrade = build.a_judged_upgrade()
    person = build.a_user()

    refused("comment_missing", reject, upgrade_id=upgrade.pk, actor=person, comment=" ")
    reject(upgrade_id=upgrade.pk, actor=person, comment="too slow on phones")

    upgrade.refresh_from_db()
    assert upgrade.state == State.REJECTED
    refused("illegal_transition", promote, upgrade_id=upgrade.pk, actor=person)
    again = propose(alias=upgrade.alias, candidate=upgrade.candidate, actor=person)
    assert again.state == State.EVALUATING


def test_a_failed_candidate_can_be_rejected():
    upgrade = build.a_judged_upgrade(outcome=Outcome.FAILED)

    reject(upgrade_id=upgrade.pk, actor=build.a_user(), comment="as the gate says")

    upgrade.refresh_from_db()
    assert upgrade.state == State.REJECTED


def test_the_uploader_cannot_reject_either():
    upgrade = build.a_judged_upgrade()

    with pytest.raises(NotPermittedError):
        reject(upgrade_id=upgrade.pk, actor=upgrade.created_by, comment="changed my mind")
