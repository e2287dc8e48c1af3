"""Build the index of a segment that a cutover has sealed, or that has grown."""

from typing import Any

from celery import shared_task

from registry.core import leases
from registry.core.dispatch import TaskName
from registry.core.store import Store
from registry.galleries.models import Segment
from registry.galleries.services import seal
from registry.galleries.services.insert import segment_store
from workers.errors import PermanentError, TransientError
from workers.tasks.work import Workplace, workplace


@shared_task(name=TaskName.SEAL_SEGMENT.value, acks_late=True, ignore_result=True)
def seal_segment(segment_id: int) -> None:
    """Publish one index file over the segment's chunks; what was served before stays valid."""
    job = seal.claim(segment_id=segment_id)
    if job is None:
        return
    files = segment_store(job.gallery_id, segment_id)
    try:
        with workplace(Segment, job.claim) as place:
            index = _published(job, files, place)
    except PermanentError as exc:
        seal.fail(job=job, code=exc.code, detail=exc.detail)
    except TransientError:
        leases.release(Segment, job.claim)
    else:
        if seal.record_sealed(job=job, index=index) and job.replaced not in {"", index.digest}:
            files.discard(job.replaced)  # who has it mapped keeps it


def _published(job: seal.SealJob, files: Store, place: Workplace) -> seal.PublishedIndex:
    built: dict[str, Any] = place.run(
        "workers.pipelines.seal_segment",
        chunks=[str(files.verified_path(digest)) for digest in job.chunk_digests],
        dimension=job.dimension,
        distance=job.distance,
    )
    if built["rows"] != job.rows:
        raise PermanentError(
            "row_count", f"{built['rows']} rows on disk, {job.rows} in the database"
        )
    stored = files.write_file(place.folder / "index.faiss")
    if stored.digest != built["sha256"]:
        raise PermanentError("index_corrupt", "the index changed on its way to the disk")
    return seal.PublishedIndex(stored.digest, built["kind"], built["recall_at_10"], built["note"])
