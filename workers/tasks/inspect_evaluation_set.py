"""Look into an uploaded evaluation set, in a child process."""

from celery import shared_task

from registry.core import leases
from registry.core.data import artifact_store
from registry.core.dispatch import TaskName
from registry.evaluation.models import SetRevision
from registry.evaluation.services import inspection
from workers.errors import PermanentError, TransientError
from workers.tasks.work import stored, workplace


@shared_task(name=TaskName.INSPECT_EVALUATION_SET.value, acks_late=True, ignore_result=True)
def inspect_evaluation_set(revision_id: int) -> None:
    """Decide whether a revision can judge, and store it in its canonical form."""
    job = inspection.claim(revision_id=revision_id)
    if job is None:
        return
    try:
        with workplace(SetRevision, job.claim) as place:
            summary = place.run(
                "workers.artifacts.inspect_set",
                artifact=stored(job.artifact_digest),
                task=job.task,
            )
            canonical = artifact_store().write_file(place.folder / "set.npz")
    except PermanentError as exc:
        inspection.refuse(job=job, code=exc.code, detail=exc.detail)
    except TransientError:
        leases.release(SetRevision, job.claim)
    else:
        inspection.accept(job=job, canonical_digest=canonical.digest, summary=summary)
