"""``graceful approve`` and ``graceful reject``, and waivers as ``gate`` and ``show`` tell them."""

import json
from datetime import timedelta

import pytest
from django.utils import timezone
from graceful.formats import Format

from compat.verdict import Outcome
from registry.upgrades.models import Decision, Upgrade, Waiver
from registry.upgrades.services.gates import set_approvals
from registry.upgrades.services.waivers import grant_waiver, request_waiver
from registry.upgrades.services.withdraw import withdraw
from tests.builders import registry as make

pytestmark = [pytest.mark.process, pytest.mark.django_db(transaction=True)]

RULES = ["accuracy kept", "negative flips"]
ALIAS = "digits@production"


def approve(run, *options, candidate=1, alias=ALIAS):
    return run("approve", alias, "--candidate", candidate, *options)


def reject(run, *options, candidate=1, alias=ALIAS):
    return run("reject", alias, "--candidate", candidate, *options)


def test_an_approval_is_kept_with_its_comment_and_opens_the_promotion(run, alias):
    make.a_judged_upgrade(alias)
    set_approvals(
        alias=alias, needed=1, approvers=[], uploader_may_approve=False, actor=make.a_user()
    )

    before = run("promote", ALIAS, "--candidate", 1)
    done = approve(run, "--comment", "looks right")
    after = run("promote", ALIAS, "--candidate", 1)

    assert (before.exit_code, done.exit_code, after.exit_code) == (4, 0, 0), done.stderr
    assert done.stdout == "approved digits:1 for digits@production, verdict 1\n"
    kept = Decision.objects.get()
    assert (kept.kind, kept.person.username, kept.comment) == ("approve", "ann", "looks right")


def test_a_rejection_closes_the_upgrade_and_the_gate(run, alias):
    make.a_judged_upgrade(alias)

    done = reject(run, "--comment", "too slow", "--format", "json")

    assert done.exit_code == 0, done.stderr
    said = json.loads(done.stdout)
    assert (said["kind"], said["person"], said["comment"]) == ("reject", "ann", "too slow")
    assert Upgrade.objects.get().state == "rejected"
    assert run("gate", ALIAS, "--candidate", 1).exit_code == 1
    assert approve(run).exit_code == 1


def test_the_decision_is_on_the_alias_that_was_named(run, registry, alias):
    make.a_judged_upgrade(alias)
    staging = make.an_alias(alias.model, "staging")

    assert approve(run, alias=str(staging)).exit_code == 2
    assert not Decision.objects.exists()


@pytest.mark.parametrize("comment", [[], ["--comment", ""], ["--comment", "  "]])
def test_a_rejection_without_a_word_is_wrong_usage(run, alias, comment):
    make.a_judged_upgrade(alias)

    result = reject(run, *comment)

    assert result.exit_code == 2
    assert "comment" in result.stderr
    assert result.stdout == ""
    assert not Decision.objects.exists()


@pytest.mark.parametrize(
    ("outcome", "code"),
    [(Outcome.FAILED, 1), (Outcome.INCONCLUSIVE, 3), (Outcome.ERRORED, 6)],
)
@pytest.mark.parametrize("form", ["table", "json"])
def test_what_did_not_pass_is_not_approved_and_the_exit_code_says_why(
    run, alias, outcome, code, form
):
    make.a_judged_upgrade(alias, outcome=outcome)

    result = approve(run, "--format", form)

    assert result.exit_code == code
    assert "gate_not_passed" in result.stderr
    assert f"is {outcome}" in result.stderr
    assert result.stdout == ""
    assert not Decision.objects.exists()


@pytest.mark.parametrize("decide", [approve, lambda run: reject(run, "--comment", "no")])
def test_what_is_still_evaluated_is_not_decided_on(run, alias, decide):
    make.an_upgrade(alias)

    result = decide(run)

    assert result.exit_code == 4
    assert result.stderr.startswith("illegal_transition: ")


def test_what_was_withdrawn_is_not_approved(run, alias):
    withdraw(upgrade_id=make.a_judged_upgrade(alias).pk, actor=make.a_user())

    assert approve(run).exit_code == 6


def test_what_serves_already_is_not_approved_again(run, alias):
    make.a_promoted_upgrade(alias)

    assert approve(run).exit_code == 1


