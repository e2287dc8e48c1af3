"""Embed a batch once more, by a version that a rollback may bring back."""

from itertools import groupby
from operator import itemgetter

from celery import shared_task
from django.conf import settings

from registry.core import leases
from registry.core.dispatch import TaskName
from registry.galleries.models import Twin
from registry.galleries.services import twins
from registry.galleries.services.insert import segment_store
from workers.errors import PermanentError, TransientError
from workers.pipelines.embed_batch import VECTORS_FILE
from workers.tasks.work import Workplace, stored, workplace


@shared_task(name=TaskName.EMBED_TWIN.value, acks_late=True, ignore_result=True)
def embed_twin(twin_id: int) -> None:
    """Make the chunk of one twin, whatever the gallery's epoch is by now."""
    job = twins.claim(twin_id=twin_id)
    if job is None:
        return
    try:
        with workplace(Twin, job.claim) as place:
            chunk = _embedded(place, job)
        twins.record_twin(job=job, chunk_digest=chunk)
    except PermanentError as exc:
        twins.fail(job=job, code=exc.code, detail=exc.detail)
    except TransientError:
        leases.release(Twin, job.claim)


def _embedded(place: Workplace, job: twins.TwinJob) -> str:
    made = place.run(
        "workers.pipelines.embed_rows",
        artifact=stored(job.artifact_digest),
        manifest=job.manifest,
        device=settings.COMPUTE_DEVICE,
        sources=[
            {"upload": stored(upload), "rows": [row for _, row in places]}
            for upload, places in groupby(job.sources, key=itemgetter(0))
        ],
    )
    if made["rows"] != len(job.sources):
        raise PermanentError("row_count", f"{made['rows']} vectors of {len(job.sources)} items")
    files = segment_store(job.gallery_id, job.segment_id)
    return files.write_file(place.folder / VECTORS_FILE).digest
