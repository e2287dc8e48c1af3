"""Galleries: what goes in, what is cut over, what is never lost or found twice."""

import pytest
from django.db import DatabaseError, transaction

from registry.core.data import gallery_folder
from registry.core.errors import ConflictError, DuplicateError, InvalidInputError, RegistryError
from registry.core.store import CorruptError
from registry.galleries.models import Gallery, InsertBatch, Item, Segment, View
from registry.galleries.selectors import live_view, stored_vectors
from registry.galleries.services import insert, seal
from registry.galleries.services.create_gallery import create_gallery
from registry.galleries.services.insert import insert_vectors, segment_store
from registry.galleries.services.remove import remove_items
from registry.upgrades.services.promote import promote
from registry.upgrades.services.roll_back import plan_rollback, roll_back
from tests.builders import registry as build

pytestmark = pytest.mark.django_db


def move_on(gallery):
    """Promote another candidate of the gallery's alias and return its version."""
    upgrade = build.a_judged_upgrade(gallery.alias)
    promote(upgrade_id=upgrade.pk, actor=build.a_user())
    gallery.refresh_from_db()
    gallery.alias.refresh_from_db()
    return upgrade.candidate


def put(gallery, ids, vectors, producer=None):
    gallery.refresh_from_db()
    return insert_vectors(
        gallery=gallery,
        producer=producer or gallery.live_view.encoder,
        ids=ids,
        vectors=vectors,
        actor=gallery.created_by,
    )


@pytest.fixture
def gallery():
    return build.a_gallery(items=3)


def test_a_cutover_touches_no_item_and_no_file(gallery):
    items = list(Item.objects.values())
    files = {p: p.stat() for p in gallery_folder(gallery.pk, 0).parent.rglob("*") if p.is_file()}

    encoder = move_on(gallery)

    assert gallery.live_view.encoder == encoder
    assert list(Item.objects.values()) == items
    after = {p: p.stat() for p in gallery_folder(gallery.pk, 0).parent.rglob("*") if p.is_file()}
    assert {p: (s.st_mtime_ns, s.st_ino) for p, s in after.items()} == {
        p: (s.st_mtime_ns, s.st_ino) for p, s in files.items()
    }


@pytest.mark.parametrize("size", [1, 400])
def test_a_promotion_costs_the_same_queries_whatever_the_gallery_holds(
    size, django_assert_max_num_queries
):
    upgrade = build.a_judged_upgrade(build.a_gallery(items=size).alias)

    with django_assert_max_num_queries(57) as counted:
        promote(upgrade_id=upgrade.pk, actor=build.a_user())

    writes = [q["sql"] for q in counted.captured_queries if "galleries_item" in q["sql"]]
    assert writes == []


def test_each_cutover_seals_the_insert_segment_and_opens_one(gallery):
    first = gallery.segments.get()

    encoder = move_on(gallery)

    first.refresh_from_db()
    assert first.state == Segment.State.SEALED
    opened = gallery.segments.get(state=Segment.State.INSERT)
    assert (opened.producer, opened.live_items) == (encoder, 0)
    live = live_view(gallery.name)
    assert [(s.live_items, s.searchable) for s in live.segments] == [(3, True), (0, True)]
    assert live.segments[0].evidence.startswith("verdict:")


def test_views_cannot_be_changed(gallery):
    with pytest.raises(DatabaseError, match="written once"), transaction.atomic():
        View.objects.filter(gallery=gallery).update(number=9)