def test_who_approved_already_or_proposed_it_is_refused(run, alias, monkeypatch):
    upgrade = make.a_judged_upgrade(alias)
    approve(run)

    again = approve(run)
    monkeypatch.setenv("GRACEFUL_TOKEN", make.a_token(upgrade.created_by)[1])
    own = approve(run)

    assert (again.exit_code, own.exit_code) == (1, 2)
    assert again.stderr.startswith("duplicate_decision: ")
    assert own.stderr.startswith("own_candidate: ")
    assert Decision.objects.count() == 1


def test_a_token_without_the_scope_decides_nothing(run, alias, monkeypatch):
    make.a_judged_upgrade(alias)
    monkeypatch.setenv("GRACEFUL_TOKEN", make.a_token(scopes=["read", "write"])[1])

    results = [approve(run), reject(run, "--comment", "no")]

    assert [r.exit_code for r in results] == [2, 2]
    assert all(r.stderr.startswith("missing_scope: ") for r in results)


@pytest.mark.parametrize(
    "arguments",
    [
        ["approve", "digits", "--candidate", "1"],
        ["approve", ALIAS],
        ["approve", ALIAS, "--candidate", "9"],
        ["approve", ALIAS, "--candidate", "0"],
        ["approve", ALIAS, "--candidate", "1", "--format", "junit"],
        ["reject", ALIAS, "--comment", "no"],
        ["reject", "digits@staging", "--candidate", "1", "--comment", "no"],
    ],
)
def test_a_decision_on_nothing_is_wrong_usage(run, alias, arguments):
    make.a_judged_upgrade(alias)

    assert run(*arguments).exit_code == 2
    assert not Decision.objects.exists()


def a_waiver(upgrade, *, rules=tuple(RULES), granted=True, **changes):
    values = {"reason": "agreed", "expires_at": timezone.now() + timedelta(days=2)}
    waiver = request_waiver(
        upgrade_id=upgrade.pk, rules=rules, actor=make.a_user(), **(values | changes)
    )
    return grant_waiver(waiver_id=waiver.pk, actor=make.a_user()) if granted else waiver


@pytest.fixture
def failed(alias):
    make.a_promoted_upgrade(alias)
    return make.a_judged_upgrade(alias, outcome=Outcome.FAILED)


def answers(run, form):
    return [
        run("gate", ALIAS, "--candidate", 2, "--format", form),
        run("show", "digits:2", "--format", form),
        run("gate", ALIAS, "--candidate", 2, "--wait", "--format", form),
    ]


@pytest.mark.parametrize("form", list(Format))
def test_waivers_are_told_in_every_format_and_change_no_exit_code(run, failed, form):
    before = answers(run, form)
    a_waiver(failed, rules=RULES[:1])
    a_waiver(failed, rules=RULES)
    after = answers(run, form)

    assert [r.exit_code for r in before] == [r.exit_code for r in after] == [1, 0, 1]
    for plain, told in zip(before, after, strict=True):
        added = "\n".join(set(told.stdout.splitlines()) - set(plain.stdout.splitlines()))
        assert "waive" in added
        assert all(added.count(rule) == 1 for rule in RULES), added
        assert "failed" in told.stdout


def test_a_waived_candidate_is_approved_and_promoted_while_its_verdict_stays_failed(run, failed):
    a_waiver(failed)

    done = [approve(run, candidate=2), run("promote", ALIAS, "--candidate", 2)]

    assert [r.exit_code for r in done] == [0, 0], [r.stderr for r in done]
    assert run("gate", ALIAS, "--candidate", 2).exit_code == 1


def waived(run):
    return json.loads(run("gate", ALIAS, "--candidate", 2, "--format", "json").stdout)[
        "waived_rules"
    ]


def test_only_waivers_that_count_are_told(run, registry, failed):
    asked = a_waiver(failed, rules=RULES[:1], granted=False)
    assert waived(run) == []

    grant_waiver(waiver_id=asked.pk, actor=make.a_user())
    assert waived(run) == RULES[:1]

    Waiver.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    assert waived(run) == []
    decided = registry.decisions(failed.pk)
    assert [w["id"] for w in decided["waivers"]] == [asked.pk]
    assert (decided["outcome"], decided["approvals"]) == ("failed", 0)


def test_a_verdict_that_is_made_again_has_no_waivers_to_tell(run, alias, failed):
    a_waiver(failed)
    make.a_pin(alias)

    assert run("gate", ALIAS, "--candidate", 2).exit_code == 4
    assert waived(run) == []


def test_telling_waivers_needs_no_more_than_reading(run, failed, monkeypatch):
    a_waiver(failed)
    monkeypatch.setenv("GRACEFUL_TOKEN", make.a_token(scopes=["read"])[1])

    assert waived(run) == RULES
