"""A query under the live view and as if an upgrade were promoted: nothing is written."""

import io
import json
from dataclasses import replace

import numpy as np
import pytest

from compat.calibration import Calibration
from registry.catalog.services.store_artifact import Upload, store_artifact
from registry.core.data import artifact_store
from registry.evaluation.models import SetRevision
from registry.galleries.models import Gallery, InsertBatch, Item, View
from registry.galleries.services.cutover import OwnQuery
from registry.upgrades import would_be as planning
from registry.upgrades.models import Upgrade
from registry.upgrades.services.propose import propose
from tests.builders import registry as build
from tests.builders.galleries import a_gallery, an_alias, an_encoder, put
from workers.artifacts.stored import CanonicalSet
from workers.serving import views
from workers.serving.samples import Samples

pytestmark = pytest.mark.django_db

AXES = np.array([[1, 0, 0], [0, 1, 0], [0, 0, 1], [0, 0, 0]])
TURNED = AXES[:, [1, 0, 2]]
"""The candidate takes the first number of an input for the second, and the other way round."""


@pytest.fixture
def upgrade():
    """A candidate that turns the world by a quarter, before a gallery of the old version."""
    alias = an_alias()
    gallery = a_gallery(an_encoder(alias, AXES), {"x": [1, 0, 0], "y": [0, 1, 0], "z": [0, 0, 1]})
    candidate = an_encoder(alias, TURNED)
    return propose(alias=gallery.alias, candidate=candidate, actor=build.a_user())


@pytest.fixture(autouse=True)
def fresh(monkeypatch):
    monkeypatch.setattr(views, "samples", Samples())


@pytest.fixture
def grounds(monkeypatch):
    """What the upgrade offers, made up: a verdict that covers the old version."""
    made = {"evidence": True, "dual": {}}
    real = planning.grounds_of

    def grounds_of(upgrade_id):
        found = real(upgrade_id)
        old = found.upgrade.alias.version_id
        return replace(
            found,
            evidence={old: "verdict:1"} if made["evidence"] else {},
            dual={old: made["dual"]} if made["dual"] else {},
            verdict_stands=made["evidence"],
        )

    monkeypatch.setattr("workers.serving.preview.grounds_of", grounds_of)
    return made


@pytest.fixture
def ask(search, upgrade):
    gallery = upgrade.alias.galleries.get()

    def ask(*, status=200, to=gallery.name, tail="", **body):
        response = search.client.post(
            f"/preview/galleries/{to}{tail}",
            json.dumps({"upgrade": upgrade.pk} | body),
            content_type="application/json",
            headers={"Authorization": f"Bearer {search.secret}"},
        )
        assert response.status_code == status, response.content
        return response.json()

    return ask


def a_set(upgrade, labels, *, ids=None, pictures=False):
    """Pin a set whose samples are queries of four numbers each."""
    n = len(labels)
    classes, indices = np.unique(np.array(labels), return_inverse=True)
    inputs = np.zeros((n, 4), dtype=np.float32)
    inputs[np.arange(n), np.arange(n) % 3] = 1
    held = CanonicalSet(
        ids=np.array(ids or [f"q-{i}" for i in range(n)]),
        labels=indices,
        classes=classes,
        is_query=np.ones(n, dtype=bool),
        is_gallery=np.full(n, ids is not None),
        pinned=np.zeros(n, dtype=bool),
        inputs=inputs,
        identities=None,
        slices={},
    )
    file = io.BytesIO()
    held.write(file)
    content = file.getvalue()
    stored = artifact_store().write([content], max_bytes=len(content))
    revision = build.a_set_revision(task="embedding")
    SetRevision.objects.filter(pk=revision.pk).update(canonical_digest=stored.digest)
    build.a_pin(upgrade.alias, revision)
    return str(revision)


def changes(answer):
    return [(hit["id"], hit["change"], hit["by"]) for hit in answer["hits"]]


def test_both_answers_stand_side_by_side_and_every_move_is_marked(ask, upgrade, grounds):
    answer = ask(input=[3.0, 2.0, 1.0, 0.0], k=2)

    assert answer["mode"] == "evidence"
    assert (answer["live"]["encoder"], answer["preview"]["encoder"]) == (
        str(upgrade.alias.version),
        str(upgrade.candidate),
    )
    assert changes(answer["live"]) == [("x", "moved_down", 1), ("y", "moved_up", 1)]
    assert changes(answer["preview"]) == [("y", "moved_up", 1), ("x", "moved_down", 1)]
    assert answer["overlap_at_10"] == 1.0
    assert answer["flip"] == "unknown"