@pytest.mark.parametrize(
    ("ids", "vectors", "code"),
    [
        (["a"], [[1.0, 2.0]], "wrong_dimension"),
        (["a"], [[1.0, 2.0, 3.0, float("nan")]], "not_finite"),
        (["a"], [[1.0, 2.0, 3.0, 1e39]], "not_finite"),
        (["a"], [[1.0, 2.0, 3.0, 1e19]], "not_finite"),
        (["a"], [[0.0, 0.0, 0.0, 0.0]], "zero_vector"),
        (["a", "a"], [[1.0] * 4] * 2, "duplicate_id"),
        ([""], [[1.0] * 4], "duplicate_id"),
        ([], [], "invalid_items"),
        (["a"], [], "invalid_items"),
        (["a", "item-1"], [[1.0] * 4] * 2, "duplicate_item"),
    ],
)
def test_wrong_items_are_refused_and_nothing_is_written(gallery, ids, vectors, code):
    before = (Item.objects.count(), InsertBatch.objects.count())

    with pytest.raises(RegistryError) as refused, transaction.atomic():
        put(gallery, ids, vectors)

    assert refused.value.code == code
    assert (Item.objects.count(), InsertBatch.objects.count()) == before


def test_vectors_of_another_version_are_refused(gallery):
    other = build.a_version(gallery.alias.model)

    with pytest.raises(InvalidInputError) as refused:
        put(gallery, ["a"], [[1.0] * 4], producer=other)

    assert refused.value.code == "wrong_producer"


def test_vectors_of_the_former_encoder_are_refused_after_a_cutover(gallery):
    former = gallery.live_view.encoder
    move_on(gallery)

    with pytest.raises(InvalidInputError) as refused:
        put(gallery, ["a"], [[1.0] * 4], producer=former)

    assert refused.value.code == "wrong_producer"


def test_a_batch_that_was_embedded_before_a_cutover_is_sent_round_again(gallery):
    upload = build.an_artifact(kind=build.Upload.TABLE)
    batch = insert.submit_inputs(gallery=gallery, upload=upload, actor=gallery.created_by)
    job = insert.claim(batch_id=batch.pk)
    encoder = move_on(gallery)

    with pytest.raises(ConflictError) as refused:
        insert.record_inserted(job=job, chunk_digest="a" * 64, ids=["new"])
    assert refused.value.code == "epoch_moved"
    assert not Item.objects.filter(external_id="new").exists()
    assert insert.release(job=job)

    again = insert.claim(batch_id=batch.pk)
    assert insert.record_inserted(job=again, chunk_digest="a" * 64, ids=["new"])
    assert Item.objects.get(external_id="new").segment.producer == encoder


def test_a_batch_delivered_twice_is_inserted_once(gallery):
    upload = build.an_artifact(kind=build.Upload.TABLE)
    batch = insert.submit_inputs(gallery=gallery, upload=upload, actor=gallery.created_by)
    job = insert.claim(batch_id=batch.pk)

    assert insert.claim(batch_id=batch.pk) is None
    assert insert.record_inserted(job=job, chunk_digest="a" * 64, ids=["new"])
    assert insert.record_inserted(job=job, chunk_digest="a" * 64, ids=["new"]) is False
    assert Item.objects.filter(external_id="new").count() == 1


def test_a_removed_item_can_come_back_and_is_there_once(gallery):
    remove_items(gallery=gallery, ids=["item-1"], actor=build.a_user())
    segment = gallery.segments.get()
    assert segment.live_items == 2

    put(gallery, ["item-1"], [[0.5] * 4])

    assert Item.objects.filter(external_id="item-1", removed_at_revision=None).count() == 1
    segment.refresh_from_db()
    assert segment.live_items == 3


def test_of_items_to_remove_all_are_removed_or_none(gallery):
    with pytest.raises(RegistryError) as refused:
        remove_items(gallery=gallery, ids=["item-1", "nobody"], actor=build.a_user())

    assert refused.value.code == "unknown_item"
    assert gallery.segments.get().live_items == 3


def test_changed_bytes_of_a_chunk_are_found(gallery):
    batch = gallery.batches.get()
    path = segment_store(gallery.pk, batch.segment_id).path(batch.chunk_digest)
    path.chmod(0o600)
    path.write_bytes(b"\1" + path.read_bytes()[1:])

    with pytest.raises(CorruptError):
        stored_vectors(gallery)


