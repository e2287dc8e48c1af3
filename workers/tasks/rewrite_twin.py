"""Rewrite the vectors of a batch into another space: no input is read and no encoder is run."""

from celery import shared_task
from django.conf import settings

from registry.core import leases
from registry.core.dispatch import TaskName
from registry.galleries.models import Twin
from registry.galleries.services import rewrite, twins
from registry.galleries.services.insert import segment_store
from workers.errors import PermanentError, TransientError
from workers.pipelines.embed_batch import VECTORS_FILE
from workers.tasks.work import Workplace, stored, workplace


@shared_task(name=TaskName.REWRITE_TWIN.value, acks_late=True, ignore_result=True)
def rewrite_twin(twin_id: int) -> None:
    """Make the chunk of one twin from the chunk of its batch."""
    job = rewrite.claim(twin_id=twin_id)
    if job is None:
        return
    try:
        with workplace(Twin, job.claim) as place:
            chunk = _rewritten(place, job)
        twins.record_twin(job=job, chunk_digest=chunk)
    except PermanentError as exc:
        twins.fail(job=job, code=exc.code, detail=exc.detail)
    except TransientError:
        leases.release(Twin, job.claim)


def _rewritten(place: Workplace, job: rewrite.RewriteJob) -> str:
    files = segment_store(job.gallery_id, job.segment_id)
    made = place.run(
        "workers.pipelines.rewrite_vectors",
        transform=stored(job.transform_digest),
        chunk=str(files.path(job.chunk_digest)),
        dimension=job.dimension,
        output=job.output,
        device=settings.COMPUTE_DEVICE,
    )
    if made["rows"] != job.rows:
        raise PermanentError("row_count", f"{made['rows']} vectors of {job.rows} items")
    return files.write_file(place.folder / VECTORS_FILE).digest
