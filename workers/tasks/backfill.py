"""One step of a backfill: draw up the order, or re-embed the next group of items."""

import logging
import time

import numpy as np
from celery import shared_task
from django.conf import settings

from registry.catalog.models import ModelVersion
from registry.core.data import artifact_store
from registry.core.dispatch import TaskName
from registry.core.errors import ConflictError, RegistryError
from registry.galleries.models import Backfill
from registry.galleries.selectors import StoredInput, stored_inputs, vectors_made_by
from registry.galleries.services import backfill_steps as steps
from registry.galleries.services.insert import segment_store
from workers.errors import PermanentError, TransientError
from workers.indexing.chunks import read_chunk
from workers.pipelines.embed_batch import VECTORS_FILE
from workers.tasks.backfill_order import POSITION, by_upload, draw_up, sources_of
from workers.tasks.work import Workplace, stored, workplace

log = logging.getLogger(__name__)

ITEM_CODES = frozenset({"outputs_not_finite", "zero_embedding"})
"""What an encoder refuses for the sake of single inputs; anything else would refuse all of them."""


@shared_task(name=TaskName.BACKFILL.value, acks_late=True, ignore_result=True)
def backfill(backfill_id: int) -> None:
    """Do one step and ask for the next; a cutover, a stop or a lost lease leaves no trace of it."""
    job = steps.claim(backfill_id=backfill_id)
    if job is None:
        return
    try:
        if job.order_digest:
            _move(job)
        else:
            with workplace(Backfill, job.claim) as place:
                drawn = draw_up(place, job)
            steps.record_order(job=job, **drawn)
    except PermanentError as exc:
        _give_up(job, exc)
    except (TransientError, ConflictError):
        steps.release(job=job)


def _move(job: steps.BackfillJob) -> None:
    started = time.monotonic()
    items = sorted(stored_inputs(job.encoder_id, _ids(job)), key=by_upload)
    item_ids = [item.item_id for item in items]
    chunk = former = ""
    if items:
        try:
            with workplace(Backfill, job.claim) as place:
                chunk = _embedded(place, job, items)
                former = _kept(job, item_ids)
        except PermanentError as exc:
            if exc.code not in ITEM_CODES:
                raise
            steps.record_failed_inputs(job=job, external_id=items[0].external_id, code=exc.code)
            return
    steps.record_moved(
        job=job,
        chunk_digest=chunk,
        item_ids=item_ids,
        former_digest=former,
        busy_s=time.monotonic() - started,
    )


def _ids(job: steps.BackfillJob) -> list[int]:
    """Return the items of this step from the order that was drawn up."""
    with artifact_store().open(job.order_digest) as order:
        order.seek(job.first * POSITION.itemsize)
        found = np.frombuffer(order.read(job.rows * POSITION.itemsize), dtype=POSITION)
    return found.tolist()


def _embedded(place: Workplace, job: steps.BackfillJob, items: list[StoredInput]) -> str:
    """Publish the vectors of the items as a chunk of the live segment; return its digest."""
    if not job.artifact_digest:
        raise PermanentError("encoder_without_weights", "recorded outputs embed nothing new")
    made = place.run(
        "workers.pipelines.embed_rows",
        artifact=stored(job.artifact_digest),
        manifest=job.manifest,
        device=settings.COMPUTE_DEVICE,
        sources=sources_of(items),
    )
    if made["rows"] != len(items):
        raise PermanentError("row_count", f"{made['rows']} vectors of {len(items)} items")
    return (
        segment_store(job.gallery_id, job.segment_id).write_file(place.folder / VECTORS_FILE).digest
    )


def _kept(job: steps.BackfillJob, item_ids: list[int]) -> str:
    """Publish what the former encoder had made of the items, so that it stays found by it.

    Returns:
        The digest of the chunk; nothing without a probation, where it did not make all of them, or
        where its vectors cannot be read.
    """
    places = vectors_made_by(job.former_id, item_ids) if job.former_id is not None else []
    if not places:
        return ""
    former = ModelVersion.objects.get(pk=job.former_id)
    vectors = np.empty((len(places), former.manifest["output"]["dimension"]), dtype="<f4")
    of_chunk: dict[tuple[int, str], list[int]] = {}
    for at, (segment_id, digest, _) in enumerate(places):
        of_chunk.setdefault((segment_id, digest), []).append(at)
    try:
        for (segment_id, digest), chosen in of_chunk.items():
            path = segment_store(job.gallery_id, segment_id).path(digest)
            vectors[chosen] = read_chunk(path, vectors.shape[1])[[places[at][2] for at in chosen]]
    except (PermanentError, RegistryError) as exc:
        log.warning("backfill %s has its items embedded twice: %s", job.claim.pk, exc)
        return ""
    files = segment_store(job.gallery_id, job.segment_id)
    return files.write([vectors.tobytes()], max_bytes=vectors.nbytes).digest


def _give_up(job: steps.BackfillJob, why: PermanentError) -> None:
    try:
        steps.fail(job=job, code=why.code, detail=why.detail)
    except ConflictError:
        steps.release(job=job)
