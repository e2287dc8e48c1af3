"""Look into an uploaded model, in a child process."""

from celery import shared_task

from registry.catalog.models import ModelVersion
from registry.catalog.services import inspection
from registry.core import leases
from registry.core.dispatch import TaskName
from workers.errors import PermanentError, TransientError
from workers.tasks.work import stored, workplace


@shared_task(name=TaskName.INSPECT_VERSION.value, acks_late=True, ignore_result=True)
def inspect_version(version_id: int) -> None:
    """Decide whether a version can be run; its state becomes ready or refused."""
    job = inspection.claim(version_id=version_id)
    if job is None:
        return
    try:
        with workplace(ModelVersion, job.claim) as place:
            found = place.run(
                "workers.artifacts.inspect_model",
                artifact=stored(job.artifact_digest),
                manifest=job.manifest,
            )
    except PermanentError as exc:
        inspection.refuse(job=job, code=exc.code, detail=exc.detail)
    except TransientError:
        leases.release(ModelVersion, job.claim)
    else:
        inspection.accept(job=job, found=found)
