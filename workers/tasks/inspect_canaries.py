"""Look into canaries that the owner of an attached gallery handed in."""

from celery import shared_task

from registry.core.dispatch import TaskName
from registry.galleries.canaries import MOST_CANARIES
from registry.galleries.models import CanarySet
from registry.galleries.services import hand_in_canaries as handing_in
from workers.errors import PermanentError, TransientError
from workers.tasks.work import stored, workplace


@shared_task(name=TaskName.INSPECT_CANARIES.value, acks_late=True, ignore_result=True)
def inspect_canaries(set_id: int) -> None:
    """Accept or refuse them; the web process never opens an upload."""
    job = handing_in.claim(set_id=set_id)
    if job is None:
        return
    try:
        with workplace(CanarySet, job.claim) as place:
            found = place.run(
                "workers.pipelines.inspect_canaries",
                table=stored(job.upload_digest),
                manifest=job.manifest,
                most=MOST_CANARIES,
            )
    except PermanentError as exc:
        handing_in.refuse(job=job, code=exc.code, detail=exc.detail)
    except TransientError:
        handing_in.release(job=job)
    else:
        handing_in.accept(job=job, rows=found["rows"])
