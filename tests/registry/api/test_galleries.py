"""Galleries: open, items in and out, the live pointer, verification."""

import pytest

from compat.policy import Task
from registry.core.data import gallery_folder
from registry.galleries.models import InsertBatch, Item
from registry.galleries.services import insert as inserting
from tests.builders import registry as make
from tests.registry.api.conftest import refusal


@pytest.fixture
def gallery(db):
    return make.a_gallery(name="faces", items=2)


def encoder(gallery):
    return str(gallery.live_view.encoder)


def items(*ids, vector=(1.0, 0.0, 0.5, 2)):
    return [{"id": one, "vector": list(vector)} for one in ids]


def test_a_gallery_is_opened_on_what_its_alias_names(api):
    upgrade = make.a_promoted_upgrade(make.an_alias(make.a_model("embedder", task=Task.EMBEDDING)))

    response = api.post("galleries", name="faces", model="embedder", description="all faces")

    assert response.status_code == 201
    found = response.json()
    assert found == api.get("galleries/faces").json()
    assert (found["model"], found["alias"], found["epoch"]) == ("embedder", "production", 1)
    assert (found["encoder"], found["items"]) == (str(upgrade.candidate), 0)
    assert len(found["segments"]) == 1
    assert found["segments"][0]["accepts_inserts"] is True


def test_what_is_wrong_with_a_new_gallery_is_named(api, gallery):
    classifier = make.a_promoted_upgrade().alias.model.name
    empty = make.an_alias(make.a_model(task=Task.EMBEDDING)).model.name
    embedder = gallery.alias.model.name

    def open_one(**body):
        return refusal(api.post("galleries", **body))

    assert open_one(name="faces", model=embedder) == (409, "duplicate_gallery")
    assert open_one(name="a b", model=embedder) == (400, "invalid_name")
    assert open_one(name="a", model=classifier) == (400, "task_mismatch")
    assert open_one(name="a", model=empty) == (409, "alias_empty")
    assert open_one(name="a", model="gone") == (404, "unknown_alias")


def test_a_gallery_shows_its_segments_with_the_evidence_for_each(api, gallery):
    upgrade = make.a_promoted_upgrade(gallery.alias)
    make.an_insert(gallery, ["late"])

    found = api.get("galleries/faces").json()

    assert (found["epoch"], found["items"], found["view"]) == (2, 3, 2)
    assert found["encoder"] == str(upgrade.candidate)
    old, new = found["segments"]
    assert (old["live_items"], old["searchable"], old["accepts_inserts"]) == (2, True, False)
    assert old["evidence"] == f"verdict:{upgrade.verdict_id}"
    assert (old["dimension"], old["distance"]) == (make.DIMENSION, "cosine")
    assert (new["live_items"], new["evidence"], new["accepts_inserts"]) == (1, "self", True)


def test_a_segment_tells_its_index_and_how_well_it_finds(api, gallery):
    note = "hnsw found 0.912 of the nearest, 0.95 is asked"
    gallery.segments.update(
        index_digest="d" * 64,
        index_kind="flat",
        index_note=note,
        indexed_rows=2,
        recall_at_10=1.0,
    )

    found = api.get("galleries/faces").json()["segments"][0]

    assert (found["index_kind"], found["index_note"]) == ("flat", note)
    assert (found["indexed_rows"], found["recall_at_10"]) == (2, 1.0)


def test_galleries_are_listed_by_name(api, gallery):
    make.a_gallery(gallery.alias, "animals")

    listed = api.get("galleries").json()["results"]

    assert [(one["name"], one["items"]) for one in listed] == [("animals", 0), ("faces", 2)]


def test_the_live_pointer_is_read_again_only_when_the_epoch_has_moved(
    api, gallery, django_assert_num_queries
):
    first = api.get("galleries/faces/live")
    etag = {"If-None-Match": first.headers["ETag"]}
    make.an_insert(gallery, ["late"])
    with django_assert_num_queries(3):  # the token's, the pointer's, the alarm's
        same = api.get("galleries/faces/live", headers=etag)
    upgrade = make.a_promoted_upgrade(gallery.alias)
    moved = api.get("galleries/faces/live", headers=etag)

    assert first.json()["encoder_digest"] == gallery.live_view.encoder.digest
    assert (same.status_code, same.content) == (304, b"")
    assert moved.status_code == 200
    assert (moved.json()["epoch"], moved.json()["encoder"]) == (2, str(upgrade.candidate))
    assert moved.headers["ETag"] != first.headers["ETag"]
    assert [one["producer"] for one in moved.json()["segments"]] == [
        encoder(gallery),
        str(upgrade.candidate),
    ]


