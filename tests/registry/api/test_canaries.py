"""Canaries by the API: handed in, checked, and an alarm that readers outside learn of."""

import pytest

from registry.accounts.models import Scope
from tests.builders import canaries
from tests.builders import registry as make
from tests.registry.api.conftest import Api, refusal

pytestmark = pytest.mark.django_db


@pytest.fixture
def gallery():
    gallery = canaries.an_attached_gallery()
    gallery.name = "abroad"
    gallery.save(update_fields=["name"])
    return gallery


def test_canaries_are_handed_in_and_read_until_they_are_accepted(api, gallery):
    response = api.upload(
        "galleries/abroad/canaries", make.table_bytes(), segment="1", tolerance="0.001"
    )

    assert response.status_code == 202
    handed_in = response.json()
    assert (handed_in["segment"], handed_in["producer"]) == (1, str(gallery.live_view.encoder))
    assert (handed_in["work_state"], handed_in["is_current"]) == ("queued", False)
    assert handed_in["tolerance"] == 0.001
    canaries.accept(gallery.canary_sets.get())
    read = api.get(f"galleries/abroad/canaries/{handed_in['id']}").json()
    assert (read["work_state"], read["rows"], read["is_current"]) == ("done", 8, True)
    assert api.get("galleries/abroad/canaries").json()["results"] == [read]


@pytest.mark.parametrize(
    ("fields", "refused"),
    [
        ({"segment": "9"}, (404, "unknown_segment")),
        ({"segment": "1", "tolerance": "0.5"}, (400, "invalid_tolerance")),
        ({"segment": "1", "tolerance": "nan"}, (400, "invalid_input")),
        ({"segment": "one"}, (400, "invalid_input")),
        ({}, (400, "invalid_input")),
    ],
)
def test_what_is_wrong_with_a_hand_in_is_named(api, gallery, fields, refused):
    response = api.upload("galleries/abroad/canaries", make.table_bytes(), **fields)

    assert refusal(response) == refused


def test_a_hand_in_without_a_file_is_refused(api, gallery):
    assert refusal(api.upload("galleries/abroad/canaries", segment="1")) == (400, "empty_upload")


def test_a_check_is_asked_for_and_says_what_it_found(api, gallery):
    assert refusal(api.post("galleries/abroad/canary-checks")) == (409, "no_canaries")
    canaries.with_canaries(gallery)
    canaries.check(gallery)

    asked = api.post("galleries/abroad/canary-checks")

    assert asked.status_code == 202
    waiting = asked.json()
    assert (waiting["cause"], waiting["outcome"], waiting["segments"]) == ("person", None, [])
    assert waiting["requested_by"] == api.owner.get_username()
    canaries.check(gallery, "differs", of=["m:1"])
    found = api.get(f"galleries/abroad/canary-checks/{waiting['id']}").json()
    assert (found["outcome"], found["worst"]) == ("differs", 0.25)
    [segment] = found["segments"]
    assert (segment["over"], segment["of"], segment["worst_id"]) == (8, ["m:1"], "canary-0002")
    assert segment["others"] == [{"version": "m:1", "matching": 8, "note": ""}]
    assert [c["outcome"] for c in api.get("galleries/abroad/canary-checks").json()["results"]] == [
        "differs",
        "matches",
    ]
    assert refusal(api.get("galleries/abroad/canary-checks/987")) == (404, "unknown_canary_check")


@pytest.mark.parametrize("outcome", ["errored", "unchecked"])
def test_a_segment_that_was_not_compared_has_no_figures(api, gallery, outcome):
    canaries.with_canaries(gallery)
    checked = canaries.check(gallery, outcome)

    found = api.get(f"galleries/abroad/canary-checks/{checked.pk}").json()

    assert (found["outcome"], found["worst"]) == ("errored", None)
    [segment] = found["segments"]
    assert (segment["outcome"], segment["worst"], segment["items"]) == (outcome, None, 0)
    assert segment["code"]


def test_readers_of_the_live_pointer_learn_of_an_alarm_though_the_epoch_stands(api, gallery):
    first = api.get("galleries/abroad/live")
    assert first.json()["drift"] is None
    etag = {"If-None-Match": first.headers["ETag"]}
    assert api.get("galleries/abroad/live", etag).status_code == 304
    canaries.an_alarm(canaries.with_canaries(gallery), of=["m:1"])

    live = api.get("galleries/abroad/live", etag)

    assert live.status_code == 200
    drift = live.json()["drift"]
    assert (drift["state"], drift["finding"][0]["of"]) == ("open", ["m:1"])
    assert drift["in_words"].endswith("they are of m:1")
    assert api.get("galleries/abroad").json()["drift"] == drift
    seen = {"If-None-Match": live.headers["ETag"]}
    assert api.get("galleries/abroad/live", seen).status_code == 304
    acknowledged = api.post("galleries/abroad/drift/acknowledge", reason="a test index")
    assert acknowledged.json()["state"] == "acknowledged"
    assert api.get("galleries/abroad/live", seen).json()["drift"] == acknowledged.json()
    canaries.check(gallery)
    assert api.get("galleries/abroad/live").headers["ETag"] == first.headers["ETag"]


def test_an_alarm_closes_the_gate_and_whoever_may_promote_opens_it(api, gallery):
    upgrade = make.a_judged_upgrade(gallery.alias)
    canaries.an_alarm(canaries.with_canaries(gallery))

    assert refusal(api.post(f"upgrades/{upgrade.pk}/promote")) == (409, "gallery_drifted")
    writer = Api(Scope.READ, Scope.WRITE)
    assert refusal(writer.post("galleries/abroad/drift/acknowledge", reason="x")) == (
        403,
        "missing_scope",
    )
    assert refusal(api.post("galleries/abroad/drift/acknowledge")) == (400, "invalid_input")
    assert api.post("galleries/abroad/drift/acknowledge", reason="x").status_code == 200
    assert refusal(api.post("galleries/abroad/drift/acknowledge", reason="x")) == (409, "no_drift")
    assert api.post(f"upgrades/{upgrade.pk}/promote").status_code == 200
