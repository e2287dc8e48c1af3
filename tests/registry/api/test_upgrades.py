"""Upgrades: propose, read the verdict and the progress, promote, withdraw."""

import pytest

from compat.verdict import Outcome
from registry.audit.models import LedgerEntry
from registry.catalog.models import Alias
from registry.upgrades.services.advance import advance
from tests.builders import registry as make
from tests.registry.api.conftest import refusal


@pytest.fixture
def alias(db):
    return make.an_alias(make.a_model("digits"))


def test_a_registered_version_is_proposed(api, alias):
    make.a_version(alias.model)

    response = api.post("upgrades", model="digits", version=1)

    assert response.status_code == 201
    found = response.json()
    assert (found["state"], found["outcome"], found["verdict"]) == ("evaluating", None, None)
    assert (found["model"], found["alias"], found["candidate"]) == (
        "digits",
        "production",
        "digits:1",
    )
    assert api.get(f"upgrades/{found['id']}").json() == found


def test_what_cannot_be_proposed_is_named(api, alias):
    make.a_promoted_upgrade(alias)
    make.a_version(alias.model, state="refused")

    def propose(**body):
        return refusal(api.post("upgrades", **body))

    assert propose(model="digits", version=1) == (409, "already_serving")
    assert propose(model="digits", version=2) == (409, "version_refused")
    assert propose(model="digits", version=3) == (404, "unknown_version")
    assert propose(model="digits", version=1, alias="gone") == (404, "unknown_alias")
    assert propose(model="gone", version=1) == (404, "unknown_version")
    assert propose(model="digits", version="one") == (400, "invalid_input")
    assert propose(model="digits", version=10**40) == (400, "invalid_input")


@pytest.mark.parametrize("outcome", list(Outcome))
def test_an_upgrade_shows_its_verdict_with_every_rule(api, alias, outcome):
    make.a_promoted_upgrade(alias)
    upgrade = make.a_judged_upgrade(alias, outcome=outcome)

    found = api.get(f"upgrades/{upgrade.pk}").json()

    assert (found["state"], found["outcome"], found["stale"]) == ("judged", outcome, False)
    assert found["incumbent"] == "digits:1"
    verdict = found["verdict"]
    assert (verdict["kind"], verdict["outcome"]) == ("comparison", outcome)
    assert verdict["policy"] == "default-classification:1"
    rules = [result["rule"] for result in verdict["results"]]
    assert rules == ["null test", "planted regression", "negative flips", "accuracy kept"]
    assert verdict["fingerprint_sha256"] == upgrade.verdict.fingerprint_sha256
    assert verdict["comparisons"] == upgrade.verdict.comparisons
    assert len(verdict["comparisons"]) == (outcome is not Outcome.ERRORED)


def test_a_rule_is_shown_with_its_numbers(api, alias):
    make.a_promoted_upgrade(alias)
    upgrade = make.a_judged_upgrade(alias, outcome=Outcome.FAILED)

    results = api.get(f"upgrades/{upgrade.pk}").json()["verdict"]["results"]

    flips = next(result for result in results if result["rule"] == "negative flips")
    assert (flips["measurement"], flips["bound"], flips["threshold"]) == ("nfr", "at_most", 0.01)
    assert (flips["value"], flips["support"], flips["outcome"]) == (0.4, 1000, "failed")
    assert flips["lower"] < 0.4 < flips["upper"]


def test_coverage_of_galleries_is_shown(api):
    gallery = make.a_gallery(items=2)
    upgrade = make.a_judged_upgrade(gallery.alias)

    coverage = api.get(f"upgrades/{upgrade.pk}").json()["verdict"]["coverage"]

    assert [one["producer"] for one in coverage] == [str(gallery.live_view.encoder)]
    assert coverage[0]["outcome"] == "passed"
    assert coverage[0]["results"][1]["measurement"] == "map.new_old_minus_old_old"


