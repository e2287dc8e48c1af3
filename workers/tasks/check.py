"""Measure uploaded outputs against the incumbent's; nothing is registered."""

from typing import Any

from celery import shared_task
from django.conf import settings

from registry.core import leases
from registry.core.dispatch import TaskName
from registry.upgrades.models import Check
from registry.upgrades.services import checks
from workers.errors import PermanentError, TransientError
from workers.tasks.work import Workplace, stored, workplace


@shared_task(name=TaskName.CHECK.value, acks_late=True, ignore_result=True)
def check(check_id: int) -> None:
    """Take the outputs in, compare them, and have the registry judge."""
    job = checks.claim(check_id=check_id)
    if job is None:
        return
    try:
        with workplace(Check, job.claim) as place:
            result = _measure(place, job)
    except PermanentError as exc:
        checks.fail(job=job, code=exc.code, detail=exc.detail)
    except TransientError:
        leases.release(Check, job.claim)
    else:
        checks.record(job=job, result=result)


def _measure(place: Workplace, job: checks.CheckJob) -> dict[str, Any]:
    judged = stored(job.set_digest)
    place.run(
        "workers.artifacts.inspect_recording",
        artifact=stored(job.upload_digest),
        manifest=job.manifest,
        set=judged,
    )
    new = str(place.folder / "outputs.npz")
    return place.run(
        "workers.pipelines.compare",
        task=job.task,
        distance=job.manifest["output"].get("distance", ""),
        set=judged,
        old=stored(job.old_file) if job.old_file else new,
        new=new,
        producer=None,
        device=settings.COMPUTE_DEVICE,
    )