def test_what_an_etag_covers_does_not_move_within_an_epoch(api, gallery):
    before = api.get("galleries/faces/live").json()

    make.an_insert(gallery, ["late"])

    assert api.get("galleries/faces/live").json() == before


def test_vectors_are_inserted_at_once(api, gallery):
    response = api.post(
        "galleries/faces/items", producer=encoder(gallery), items=items("a", "b", "c")
    )

    assert response.status_code == 201
    batch = response.json()
    assert (batch["work_state"], batch["rows"], batch["gallery"]) == ("done", 3, "faces")
    assert batch["producer"] == encoder(gallery)
    assert api.get(f"galleries/faces/batches/{batch['id']}").json() == batch
    assert api.get("galleries/faces").json()["items"] == 5


@pytest.mark.parametrize(
    ("wrong", "status", "code"),
    [
        ([], 400, "invalid_items"),
        ({}, 400, "invalid_items"),
        (None, 400, "invalid_input"),
        ([3], 400, "invalid_items"),
        ([{"id": "a"}], 400, "invalid_items"),
        ([{"id": "a", "vector": [1, 2, 3, 4], "more": 1}], 400, "invalid_items"),
        (items("a", vector=["1", 0, 0, 0]), 400, "invalid_items"),
        (items("a", vector=[True, 0, 0, 0]), 400, "invalid_items"),
        ([{"id": "a", "vector": 1}], 400, "invalid_items"),
        ([{"id": 7, "vector": [1, 2, 3, 4]}], 400, "invalid_items"),
        (items("a\x00"), 400, "invalid_items"),
        (items("a\ud800"), 400, "invalid_items"),
        (items(""), 400, "duplicate_id"),
        (items("x" * 201), 400, "duplicate_id"),
        (items("a", "a"), 400, "duplicate_id"),
        (items("a", vector=[1, 2, 3]), 400, "wrong_dimension"),
        (items("a", vector=[1e39, 0, 0, 0]), 400, "not_finite"),
        (items("a", vector=[10**400, 0, 0, 0]), 400, "not_finite"),
        (items("item-0"), 409, "duplicate_item"),
    ],
)
def test_what_is_wrong_with_vectors_is_named_and_nothing_is_inserted(
    api, gallery, wrong, status, code
):
    response = api.post("galleries/faces/items", producer=encoder(gallery), items=wrong)

    assert refusal(response) == (status, code)
    assert Item.objects.count() == 2
    assert InsertBatch.objects.count() == 1


def test_an_infinite_number_in_a_vector_is_refused(api, gallery):
    text = '{"producer": "%s", "items": [{"id": "a", "vector": [1e999, 0, 0, 0]}]}'

    response = api.send("POST", "galleries/faces/items", text % encoder(gallery))

    assert refusal(response) == (400, "not_finite")


def test_vectors_of_another_producer_are_refused(api, gallery):
    other = make.a_version(gallery.alias.model)

    def insert(producer):
        return refusal(api.post("galleries/faces/items", producer=producer, items=items("a")))

    assert insert(str(other)) == (400, "wrong_producer")
    assert insert("gone:1") == (404, "unknown_version")
    assert insert("gone") == (400, "invalid_reference")


def test_inputs_are_queued_for_the_live_encoder(api, gallery):
    response = api.upload("galleries/faces/items", make.table_bytes(), file_name="inputs.npz")

    assert response.status_code == 202
    batch = response.json()
    assert (batch["work_state"], batch["producer"], batch["rows"]) == ("queued", None, 0)
    assert api.get(f"galleries/faces/batches/{batch['id']}").json() == batch


