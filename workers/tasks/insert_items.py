"""Embed a batch of inputs with the live encoder of a gallery."""

import json
from pathlib import Path

from celery import shared_task
from django.conf import settings

from registry.core.dispatch import TaskName
from registry.core.errors import ConflictError, DuplicateError
from registry.galleries.models import InsertBatch
from registry.galleries.services import insert
from workers.errors import PermanentError, TransientError
from workers.tasks.work import stored, workplace


@shared_task(name=TaskName.INSERT_ITEMS.value, acks_late=True, ignore_result=True)
def insert_items(batch_id: int) -> None:
    """Turn a batch into items of the epoch that it was claimed in; a cutover sends it round."""
    job = insert.claim(batch_id=batch_id)
    if job is None:
        return
    try:
        with workplace(InsertBatch, job.claim) as place:
            if not job.artifact_digest:
                raise PermanentError("encoder_without_weights", "send vectors, not inputs")
            place.run(
                "workers.pipelines.embed_batch",
                artifact=stored(job.artifact_digest),
                manifest=job.manifest,
                batch=stored(job.upload_digest),
                device=settings.COMPUTE_DEVICE,
            )
            ids = json.loads((place.folder / "ids.json").read_text())
            chunk = _publish(job, place.folder / "vectors.f32")
        insert.record_inserted(job=job, chunk_digest=chunk, ids=ids)
    except (PermanentError, DuplicateError) as exc:
        insert.fail(job=job, code=exc.code, detail=str(exc))
    except (TransientError, ConflictError):
        insert.release(job=job)


def _publish(job: insert.InsertJob, vectors: Path) -> str:
    return insert.segment_store(job.gallery_id, job.segment_id).write_file(vectors).digest
