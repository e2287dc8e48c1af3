"""In which order a backfill takes its items: drawn up once, kept as a file of item ids."""

from itertools import groupby
from typing import Any

import numpy as np
from django.conf import settings
from django.db.models import QuerySet
from numpy.typing import NDArray

from registry.core.data import artifact_store
from registry.galleries.models import Backfill, Item
from registry.galleries.selectors import StoredInput, stored_inputs, to_backfill, with_inputs
from registry.galleries.services.backfill_steps import BackfillJob
from registry.galleries.services.insert import segment_store
from workers.errors import PermanentError
from workers.pipelines.predict_gain import PLACES_FILE, SCORES_FILE
from workers.tasks.work import Workplace, stored

POSITION = np.dtype("<i8")
"""One position of the order: the id of an item row."""

SAMPLE = 1000
"""Items that the learned order is fitted and tested on, half each (chosen)."""

Order = Backfill.Order


def draw_up(place: Workplace, job: BackfillJob) -> dict[str, Any]:
    """Store the order and return what ``record_order`` keeps of it."""
    pending = _pending(job)
    ids = np.fromiter(pending.values_list("pk", flat=True).iterator(), dtype=POSITION)
    order, note = job.order, ""
    rng = np.random.default_rng(job.claim.pk)
    if order == Order.PREDICTED_GAIN and len(ids):
        scores, note = _predicted(place, job, ids, rng)
        if scores is None:
            order, note = Order.RANDOM.value, f"random, as predicting failed its test: {note}"
        else:
            ids = ids[np.argsort(-scores, kind="stable")]
    if order == Order.RANDOM:
        ids = rng.permutation(ids)
    data = np.ascontiguousarray(ids, dtype=POSITION).tobytes()
    kept = artifact_store().write([data], max_bytes=len(data))
    return {"digest": kept.digest, "total": len(ids), "order": order, "note": note[:500]}


def _pending(job: BackfillJob) -> QuerySet[Item]:
    held = Backfill.objects.select_related("gallery__live_view").get(pk=job.claim.pk)
    return with_inputs(to_backfill(held.gallery)).order_by("pk")


def sources_of(items: list[StoredInput]) -> list[dict[str, Any]]:
    """Return what ``embed_rows`` takes, for items that are sorted by upload."""
    return [
        {"upload": stored(upload), "rows": [item.row for item in wanted]}
        for upload, wanted in groupby(items, key=lambda item: item.upload_digest)
    ]


def by_upload(item: StoredInput) -> tuple[str, int]:
    """Sort items so that each upload is read once."""
    return item.upload_digest, item.row


def _predicted(
    place: Workplace, job: BackfillJob, ids: NDArray[np.int64], rng: np.random.Generator
) -> tuple[NDArray[np.float32] | None, str]:
    """Return a predicted gain for each item, or None and why there is none."""
    chosen = rng.choice(ids, size=min(SAMPLE, len(ids)), replace=False).tolist()
    items = sorted(stored_inputs(job.encoder_id, chosen), key=by_upload)
    where = {pk: at for at, pk in enumerate(ids.tolist())}
    chunks, dimensions, places = _places(job, ids)
    np.save(place.folder / PLACES_FILE, places)
    output = job.manifest["output"]
    try:
        found = place.run(
            "workers.pipelines.predict_gain",
            artifact=stored(job.artifact_digest),
            manifest=job.manifest,
            device=settings.COMPUTE_DEVICE,
            sources=sources_of(items),
            sample=[where[item.item_id] for item in items],
            chunks=chunks,
            dimension=output["dimension"],
            dimensions=dimensions,
            distance=output["distance"],
        )
    except PermanentError as exc:
        return None, f"{exc.code}: {exc.detail}"
    if not found["is_learned"]:
        return None, found["note"]
    return np.fromfile(place.folder / SCORES_FILE, dtype="<f4"), found["note"]


def _places(
    job: BackfillJob, ids: NDArray[np.int64]
) -> tuple[list[str], list[int], NDArray[np.int64]]:
    """Return the chunk files, the lengths of their vectors, and where each item lies in them."""
    pending = _pending(job)
    rows = pending.values_list("pk", "batch", "row").iterator()
    lies = {pk: (batch, row) for pk, batch, row in rows}
    batches = (
        pending.values_list("batch", "batch__chunk_digest", "segment", "segment__dimension")
        .order_by()
        .distinct()
    )
    numbers, chunks, dimensions = {}, [], set()
    for batch, digest, segment, dimension in batches:
        numbers[batch] = len(chunks)
        chunks.append(str(segment_store(job.gallery_id, segment).path(digest)))
        dimensions.add(dimension)
    nowhere = (next(iter(numbers)), 0)
    found = [lies.get(pk, nowhere) for pk in ids.tolist()]
    places = np.array([(numbers[batch], row) for batch, row in found], dtype=np.int64)
    return chunks, sorted(dimensions), places