def test_a_gallery_needs_an_encoder_that_serves():
    alias = build.an_alias(build.a_model(task="embedding"))

    with pytest.raises(ConflictError) as refused:
        create_gallery(name="early", alias=alias, actor=build.a_user())

    assert refused.value.code == "alias_empty"
    assert not Gallery.objects.exists()


def test_a_classifier_has_no_gallery():
    alias = build.a_promoted_upgrade().alias

    with pytest.raises(InvalidInputError) as refused:
        create_gallery(name="wrong", alias=alias, actor=build.a_user())

    assert refused.value.code == "task_mismatch"


def test_a_name_is_taken_once(gallery):
    with pytest.raises(DuplicateError):
        create_gallery(name=gallery.name, alias=gallery.alias, actor=build.a_user())


def test_what_a_gallery_or_an_alias_refers_to_cannot_be_deleted(gallery):
    from django.db.models import ProtectedError

    encoder = gallery.live_view.encoder
    for kept in (encoder, encoder.artifact, gallery.alias, gallery.alias.model):
        with pytest.raises(ProtectedError):
            kept.delete()


def test_rolling_back_says_beforehand_what_becomes_unsearchable_and_asks_for_that_number(gallery):
    first = gallery.live_view.encoder
    encoder = move_on(gallery)
    put(gallery, ["new-1", "new-2"], [[1.0] * 4] * 2)
    forget_forward_evidence(first, encoder)

    plan = plan_rollback(alias=gallery.alias, target=first)
    assert plan.unsearchable_items == 2
    for confirmed in (0, 1, 3):
        with pytest.raises(RegistryError) as refused:
            back(gallery, first, confirmed)
        assert refused.value.code == "unsearchable_items"
    back(gallery, first, 2)

    live = live_view(gallery.name)
    assert live.encoder == first
    assert {s.producer: s.searchable for s in live.segments} == {
        str(first): True,
        str(encoder): False,
    }


def test_rolling_back_with_forward_evidence_loses_nothing(gallery):
    first = gallery.live_view.encoder
    move_on(gallery)
    put(gallery, ["new-1"], [[1.0] * 4])

    back(gallery, first, 0)

    live = live_view(gallery.name)
    assert all(s.searchable for s in live.segments)
    assert sum(s.live_items for s in live.segments) == 4


def back(gallery, target, confirmed):
    gallery.alias.refresh_from_db()
    return roll_back(
        alias=gallery.alias,
        target=target,
        actor=build.a_user(),
        reason="it was worse",
        confirm_unsearchable=confirmed,
    )


def forget_forward_evidence(old, new):
    from registry.evaluation.models import Comparison

    comparison = Comparison.objects.get(old_digest=old.digest, new_digest=new.digest)
    comparison.measurements = [
        m for m in comparison.measurements if m["name"] != "map.old_new_minus_old_old"
    ]
    comparison.save(update_fields=["measurements"])


def test_only_what_was_promoted_before_can_be_rolled_back_to(gallery):
    never = build.a_judged_upgrade(gallery.alias).candidate

    for target, code in ((never, "never_promoted"), (gallery.live_view.encoder, "already_serving")):
        with pytest.raises(ConflictError) as refused:
            back(gallery, target, 0)
        assert refused.value.code == code


def test_a_sealed_segment_gets_its_index_once(gallery):
    segment = gallery.segments.get()
    assert seal.claim(segment_id=segment.pk) is None
    move_on(gallery)

    job = seal.claim(segment_id=segment.pk)
    assert job.rows == 3
    assert seal.claim(segment_id=segment.pk) is None
    index = seal.PublishedIndex("d" * 64, "hnsw", 0.98)
    assert seal.record_sealed(job=job, index=index)

    assert seal.claim(segment_id=segment.pk) is None
    segment.refresh_from_db()
    assert (segment.sealed_rows, segment.index_digest) == (3, "d" * 64)
    assert (segment.index_kind, segment.recall_at_10, segment.index_note) == ("hnsw", 0.98, "")
    assert {batch.index_digest for batch in segment.batches.all()} == {"d" * 64}