def test_progress_names_the_work_that_is_waited_for(api, alias):
    revision = make.a_pin(alias).set_revision
    upgrade = make.an_upgrade(alias)
    advance(upgrade_id=upgrade.pk)

    progress = api.get(f"upgrades/{upgrade.pk}").json()["progress"]

    assert [(step["work"], step["state"]) for step in progress] == [
        ("outputs", "queued"),
        ("comparison", "missing"),
    ]
    assert progress[0]["version"] == str(upgrade.candidate)
    assert progress[0]["evaluation_set"] == str(revision)
    assert (progress[0]["progress_done"], progress[0]["progress_total"]) == (0, 0)
    assert progress[0]["error"] is None


def test_a_verdict_for_another_situation_is_stale_and_made_again(api, alias):
    upgrade = make.a_judged_upgrade(alias)
    make.a_pin(alias)

    found = api.get(f"upgrades/{upgrade.pk}").json()

    assert (found["state"], found["stale"]) == ("evaluating", True)
    assert found["outcome"] == "passed"
    make.judge(upgrade)
    assert api.get(f"upgrades/{upgrade.pk}").json()["stale"] is False


def test_an_unknown_upgrade_is_named(api):
    assert refusal(api.get("upgrades/7")) == (404, "unknown_upgrade")
    assert refusal(api.post("upgrades/7/promote")) == (404, "unknown_upgrade")
    assert refusal(api.post("upgrades/7/withdraw")) == (404, "unknown_upgrade")


def test_upgrades_are_listed_newest_first_and_narrowed(api, alias):
    first = make.a_promoted_upgrade(alias)
    second = make.an_upgrade(alias)
    other = make.an_upgrade(make.an_alias(alias.model, "staging"))
    elsewhere = make.an_upgrade()

    def listed(**filters):
        return [one["id"] for one in api.get("upgrades", **filters).json()["results"]]

    assert listed() == [elsewhere.pk, other.pk, second.pk, first.pk]
    assert listed(model="digits") == [other.pk, second.pk, first.pk]
    assert listed(model="digits", alias="production") == [second.pk, first.pk]
    assert listed(state="promoted") == [first.pk]
    assert listed(model="gone") == []
    assert refusal(api.get("upgrades", state="lost")) == (400, "invalid_input")


def test_a_passed_upgrade_is_promoted_with_its_galleries(api):
    gallery = make.a_gallery(items=2)
    upgrade = make.a_judged_upgrade(gallery.alias)

    response = api.post(f"upgrades/{upgrade.pk}/promote", reason="it passed")

    assert response.status_code == 200
    done = response.json()
    assert (done["upgrade"], done["dry_run"]) == (upgrade.pk, False)
    move = done["move"]
    assert (move["version"], move["kind"]) == (str(upgrade.candidate), "promote")
    assert (move["reason"], move["actor"]) == ("it passed", api.owner.username)
    assert move["evidence"] == f"verdict:{upgrade.verdict_id}"
    assert done["cutovers"] == [{"gallery": gallery.name, "epoch": 2, "unsearchable_items": 0}]
    assert Alias.objects.get(pk=gallery.alias_id).version == upgrade.candidate


def test_a_dry_run_answers_the_same_and_moves_nothing(api):
    gallery = make.a_gallery(items=2)
    upgrade = make.a_judged_upgrade(gallery.alias)
    entries = LedgerEntry.objects.count()

    dry = api.post(f"upgrades/{upgrade.pk}/promote", dry_run=True).json()

    assert dry["dry_run"] is True
    assert dry["move"]["version"] == str(upgrade.candidate)
    assert dry["cutovers"][0]["gallery"] == gallery.name
    assert Alias.objects.get(pk=gallery.alias_id).epoch == 1
    assert LedgerEntry.objects.count() == entries
    assert api.get(f"upgrades/{upgrade.pk}").json()["state"] == "judged"


