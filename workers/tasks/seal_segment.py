"""Build the index of a segment that a cutover has sealed, or that has grown."""

from typing import Any

from celery import shared_task

from registry.core import leases
from registry.core.dispatch import TaskName
from registry.core.store import Store
from registry.galleries.models import Gallery, Segment
from registry.galleries.services import seal
from registry.galleries.services.insert import segment_store
from workers.engines.opened import collection_of, engine_named
from workers.engines.protocol import EngineUnavailableError
from workers.engines.publication import Batch, digest_of, publish
from workers.errors import PermanentError, TransientError
from workers.tasks.work import Workplace, workplace


@shared_task(name=TaskName.SEAL_SEGMENT.value, acks_late=True, ignore_result=True)
def seal_segment(segment_id: int) -> None:
    """Publish the segment's chunks as one index; what was served before stays valid."""
    job = seal.claim(segment_id=segment_id)
    if job is None:
        return
    files = segment_store(job.gallery_id, segment_id)
    try:
        with workplace(Segment, job.claim) as place:
            publish_by = _in_a_file if job.engine == Gallery.Engine.FILES else _in_an_engine
            index = publish_by(job, files, place)
    except PermanentError as exc:
        seal.fail(job=job, code=exc.code, detail=exc.detail)
    except EngineUnavailableError as exc:
        seal.postpone(job=job, code="engine_unavailable", detail=str(exc))
    except TransientError:
        leases.release(Segment, job.claim)
    else:
        if seal.record_sealed(job=job, index=index) and job.replaced not in {"", index.digest}:
            files.discard(job.replaced)  # who has it mapped keeps it


def _in_a_file(job: seal.SealJob, files: Store, place: Workplace) -> seal.PublishedIndex:
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


def _in_an_engine(job: seal.SealJob, files: Store, place: Workplace) -> seal.PublishedIndex:
    """Put in what the engine lacks; the network is waited for here, so no child is needed."""
    collection = collection_of(
        job.gallery_id,
        job.claim.pk,
        dimension=job.dimension,
        distance=job.distance,
        space=job.space,
    )
    held = zip(job.batch_ids, job.batch_rows, job.chunk_digests, strict=True)
    batches = [Batch(pk, rows, files.path(digest), pk in job.held_ids) for pk, rows, digest in held]
    done = publish(engine_named(job.engine), collection, batches, place.report)
    digest = digest_of(job.engine, collection, job.claim.attempt, job.chunk_digests)
    note = f"{done.arranged}; {done.note}" if done.note else done.arranged
    return seal.PublishedIndex(digest, job.engine, done.recall_at_10, note)
