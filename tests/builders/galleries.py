"""Galleries with real vectors and encoders that run; every default is valid."""

from collections.abc import Mapping, Sequence

import numpy as np
from django.db import transaction
from django.db.models import F
from django.utils import timezone

from registry.catalog.models import Alias, AliasMove, ModelVersion
from registry.catalog.services import inspection
from registry.catalog.services.move_alias import move_alias
from registry.catalog.services.register_version import register_version
from registry.core.data import gallery_folder
from registry.core.store import Store
from registry.galleries.models import Cutover, Gallery, InsertBatch, Item, Segment
from registry.galleries.services import seal
from registry.galleries.services.create_gallery import create_gallery
from registry.galleries.services.cutover import Dual, cut_over
from registry.galleries.services.insert import insert_vectors, segment_store
from registry.galleries.services.remove import remove_items
from registry.upgrades.services.gates import ensure_alias
from tests.builders.onnx_models import a_linear_model, an_encoder_manifest
from tests.builders.registry import a_model, a_name, a_user, an_artifact

DIMENSION = 3


def an_encoder(
    alias: Alias | None = None,
    weights: np.ndarray | None = None,
    *,
    dimension: int = DIMENSION,
    distance: str = "inner_product",
) -> ModelVersion:
    """Return a ready version of the alias's model: four numbers times ``weights``."""
    model = (alias or an_alias()).model
    if weights is None:
        weights = np.random.default_rng().normal(size=(4, dimension))
    manifest = an_encoder_manifest(
        weights.shape[1], normalisation="none", distance=distance, shape=(4,)
    )
    graph = a_linear_model(weights, shape=(4,)).SerializeToString()
    version = register_version(
        model_name=model.name,
        manifest=manifest,
        actor=model.created_by,
        artifact=an_artifact(graph),
        file_name="model.onnx",
    )
    job = inspection.claim(version_id=version.pk)
    inspection.accept(job=job, found={})
    version.refresh_from_db()
    return version


def an_alias() -> Alias:
    """Return an alias that names nothing yet, of a model that embeds."""
    return ensure_alias(model=a_model(task="embedding"))


def point(alias: Alias, version: ModelVersion) -> None:
    """Let the alias name a version, as a promotion does; its galleries stay behind."""
    move_alias(
        alias=alias,
        to_version=version,
        kind=AliasMove.Kind.PROMOTE,
        actor=version.created_by,
        reason="",
        evidence="tests",
    )


def a_gallery(
    encoder: ModelVersion | None = None,
    items: Mapping[str, Sequence[float]] | None = None,
    *,
    engine: str = Gallery.Engine.FILES,
) -> Gallery:
    """Return a gallery of ``encoder`` (a new one by default) that holds ``items``."""
    encoder = encoder or an_encoder()
    alias = ensure_alias(model=encoder.model)
    point(alias, encoder)
    gallery = create_gallery(name=a_name("gallery"), alias=alias, actor=a_user(), engine=engine)
    if items:
        put(gallery, items)
    return gallery


def put(gallery: Gallery, items: Mapping[str, Sequence[float]]) -> InsertBatch:
    """Insert vectors of the live encoder."""
    gallery.refresh_from_db()
    return insert_vectors(
        gallery=gallery,
        producer=gallery.live_view.encoder,
        ids=list(items),
        vectors=[list(map(float, vector)) for vector in items.values()],
        actor=gallery.created_by,
    )


def fill(
    gallery: Gallery, ids: Sequence[str], vectors: np.ndarray, *, batch_rows: int = 10_000
) -> None:
    """Insert many vectors of the live encoder quickly: the rows and files that services leave."""
    gallery.refresh_from_db()
    segment = gallery.live_view.insert_segment
    store = files_of(segment)
    batches = []
    for start in range(0, len(ids), batch_rows):
        block = np.ascontiguousarray(vectors[start : start + batch_rows], dtype="<f4")
        digest = store.write([block.tobytes()], max_bytes=block.nbytes).digest
        batch = InsertBatch(
            gallery=gallery, segment=segment, chunk_digest=digest, rows=len(block),
            work_state="done", created_by=gallery.created_by, created_at=timezone.now(),
        )  # fmt: skip
        batches.append(batch)
    with transaction.atomic():
        InsertBatch.objects.bulk_create(batches)
        for number, batch in enumerate(batches):
            start = number * batch_rows
            items = (
                Item(gallery=gallery, segment=segment, batch=batch, row=row, external_id=external)
                for row, external in enumerate(ids[start : start + batch.rows])
            )
            Item.objects.bulk_create(items, batch_size=2000)
        Segment.objects.filter(pk=segment.pk).update(
            live_items=F("live_items") + len(ids), revision=F("revision") + 1
        )


def remove(gallery: Gallery, *ids: str) -> None:
    """Remove items."""
    remove_items(gallery=gallery, ids=ids, actor=gallery.created_by)


def move(
    gallery: Gallery,
    encoder: ModelVersion,
    *,
    covers: Sequence[ModelVersion] = (),
    dual: Dual | None = None,
    returning: bool = False,
) -> Cutover:
    """Cut the gallery over as a promotion does, with evidence for the producers in ``covers``.

    With ``returning`` as a rollback does: what is not covered is embedded again.
    """
    with transaction.atomic():
        locked = Gallery.objects.select_for_update(of=("self",)).get(pk=gallery.pk)
        evidence = {producer.pk: "verdict:1" for producer in covers}
        return cut_over(
            gallery=locked,
            encoder=encoder,
            evidence=evidence,
            alias_epoch=1,
            dual=dual,
            returning=returning,
        )


def seal_with(
    gallery: Gallery, index_bytes: bytes, *, number: int = 1, kind: str = "flat"
) -> Segment:
    """Record ``index_bytes`` as the index of a sealed segment, as its worker does."""
    segment = gallery.segments.get(number=number)
    job = seal.claim(segment_id=segment.pk)
    assert job is not None
    stored = segment_store(gallery.pk, segment.pk).write([index_bytes], max_bytes=2**30)
    index = seal.PublishedIndex(stored.digest, kind, 1.0)
    assert seal.record_sealed(job=job, index=index)
    segment.refresh_from_db()
    return segment


def files_of(segment: Segment) -> Store:
    """Return the store with the chunk and index files of a segment."""
    return Store(gallery_folder(segment.gallery_id, segment.pk))