def test_what_comes_and_goes_is_marked_and_counted_in_the_overlap(ask, grounds):
    answer = ask(input=[3.0, 0.0, 1.0, 0.0], k=2)

    assert changes(answer["live"]) == [("x", "gone", 0), ("z", "kept", 0)]
    assert changes(answer["preview"]) == [("y", "new", 0), ("z", "kept", 0)]
    assert answer["overlap_at_10"] == pytest.approx(1 / 2)


def test_nothing_is_written_and_users_see_the_live_answer(ask, search, upgrade, grounds):
    gallery = upgrade.alias.galleries.get()
    before = search.ids(gallery, input=[3.0, 2.0, 1.0, 0.0])

    ask(input=[3.0, 2.0, 1.0, 0.0])

    after = Gallery.objects.get(pk=gallery.pk)
    assert (after.epoch, after.live_view_id) == (gallery.epoch, gallery.live_view_id)
    assert View.objects.filter(gallery=gallery).count() == 1
    assert search.ids(gallery, input=[3.0, 2.0, 1.0, 0.0]) == before


def test_without_evidence_nothing_is_searched_and_it_says_so(ask, grounds):
    grounds["evidence"] = False

    answer = ask(input=[1.0, 0, 0, 0])

    assert answer["mode"] == "nothing"
    assert (answer["searchable_items"], answer["unsearchable_items"]) == (0, 3)
    assert answer["preview"]["hits"] == []
    assert [s["reason"] for s in answer["preview"]["skipped"]] == ["no_evidence"]
    assert [hit["change"] for hit in answer["live"]["hits"]] == ["gone"] * 3
    assert answer["overlap_at_10"] == 0.0


def test_where_nothing_is_covered_a_dual_query_asks_by_the_old_encoder(ask, upgrade, grounds):
    grounds["evidence"] = False
    grounds["dual"] = OwnQuery("comparison:7", Calibration(0, 1, 50), Calibration(0, 1, 50))

    answer = ask(input=[3.0, 2.0, 1.0, 0.0])

    assert answer["mode"] == "dual_query"
    assert {hit["change"] for hit in answer["preview"]["hits"]} == {"kept"}


def test_a_real_verdict_that_does_not_stand_covers_nothing(ask, upgrade):
    answer = ask(input=[1.0, 0, 0, 0])

    assert answer["verdict_stands"] is False
    assert answer["mode"] == "nothing"


def test_a_vector_is_of_one_version_and_cannot_be_asked_with(ask, upgrade, grounds):
    body = {"vector": [1, 0, 0], "producer": str(upgrade.alias.version)}

    assert ask(status=400, **body)["code"] == "query_not_encodable"


def test_an_item_without_its_input_cannot_be_asked_with(ask, grounds):
    assert ask(status=409, item_id="x")["code"] == "inputs_missing"
    assert ask(status=404, item_id="nowhere")["code"] == "unknown_item"


def test_an_item_is_asked_with_its_stored_input_and_is_no_hit_itself(ask, upgrade, grounds):
    inputs = np.eye(4, dtype=np.float32)[[1]]
    file = io.BytesIO()
    np.savez(file, id=np.array(["y"]), input=inputs)
    upload = store_artifact([file.getvalue()], kind=Upload.TABLE)
    gallery = upgrade.alias.galleries.get()
    put(gallery, {"w": [0, 0.5, 0]})
    InsertBatch.objects.filter(items__external_id="w").update(upload=upload)

    answer = ask(item_id="w", k=3)

    assert [hit["id"] for hit in answer["live"]["hits"]] == ["y", "x", "z"]
    assert answer["preview"]["hits"][0]["id"] == "x"
    assert "w" not in {hit["id"] for hit in answer["preview"]["hits"]}
    assert answer["query"]["name"] == "w"


def test_both_answers_hold_only_what_the_filter_lets_through(ask, upgrade, grounds):
    inputs = np.eye(4, dtype=np.float32)[[1]]
    file = io.BytesIO()
    np.savez(file, id=np.array(["y"]), input=inputs)
    upload = store_artifact([file.getvalue()], kind=Upload.TABLE)
    put(upgrade.alias.galleries.get(), {"w": [0, 0.5, 0]})
    InsertBatch.objects.filter(items__external_id="w").update(upload=upload)
    Item.objects.filter(external_id__in=["w", "z"]).update(metadata={"shelf": 1})

    for asked in ({"item_id": "w"}, {"input": [0, 1, 0, 0]}):
        answer = ask(**asked, k=3, filter={"shelf": 1})
        found = [{hit["id"] for hit in answer[side]["hits"]} for side in ("live", "preview")]
        assert found == 2 * [{"z"} if "item_id" in asked else {"w", "z"}]


