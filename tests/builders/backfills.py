"""Galleries that wait for a backfill, without encoders that run; every default is valid."""

from collections.abc import Sequence
from typing import Any

from registry.catalog.models import Alias, ModelVersion
from registry.catalog.services.register_version import register_version
from registry.core.data import artifact_store
from registry.galleries.models import Backfill, Gallery, InsertBatch, Item
from registry.galleries.selectors import stored_inputs, to_backfill, with_inputs
from registry.galleries.services import backfill_steps as steps
from registry.galleries.services import insert
from registry.galleries.services.start_backfill import start_backfill
from tests.builders import registry as make
from tests.builders import toy
from tests.builders.galleries import move, point


def an_insert_of_inputs(gallery: Gallery, ids: Sequence[str]) -> InsertBatch:
    """Put items with stored inputs into a gallery; their upload and chunk cannot be read."""
    upload = make.an_artifact(kind=make.Upload.TABLE)
    batch = insert.submit_inputs(gallery=gallery, upload=upload, actor=gallery.created_by)
    job = insert.claim(batch_id=batch.pk)
    assert insert.record_inserted(job=job, chunk_digest=make.a_digest(), ids=ids)
    batch.refresh_from_db()
    return batch


def move_on(gallery: Gallery) -> None:
    """Cut a gallery over to another version, with evidence for whatever it holds."""
    producers = [segment.producer for segment in gallery.segments.all()]
    move(gallery, make.a_version(gallery.alias.model), covers=producers)
    gallery.refresh_from_db()


def a_gallery(name: str = "") -> Gallery:
    """Return an empty gallery of an encoder that cannot be run."""
    alias = make.an_alias(make.a_model(task="embedding"))
    point(alias, make.a_version(alias.model))
    return make.a_gallery(alias, name)


def a_gallery_to_backfill(items: int = 6, name: str = "") -> Gallery:
    """Return a gallery whose items have inputs and were embedded by the former encoder."""
    gallery = a_gallery(name)
    an_insert_of_inputs(gallery, [f"item-{i}" for i in range(items)])
    move_on(gallery)
    return gallery


def a_backfill(gallery: Gallery | None = None, *, group_rows: int = 2, **changes) -> Backfill:
    """Return a backfill whose order is drawn up: the oldest item first."""
    gallery = gallery or a_gallery_to_backfill()
    values = {"gallery": gallery, "actor": gallery.created_by, "order": "oldest"}
    backfill = start_backfill(**values | changes)
    Backfill.objects.filter(pk=backfill.pk).update(group_rows=group_rows)
    draw_up(backfill)
    backfill.refresh_from_db()
    return backfill


def draw_up(backfill: Backfill) -> None:
    """Do the first step of a backfill."""
    held = with_inputs(to_backfill(backfill.gallery))
    pending = held.order_by("pk").values_list("pk", flat=True)
    data = b"".join(pk.to_bytes(8, "little") for pk in pending)
    stored = artifact_store().write([data], max_bytes=len(data))
    job = steps.claim(backfill_id=backfill.pk)
    assert job is not None
    values = {"digest": stored.digest, "total": len(pending), "order": "oldest", "note": ""}
    assert steps.record_order(job=job, **values)


def ids_of(job: steps.BackfillJob) -> list[int]:
    """Return the items of a step as its worker does."""
    with artifact_store().open(job.order_digest) as order:
        order.seek(8 * job.first)
        data = order.read(8 * job.rows)
    pks = [int.from_bytes(data[at : at + 8], "little") for at in range(0, len(data), 8)]
    return [item.item_id for item in stored_inputs(job.encoder_id, pks)]


def a_step(backfill: Backfill, *, busy_s: float = 0.5) -> bool:
    """Do one step as a worker does, with vectors that nobody made."""
    job = steps.claim(backfill_id=backfill.pk)
    if job is None:
        return False
    done = steps.record_moved(
        job=job, chunk_digest=make.a_digest(), item_ids=ids_of(job), busy_s=busy_s
    )
    backfill.refresh_from_db()
    return done


def live_ids(gallery: Gallery) -> list[str]:
    """Return the external ids of all live items, repetitions included."""
    live = Item.objects.filter(gallery=gallery, removed_at_revision=None)
    return sorted(live.values_list("external_id", flat=True))


def counts_are_true(gallery: Gallery) -> bool:
    """Whether every segment counts exactly the live items that it holds."""
    return all(
        segment.live_items == Item.objects.filter(segment=segment, removed_at_revision=None).count()
        for segment in gallery.segments.all()
    )


def a_slow_backfill(rows: int = 400, group_rows: int = 50) -> str:
    """Make a gallery whose backfill takes a real worker seconds a step; return its name.

    Called inside an installation of its own; the first step waits for a worker.
    """
    alias = make.an_alias(make.a_model("line", task="embedding"))
    first, second = (
        a_runnable_version(alias, made) for made in (toy.encoder("old"), toy.a_slow_encoder())
    )
    point(alias, first)
    gallery = make.a_gallery(alias, "shelf")
    upload = make.an_artifact(toy.items(rows), kind=make.Upload.TABLE)
    batch = insert.submit_inputs(gallery=gallery, upload=upload, actor=gallery.created_by)
    job = insert.claim(batch_id=batch.pk)
    names = [str(name) for name in toy.ids(rows, "item")]
    assert insert.record_inserted(job=job, chunk_digest=make.a_digest(), ids=names)
    move(gallery, second, covers=[first])
    gallery.refresh_from_db()
    backfill = start_backfill(gallery=gallery, actor=gallery.created_by)
    Backfill.objects.filter(pk=backfill.pk).update(group_rows=group_rows)
    return gallery.name


def a_runnable_version(alias: Alias, made: tuple[bytes, dict[str, Any]]) -> ModelVersion:
    """Return a version of the toy world that a worker can run, without its evaluation."""
    graph, manifest = made
    version = register_version(
        model_name=alias.model.name,
        manifest=manifest,
        actor=alias.model.created_by,
        artifact=make.an_artifact(graph),
        file_name="model.onnx",
    )
    return make.inspect(version)
