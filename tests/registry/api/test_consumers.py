"""What reads a gallery from outside finds there: encoders, segments, calibrations."""

import hashlib

import pytest

from compat.calibration import Calibration
from registry.galleries.services.cutover import OwnQuery, cut_over
from tests.builders import registry as make
from tests.registry.api.conftest import refusal


@pytest.fixture
def gallery(db):
    return make.a_gallery(name="faces", items=2)


def test_a_reader_learns_all_it_needs_to_make_queries(api, gallery):
    encoder = gallery.live_view.encoder

    live = api.get("galleries/faces/live").json()

    [found] = live["encoders"]
    assert found == {
        "version": str(encoder),
        "digest": encoder.digest,
        "artifact": encoder.artifact_id,
        "download": f"/api/v1/models/{encoder.model.name}/versions/{encoder.number}/artifact",
        "dimension": make.DIMENSION,
        "distance": "cosine",
        "normalisation": encoder.manifest["output"]["normalisation"],
    }
    artifact = api.get(found["download"].removeprefix("/api/v1/"))
    assert hashlib.sha256(b"".join(artifact.streaming_content)).hexdigest() == found["artifact"]
    [segment] = live["segments"]
    assert (segment["segment"], segment["producer"]) == (1, str(encoder))
    assert (segment["encoder"], segment["evidence"]) == (str(encoder), "self")
    assert segment["calibration"] is None


def test_a_reader_learns_which_version_queries_what_and_how_scores_are_merged(api, gallery):
    first, second = gallery.live_view.encoder, make.a_version(gallery.alias.model)
    own = OwnQuery("comparison:1", Calibration(0.1, 0.2, 500), Calibration(0.3, 0.4, 600))

    cut_over(gallery=gallery, encoder=second, evidence={}, alias_epoch=2, dual={first.pk: own})

    live = api.get("galleries/faces/live").json()
    assert [one["version"] for one in live["encoders"]] == [str(second), str(first)]
    old, new = live["segments"]
    assert (old["encoder"], old["evidence"]) == (str(first), "comparison:1")
    assert old["calibration"] == {"mean": 0.1, "spread": 0.2, "pairs": 500}
    assert (new["encoder"], new["calibration"]["mean"]) == (str(second), 0.3)


def test_the_etags_of_two_galleries_differ(api, gallery):
    make.a_gallery(gallery.alias, "animals")

    etags = {api.get(f"galleries/{name}/live").headers["ETag"] for name in ("faces", "animals")}

    assert len(etags) == 2
    assert all(etag.startswith('"') for etag in etags)


def test_an_index_of_another_team_is_attached_with_what_it_holds(api, gallery):
    alias, encoder = gallery.alias, gallery.live_view.encoder

    opened = api.post(
        "galleries",
        name="abroad",
        model=alias.model.name,
        kind="attached",
        location="opensearch://search-eu/faces",
        held=[{"producer": str(encoder), "items": 12_000}],
    )

    assert opened.status_code == 201
    found = opened.json()
    assert (found["kind"], found["location"]) == ("attached", "opensearch://search-eu/faces")
    assert (found["items"], found["encoder"]) == (12_000, str(encoder))
    declared = api.send("PUT", "galleries/abroad/segments/1", {"items": 12_500})
    assert declared.json() == {"segment": 1, "producer": str(encoder), "items": 12_500}
    listed = {one["name"]: one for one in api.get("galleries").json()["results"]}
    assert (listed["abroad"]["items"], listed["abroad"]["kind"]) == (12_500, "attached")
    assert (listed["faces"]["kind"], listed["faces"]["location"]) == ("embedded", "")
    assert api.get("galleries/abroad/live").json()["segments"][0]["searchable"] is True


def test_what_is_wrong_with_an_attachment_is_named(api, gallery):
    def attach(**body):
        about = {"name": "abroad", "model": gallery.alias.model.name, "kind": "attached"}
        return refusal(api.post("galleries", **about | body))

    where = {"location": "somewhere"}
    assert attach() == (400, "invalid_location")
    assert attach(location="x" * 501) == (400, "invalid_input")
    assert attach(kind="embedded", **where) == (400, "invalid_input")
    assert attach(kind="rented", **where) == (400, "invalid_input")
    assert attach(**where, held=[{"producer": "gone:1", "items": 1}]) == (404, "unknown_version")
    assert attach(**where, held=[{"producer": "faces:1", "items": 0}]) == (400, "invalid_input")
    assert attach(**where, held=[{"producer": "a:1", "items": 1}] * 101) == (400, "invalid_input")


def test_an_attached_gallery_answers_no_question_about_vectors(api, gallery):
    alias = gallery.alias
    api.post("galleries", name="abroad", model=alias.model.name, kind="attached", location="x")
    vector = [1.0] * make.DIMENSION

    for method, path, body in (
        ("POST", "search", {"item_id": "a"}),
        ("POST", "verify", None),
        ("POST", "items/remove", {"ids": ["a"]}),
        (
            "POST",
            "items",
            {"producer": str(alias.version), "items": [{"id": "a", "vector": vector}]},
        ),
        ("POST", "backfills", {}),
        ("GET", "backfill-plan", None),
    ):
        answer = api.send(method, f"galleries/abroad/{path}", body)
        assert refusal(answer) == (409, "gallery_attached"), path


def test_consumers_acknowledge_the_epoch_that_they_answer_from(api, gallery):
    path = "galleries/faces/acknowledgements"

    first = api.post(path, consumer="search-eu", epoch=1)
    make.a_promoted_upgrade(gallery.alias)
    api.post(path, consumer="search-us", epoch=2)

    assert (first.status_code, first.json()["behind"]) == (200, 0)
    assert first.json()["acknowledged_by"] == api.owner.username
    eu, us = api.get(path).json()["results"]
    assert (eu["consumer"], eu["epoch"], eu["behind"]) == ("search-eu", 1, 1)
    assert eu["since"] == first.json()["since"] < eu["behind_since"]
    assert (us["consumer"], us["behind"], us["behind_since"]) == ("search-us", 0, None)
    assert refusal(api.post(path, consumer="search-us", epoch=1)) == (409, "epoch_behind")
    assert refusal(api.post(path, consumer="search-us", epoch=3)) == (409, "epoch_ahead")
    assert refusal(api.post(path, consumer="search us", epoch=2)) == (400, "invalid_name")
    assert refusal(api.post(path, consumer="search-us", epoch=2**31)) == (400, "invalid_input")
    gone = api.send("DELETE", f"{path}/search-eu")
    assert (gone.status_code, gone.json()) == (200, {"consumer": "search-eu"})
    assert refusal(api.send("DELETE", f"{path}/search-eu")) == (404, "unknown_consumer")
