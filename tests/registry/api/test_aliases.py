"""Aliases: what serves and served, what guards them, promote by name, roll back."""

from datetime import timedelta

import pytest
from django.utils import timezone

from compat.policy import Task
from registry.audit.models import LedgerEntry
from registry.catalog.models import Alias
from tests.builders import registry as make
from tests.registry.api.conftest import refusal

PATH = "models/digits/aliases/production"


@pytest.fixture
def alias(db):
    return make.an_alias(make.a_model("digits"))


def test_an_alias_is_opened_with_the_default_policy(api, db):
    make.a_model("digits")

    response = api.post("models/digits/aliases", name="staging")

    assert response.status_code == 201
    assert response.json() == {
        "alias": "digits@staging",
        "name": "staging",
        "epoch": 0,
        "version": None,
    }
    gate = api.get("models/digits/aliases/staging/gate").json()
    assert gate["policy"]["policy"] == "default-classification:1"
    assert gate["pins"] == []


def test_opening_an_alias_again_changes_nothing(api, alias):
    make.a_promoted_upgrade(alias)

    response = api.post("models/digits/aliases", name="production")

    assert response.status_code == 201
    assert response.json()["version"] == "digits:1"


def test_what_is_wrong_with_a_new_alias_is_named(api, alias):
    assert refusal(api.post("models/gone/aliases", name="a")) == (404, "unknown_model")
    assert refusal(api.post("models/digits/aliases", name="a b")) == (400, "invalid_input")
    assert refusal(api.post("models/digits/aliases", name="a" * 51)) == (400, "invalid_input")


def test_aliases_are_listed_by_name(api, alias):
    make.a_promoted_upgrade(alias)
    make.an_alias(alias.model, "canary")

    listed = api.get("models/digits/aliases").json()["results"]

    assert [(one["name"], one["version"]) for one in listed] == [
        ("canary", None),
        ("production", "digits:1"),
    ]


def test_an_alias_tells_who_moved_it_and_on_what_evidence(api, alias):
    upgrade = make.a_promoted_upgrade(alias)

    found = api.get(PATH).json()

    assert (found["version"], found["epoch"]) == ("digits:1", 1)
    assert found["digest"] == upgrade.candidate.digest
    assert found["move"]["actor"] == upgrade.created_by.username
    assert found["move"]["reason"] == "it passed"
    assert found["move"]["evidence"] == f"verdict:{upgrade.verdict_id}"


def test_an_alias_tells_what_it_named_at_any_moment(api, alias):
    before = timezone.now()
    first = make.a_promoted_upgrade(alias)
    between = timezone.now()
    second = make.a_promoted_upgrade(alias)

    def at(moment):
        found = api.get(PATH, at=moment.isoformat()).json()
        return found["epoch"], found["version"], found["move"] and found["move"]["before"]

    assert at(before - timedelta(hours=1)) == (0, None, None)
    assert at(between) == (1, str(first.candidate), None)
    assert at(timezone.now()) == (2, str(second.candidate), str(first.candidate))


@pytest.mark.parametrize("at", ["yesterday", "2030-01-31", "2030-01-31T12:00:00", "\x00"])
def test_a_moment_without_its_offset_is_refused(api, alias, at):
    status, code = refusal(api.get(PATH, at=at))

    assert status == 400
    assert code in {"invalid_moment", "invalid_input"}


def test_history_is_listed_newest_first(api, alias):
    for _ in range(2):
        make.a_promoted_upgrade(alias)

    moves = api.get(f"{PATH}/history").json()["results"]

    assert [(move["epoch"], move["before"], move["version"]) for move in moves] == [
        (2, "digits:1", "digits:2"),
        (1, None, "digits:1"),
    ]


def test_unknown_aliases_are_named(api, alias):
    gone = "models/digits/aliases/gone"

    for path in (gone, f"{gone}/history", f"{gone}/gate"):
        assert refusal(api.get(path)) == (404, "unknown_alias")
    assert refusal(api.post(f"{gone}/promote", version=1)) == (404, "unknown_alias")
    assert refusal(api.get(f"{gone}/rollback", version=1)) == (404, "unknown_alias")


def test_a_policy_is_chosen(api, alias):
    revision = make.a_policy_revision("strict")

    response = api.send("PUT", f"{PATH}/policy", {"policy": "strict:1"})

    assert response.status_code == 200
    assert response.json()["policy"]["policy"] == "strict:1"
    assert response.json()["policy"]["document"] == revision.document
    assert LedgerEntry.objects.filter(action="alias.set_policy").count() == 1


def test_a_policy_that_does_not_fit_is_named(api, alias):
    make.a_policy_revision("vectors", task=Task.EMBEDDING)

    def choose(policy):
        return refusal(api.send("PUT", f"{PATH}/policy", {"policy": policy}))

    assert choose("vectors:1") == (400, "task_mismatch")
    assert choose("vectors:2") == (404, "unknown_policy")
    assert choose("vectors") == (400, "invalid_reference")