def test_a_batch_that_failed_says_why(api, gallery):
    batch = api.upload("galleries/faces/items", make.table_bytes()).json()
    job = inserting.claim(batch_id=batch["id"])
    inserting.fail(job=job, code="invalid_set", detail="no column id")

    found = api.get(f"galleries/faces/batches/{batch['id']}").json()

    assert found["work_state"] == "failed"
    assert found["error"] == {"code": "invalid_set", "detail": "no column id"}


def test_inputs_that_are_no_table_are_refused(api, gallery):
    assert refusal(api.upload("galleries/faces/items", b"\x08graph")) == (400, "wrong_file_type")
    assert refusal(api.upload("galleries/faces/items")) == (400, "invalid_input")
    assert InsertBatch.objects.count() == 1


def test_a_batch_of_another_gallery_is_not_shown(api, gallery):
    other = make.a_gallery(items=1)
    batch = other.batches.get()

    assert refusal(api.get(f"galleries/faces/batches/{batch.pk}")) == (404, "unknown_batch")


def test_items_are_removed_all_or_none(api, gallery):
    partly = api.post("galleries/faces/items/remove", ids=["item-0", "gone"])
    whole = api.post("galleries/faces/items/remove", ids=["item-0", "item-1"])

    assert refusal(partly) == (404, "unknown_item")
    assert (whole.status_code, whole.json()) == (200, {"removed": 2})
    assert api.get("galleries/faces").json()["items"] == 0


def test_an_id_is_taken_as_it_is(api, gallery):
    api.post("galleries/faces/items", producer=encoder(gallery), items=items(" a "))

    assert refusal(api.post("galleries/faces/items/remove", ids=["a"])) == (404, "unknown_item")
    assert api.post("galleries/faces/items/remove", ids=[" a "]).json() == {"removed": 1}


@pytest.mark.parametrize("ids", [[], "item-0", [""], ["x" * 201], ["a\x00"], None, [{}]])
def test_what_is_to_be_removed_is_named_well(api, gallery, ids):
    response = api.post("galleries/faces/items/remove", ids=ids)

    assert refusal(response) == (400, "invalid_input")


def test_stored_vectors_are_verified_and_do_not_change_in_a_cutover(api, gallery):
    before = api.post("galleries/faces/verify").json()
    make.a_promoted_upgrade(gallery.alias)

    assert before["verified"] is True
    assert before["vectors"] == 2
    assert before["bytes"] == 2 * 4 * make.DIMENSION
    assert api.post("galleries/faces/verify").json() == before


def test_a_vector_that_rotted_is_found(api, gallery):
    segment = gallery.segments.get()
    folder = gallery_folder(gallery.pk, segment.pk)
    chunk = next(path for path in folder.rglob("*") if path.is_file())
    chunk.chmod(0o600)
    chunk.write_bytes(b"\x01" + chunk.read_bytes()[1:])

    found = api.post("galleries/faces/verify").json()

    assert (found["verified"], found["code"], found["vectors"]) == (False, "artifact_corrupt", None)


def test_an_unknown_gallery_is_named(api):
    for method, path in (
        ("GET", "galleries/gone"),
        ("GET", "galleries/gone/live"),
        ("GET", "galleries/gone/batches/1"),
        ("POST", "galleries/gone/verify"),
    ):
        assert refusal(api.send(method, path)) == (404, "unknown_gallery")
    assert refusal(api.post("galleries/gone/search", item_id="a")) == (404, "unknown_gallery")
    assert refusal(api.post("galleries/gone/items/remove", ids=["a"])) == (404, "unknown_gallery")
    inserted = api.post("galleries/gone/items", producer="a:1", items=items("a"))
    assert refusal(inserted) == (404, "unknown_gallery")


def test_metadata_come_with_vectors(api, gallery):
    known = {"colour": "red", "size": 1, "new": True}
    one, other = items("x", "y")

    def insert(*given):
        return api.post("galleries/faces/items", producer=encoder(gallery), items=list(given))

    assert insert(one | {"metadata": known}, other).status_code == 201
    assert Item.objects.get(external_id="x").metadata == known
    assert Item.objects.get(external_id="y").metadata == {}
    for wrong in ([], "red", None, {"a": None}, {"a b": 1}):
        refused = insert({**other, "id": "z", "metadata": wrong})
        assert refusal(refused) == (400, "invalid_metadata")
    assert not Item.objects.filter(external_id="z").exists()