def test_a_sample_knows_its_label_and_a_turned_first_hit_is_a_flip(ask, upgrade, grounds):
    named = a_set(upgrade, ["east", "north", "up"], ids=["x", "y", "z"])

    answer = ask(sample={"evaluation_set": named, "row": 2}, k=2)

    assert answer["query"]["label"] == "up"
    assert answer["labels_from"] == [named]
    assert "z" not in {hit["id"] for hit in answer["live"]["hits"]}


def test_a_flip_is_told_from_labels_of_the_first_hits_alone(ask, upgrade, grounds):
    labels = a_set(upgrade, ["east", "north", "up"], ids=["x", "y", "z"])
    named = a_set(upgrade, ["east", "east", "up"])

    found = ask(tail="/samples", evaluation_set=named, queries=3)

    assert found["labels_from"] == [named, labels]
    turned = {row["query"]["label"] + row["query"]["name"]: row["flip"] for row in found["rows"]}
    assert turned == {"eastq-0": "negative", "eastq-1": "positive", "upq-2": "none"}
    assert (found["negative_flips"], found["positive_flips"], found["unknown_flips"]) == (1, 1, 0)
    assert found["mean_overlap_at_10"] == 1.0


def test_where_items_have_no_known_label_no_flip_is_claimed(ask, upgrade, grounds):
    named = a_set(upgrade, ["east", "north", "up"])

    found = ask(tail="/samples", evaluation_set=named, queries=2, seed=3)

    assert found["queries"] == 2
    assert found["unknown_flips"] == 2
    assert found == ask(tail="/samples", evaluation_set=named, queries=2, seed=3)


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"upgrade": 10**6, "input": [1]}, 404, "unknown_upgrade"),
        ({"upgrade": "1", "input": [1]}, 400, "invalid_query"),
        ({"input": [1, 0, 0]}, 400, "input_shape"),
        ({"input": [1, 0, 0, 0], "k": 0}, 400, "invalid_k"),
        ({"input": [1, 0, 0, 0], "item_id": "x"}, 400, "invalid_query"),
        ({"sample": {"evaluation_set": "nope:1", "row": 0}}, 404, "unknown_evaluation_set"),
        ({"sample": {"evaluation_set": "nope:1"}}, 400, "invalid_query"),
        ({"sample": 7}, 400, "invalid_query"),
        ({"input": [1, 0, 0, 0], "labels_from": 3}, 400, "invalid_query"),
        ({"input": [1, 0, 0, 0], "labels_from": "nope:1"}, 404, "unknown_evaluation_set"),
    ],
)
def test_what_is_no_proper_request_is_refused(ask, grounds, body, status, code):
    assert ask(status=status, **body)["code"] == code


@pytest.mark.parametrize(
    "body",
    [{"queries": 0}, {"queries": 51}, {"seed": -1}, {"evaluation_set": 3}, {"input": [1]}],
)
def test_a_draw_of_samples_has_bounds(ask, grounds, body):
    answer = ask(status=400, tail="/samples", **({"evaluation_set": "s:1"} | body))

    assert answer["code"] == "invalid_query"


def test_another_gallery_and_a_closed_upgrade_are_refused(ask, upgrade, grounds):
    other = a_gallery(items={"a": [1, 0, 0]})
    assert ask(status=409, to=other.name, input=[1, 0, 0, 0])["code"] == "gallery_of_other_alias"
    assert ask(status=404, to="nowhere", input=[1, 0, 0, 0])["code"] == "unknown_gallery"

    Upgrade.objects.update(state="withdrawn")
    assert ask(status=409, input=[1, 0, 0, 0])["code"] == "upgrade_closed"


def test_without_the_secret_nothing_is_answered(search, upgrade):
    name = upgrade.alias.galleries.get().name

    response = search.client.post(f"/preview/galleries/{name}", {}, content_type="application/json")

    assert response.json()["code"] == "unauthenticated"


def test_an_encoder_that_a_preview_used_stays_for_a_while(ask, upgrade, grounds, search_process):
    ask(input=[1.0, 0, 0, 0])
    for _ in range(3):
        views.preparation.look()

    assert upgrade.candidate_id in search_process.encoders.held()