def test_a_set_is_pinned_moved_and_unpinned(api, alias):
    make.a_set_revision("faces")
    make.a_set_revision("faces")

    first = api.post(f"{PATH}/pins", evaluation_set="faces:1").json()
    moved = api.post(f"{PATH}/pins", evaluation_set="faces:2").json()
    gone = api.send("DELETE", f"{PATH}/pins/faces")

    assert [pin["evaluation_set"] for pin in first["pins"]] == ["faces:1"]
    assert [pin["evaluation_set"] for pin in moved["pins"]] == ["faces:2"]
    assert moved["pins"][0]["revision"]["state"] == "ready"
    assert (gone.status_code, gone.json()["pins"]) == (200, [])
    assert refusal(api.send("DELETE", f"{PATH}/pins/faces")) == (404, "unknown_pin")


def test_a_set_that_cannot_judge_is_named(api, alias):
    make.a_set_revision("vectors", task=Task.EMBEDDING)
    make.a_set_revision("fresh", state="inspecting")

    def pin(evaluation_set):
        return refusal(api.post(f"{PATH}/pins", evaluation_set=evaluation_set))

    assert pin("vectors:1") == (400, "task_mismatch")
    assert pin("fresh:1") == (409, "set_not_ready")
    assert pin("gone:1") == (404, "unknown_evaluation_set")
    assert pin("gone") == (400, "invalid_reference")


def test_a_candidate_is_promoted_by_its_number_or_its_upgrade(api, alias):
    first = make.a_judged_upgrade(alias)

    by_number = api.post(f"{PATH}/promote", version=1)
    second = make.a_judged_upgrade(alias)
    by_upgrade = api.post(f"{PATH}/promote", upgrade=second.pk)

    assert by_number.json()["upgrade"] == first.pk
    assert by_upgrade.json()["move"]["version"] == str(second.candidate)
    assert Alias.objects.get(pk=alias.pk).epoch == 2


def test_a_promotion_names_exactly_one_candidate_of_this_alias(api, alias):
    other = make.a_judged_upgrade(make.an_alias(alias.model, "staging"))

    def promote(**body):
        return refusal(api.post(f"{PATH}/promote", **body))

    assert promote() == (400, "invalid_input")
    assert promote(version=1, upgrade=other.pk) == (400, "invalid_input")
    assert promote(upgrade=other.pk) == (404, "unknown_upgrade")
    assert promote(version=other.candidate.number) == (404, "unknown_upgrade")
    assert not Alias.objects.exclude(version=None).exists()


def test_a_dry_run_of_a_promotion_by_name_moves_nothing(api, alias):
    make.a_judged_upgrade(alias)

    assert api.post(f"{PATH}/promote", version=1, dry_run=True).json()["dry_run"] is True
    assert Alias.objects.get(pk=alias.pk).epoch == 0


def test_going_back_is_planned_then_done(api):
    gallery = make.a_gallery(items=2)
    alias, first = gallery.alias, gallery.live_view.encoder
    make.a_promoted_upgrade(alias)
    make.an_insert(gallery, ["late-1", "late-2", "late-3"])
    path = f"models/{alias.model.name}/aliases/production/rollback"

    plan = api.get(path, version=first.number).json()
    done = api.post(
        path,
        version=first.number,
        reason="latency",
        confirm_unsearchable=plan["unsearchable_items"],
    )

    assert plan["target"] == str(first)
    assert [one["gallery"] for one in plan["galleries"]] == [gallery.name]
    segments = plan["galleries"][0]["segments"]
    assert [(one["producer"], one["live_items"]) for one in segments] == [
        (str(first), 2),
        (str(gallery.alias.model.versions.get(number=2)), 3),
    ]
    assert segments[0]["searchable"] is True
    assert done.status_code == 200
    assert (done.json()["move"]["kind"], done.json()["move"]["version"]) == (
        "roll_back",
        str(first),
    )
    assert done.json()["cutovers"][0]["unsearchable_items"] == plan["unsearchable_items"]


def test_items_that_would_become_unsearchable_are_confirmed_exactly(api):
    gallery = make.a_gallery(items=2)
    alias, first = gallery.alias, gallery.live_view.encoder
    make.a_promoted_upgrade(alias)
    make.an_insert(gallery, ["late"])
    alias.gate.pins.all().delete()
    path = f"models/{alias.model.name}/aliases/production/rollback"

    plan = api.get(path, version=first.number).json()
    refused = api.post(path, version=first.number, confirm_unsearchable=0)

    assert plan["unsearchable_items"] == 1
    assert plan["galleries"][0]["segments"][1]["searchable"] is False
    assert refusal(refused) == (409, "unsearchable_items")
    entry = LedgerEntry.objects.order_by("seq").last()
    assert (entry.action, entry.body["refused"]) == ("upgrade.roll_back", "unsearchable_items")
    assert api.post(path, version=first.number, confirm_unsearchable=1).status_code == 200


def test_what_cannot_be_gone_back_to_is_named(api, alias):
    make.a_promoted_upgrade(alias)
    make.a_version(alias.model)
    path = f"{PATH}/rollback"

    assert refusal(api.get(path, version=1)) == (409, "already_serving")
    assert refusal(api.post(path, version=2)) == (409, "never_promoted")
    assert refusal(api.get(path, version=3)) == (404, "unknown_version")
    assert refusal(api.get(path)) == (400, "invalid_input")
    assert refusal(api.post(path, version=1, confirm_unsearchable=-1)) == (400, "invalid_input")
