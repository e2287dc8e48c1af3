"""Waivers: asked for, granted by another, listed, refused, and owed until they are repaid."""

from datetime import timedelta

import pytest
from django.utils import timezone

from compat.verdict import COVERAGE, NULL_TEST, Outcome
from registry.upgrades.models import Waiver
from tests.builders import registry as make
from tests.builders.waivers import (
    RULES,
    a_failed_upgrade,
    a_waived_promotion,
    a_waiver,
    end,
)
from tests.registry.api.conftest import Api, refusal

pytestmark = pytest.mark.django_db


def in_days(days):
    return (timezone.now() + timedelta(days=days)).isoformat()


def asked(**changes):
    values = {
        "rules": list(RULES),
        "reason": "agreed with the camera team",
        "expires_at": in_days(2),
    }
    return values | changes


def test_a_waiver_is_asked_for_granted_by_another_and_shown(api):
    upgrade = a_failed_upgrade()
    path = f"upgrades/{upgrade.pk}"

    waiver = api.post(f"{path}/waivers", **asked())
    own = api.post(f"waivers/{waiver.json()['id']}/grant")
    granted = Api("promote").post(f"waivers/{waiver.json()['id']}/grant")
    state = api.get(f"{path}/decisions").json()

    assert waiver.status_code == 201
    assert refusal(own) == (403, "own_waiver")
    assert granted.json()["granted_by"]
    assert (state["outcome"], state["outcome_with_waivers"]) == ("failed", "passed")
    assert state["waivers_in_force"] == [waiver.json()["id"]]
    assert state["waivers"] == [granted.json()]


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"rules": []}, "rules_missing"),
        ({"rules": ["nothing"]}, "unknown_rule"),
        ({"rules": [RULES[0], "nothing"]}, "unknown_rule"),
        ({"rules": [NULL_TEST]}, "not_waivable"),
        ({"rules": [COVERAGE]}, "not_waivable"),
        ({"sample_ids": ["sample-1", "sample-77"]}, "not_flipped"),
        ({"reason": ""}, "reason_missing"),
        ({"reason": "  "}, "reason_missing"),
        ({"expires_at": "2020-01-01T00:00:00Z"}, "waiver_expired"),
        ({"expires_at": "9999-12-31T23:59:59Z"}, "waiver_too_long"),
        ({"expires_at": "soon"}, "invalid_input"),
    ],
)
def test_a_wrong_waiver_is_refused_and_not_kept(api, changes, code):
    upgrade = a_failed_upgrade()

    answer = api.post(f"upgrades/{upgrade.pk}/waivers", **asked(**changes))

    assert refusal(answer) == (400, code)
    assert not Waiver.objects.exists()


def test_a_rule_that_holds_needs_no_waiver(api):
    upgrade = make.a_judged_upgrade(make.a_promoted_upgrade().alias)

    answer = api.post(f"upgrades/{upgrade.pk}/waivers", **asked())

    assert refusal(answer) == (400, "rule_not_blocking")


def test_coverage_of_a_gallery_is_not_waived(api):
    alias = make.a_gallery(items=3).alias
    upgrade = make.a_judged_upgrade(alias, outcome=Outcome.FAILED)
    rules = [r["rule"] for entry in upgrade.verdict.coverage for r in entry["results"]]

    answers = [
        api.post(f"upgrades/{upgrade.pk}/waivers", **asked(rules=[rule])) for rule in set(rules)
    ]

    assert answers
    assert {refusal(answer) for answer in answers} == {(400, "not_waivable")}


def test_what_errored_is_not_waived(api):
    upgrade = make.a_judged_upgrade(make.a_promoted_upgrade().alias, outcome=Outcome.ERRORED)
    errored = {r["rule"] for r in upgrade.verdict.results if r["outcome"] == Outcome.ERRORED}

    answer = api.post(f"upgrades/{upgrade.pk}/waivers", **asked(rules=sorted(errored)))

    assert refusal(answer) == (400, "not_waivable")


def test_an_upgrade_without_a_verdict_has_no_waiver(api):
    answer = api.post(f"upgrades/{make.an_upgrade().pk}/waivers", **asked())

    assert refusal(answer) == (409, "not_judged")


def test_a_waiver_is_granted_once_and_not_after_its_end(api):
    upgrade = a_failed_upgrade()
    twice, late = a_waiver(upgrade), a_waiver(upgrade, granted=False)
    end(late)

    answers = [api.post(f"waivers/{waiver.pk}/grant") for waiver in (twice, late)]

    assert [refusal(a) for a in answers] == [(409, "waiver_granted"), (409, "waiver_expired")]
    assert refusal(api.post("waivers/999999/grant")) == (404, "unknown_waiver")


def test_the_waivers_of_an_alias_are_listed_newest_first(api):
    upgrade = a_failed_upgrade()
    alias = upgrade.alias
    first, second = a_waiver(upgrade), a_waiver(upgrade, granted=False)
    a_waiver(a_failed_upgrade())
    end(first)

    rows = api.get(f"models/{alias.model.name}/aliases/production/waivers").json()["results"]

    assert [(w["id"], w["expired"], bool(w["granted_by"])) for w in rows] == [
        (second.pk, False, False),
        (first.pk, True, True),
    ]
    assert {w["candidate"] for w in rows} == {str(upgrade.candidate)}


def test_what_is_owed_is_told_by_the_alias_and_by_the_model_until_it_is_repaid(api):
    upgrade = a_waived_promotion()
    alias, waiver = upgrade.alias, upgrade.waivers.get()
    path = f"models/{alias.model.name}"
    before = timezone.now().isoformat()
    end(waiver)

    owing = api.get(f"{path}/aliases/production").json()["waivers_owed"]
    of_model = api.get(path).json()["waivers_owed"]
    make.a_promoted_upgrade(alias)
    repaid = [api.get(f"{path}/aliases/production").json(), api.get(path).json()]
    then = api.get(f"{path}/aliases/production", at=before).json()["waivers_owed"]

    (row,) = owing
    assert (row["id"], row["rules"], row["reason"]) == (waiver.pk, list(RULES), waiver.reason)
    assert row["requested_by"] == waiver.requested_by.username
    assert row["granted_by"] == waiver.granted_by.username
    assert (row["candidate"], row["expired"]) == (str(upgrade.candidate), True)
    assert of_model == [row | {"alias": "production"}]
    assert [answer["waivers_owed"] for answer in repaid] == [[], []]
    assert then == owing