@pytest.mark.parametrize("dry_run", [True, False])
@pytest.mark.parametrize("outcome", [one for one in Outcome if one is not Outcome.PASSED])
def test_nothing_but_a_pass_is_promoted(api, alias, outcome, dry_run):
    upgrade = make.a_judged_upgrade(alias, outcome=outcome)

    response = api.post(f"upgrades/{upgrade.pk}/promote", dry_run=dry_run)

    assert refusal(response) == (409, "gate_not_passed")
    assert Alias.objects.get(pk=alias.pk).version is None
    refused = LedgerEntry.objects.filter(action="upgrade.promote")
    assert refused.count() == (0 if dry_run else 1)


def test_a_refused_promotion_is_in_the_ledger_with_its_reason(api, alias):
    upgrade = make.a_judged_upgrade(alias, outcome=Outcome.FAILED)

    api.post(f"upgrades/{upgrade.pk}/promote")

    entry = LedgerEntry.objects.order_by("seq").last()
    assert (entry.actor, entry.subject) == (api.owner.username, f"upgrade:{upgrade.pk}")
    assert entry.body["refused"] == "gate_not_passed"


def test_a_stale_verdict_is_not_promoted(api, alias):
    upgrade = make.a_judged_upgrade(alias)
    make.a_pin(alias)

    assert refusal(api.post(f"upgrades/{upgrade.pk}/promote")) == (409, "verdict_stale")


def test_an_upgrade_without_a_verdict_is_not_promoted(api, alias):
    upgrade = make.an_upgrade(alias)

    assert refusal(api.post(f"upgrades/{upgrade.pk}/promote")) == (409, "illegal_transition")


def test_an_upgrade_is_withdrawn_once(api, alias):
    upgrade = make.an_upgrade(alias)

    done = api.post(f"upgrades/{upgrade.pk}/withdraw", reason="not needed")
    entry = LedgerEntry.objects.latest("seq")
    again = api.post(f"upgrades/{upgrade.pk}/withdraw")

    assert (done.status_code, done.json()["state"]) == (200, "withdrawn")
    assert refusal(again) == (409, "illegal_transition")
    assert entry.body == {
        "candidate": str(upgrade.candidate),
        "alias": str(alias),
        "reason": "not needed",
    }


def test_an_upgrade_is_closed_in_favour_of_another_and_comes_back(api, alias):
    upgrade, by = make.an_upgrade(alias), make.an_upgrade(alias)
    path = f"upgrades/{upgrade.pk}"

    done = api.post(f"{path}/supersede", by=by.pk, reason="has the fix").json()
    listed = api.get("upgrades", state="superseded").json()["results"]
    body = {"model": alias.model.name, "version": upgrade.candidate.number}
    again = api.post("upgrades", **body).json()

    assert (done["state"], done["superseded_by"]) == ("superseded", by.pk)
    assert [row["superseded_by"] for row in listed] == [by.pk]
    assert (again["state"], again["superseded_by"]) == ("evaluating", None)


def test_what_cannot_take_the_place_of_an_upgrade_is_named(api, alias):
    upgrade, closed = make.an_upgrade(alias), make.an_upgrade(alias)
    api.post(f"upgrades/{closed.pk}/withdraw")
    path = f"upgrades/{upgrade.pk}/supersede"

    answers = [
        api.post(path, by=by)
        for by in (upgrade.pk, make.an_upgrade().pk, closed.pk, 999_999, 0, "the other")
    ]
    from_closed = api.post(f"upgrades/{closed.pk}/supersede", by=upgrade.pk)

    assert [refusal(answer) for answer in answers] == [
        (400, "same_upgrade"),
        (400, "other_alias"),
        (409, "not_open"),
        (404, "unknown_upgrade"),
        (400, "invalid_input"),
        (400, "invalid_input"),
    ]
    assert refusal(from_closed) == (409, "illegal_transition")
    assert refusal(api.post(path)) == (400, "invalid_input")
    assert api.get(f"upgrades/{upgrade.pk}").json()["state"] == "evaluating"
