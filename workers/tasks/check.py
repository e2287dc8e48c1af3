"""Measure uploaded outputs against the incumbent's; nothing is registered."""

from typing import Any

from celery import shared_task
from django.conf import settings

from registry.core import leases
from registry.core.dispatch import TaskName
from registry.upgrades.models import Check
from registry.upgrades.services import checks
from workers.errors import PermanentError, TransientError
from workers.tasks.cost import RECORDED, unmeasured
from workers.tasks.work import Workplace, stored, workplace


@shared_task(name=TaskName.CHECK.value, acks_late=True, ignore_result=True)
def check(check_id: int) -> None:
    """Take the outputs in, compare them, and have the registry judge."""
    job = checks.claim(check_id=check_id)
    if job is None:
        return
    try:
        with workplace(Check, job.claim) as place:
            result, standing = _measure(place, job)
    except PermanentError as exc:
        checks.fail(job=job, code=exc.code, detail=exc.detail)
    except TransientError:
        leases.release(Check, job.claim)
    else:
        checks.record(job=job, result=result, standing=standing)


def _measure(
    place: Workplace, job: checks.CheckJob
) -> tuple[dict[str, Any], dict[str, dict[str, Any]]]:
    """Return the comparison with the incumbent, and those with what still stands, by version."""
    judged = stored(job.set_digest)
    place.run(
        "workers.artifacts.inspect_recording",
        artifact=stored(job.upload_digest),
        manifest=job.manifest,
        set=judged,
    )
    new = str(place.folder / "outputs.npz")

    def compare(old: str, manifest: dict[str, Any], **more: Any) -> dict[str, Any]:
        return place.run(
            "workers.pipelines.compare",
            task=job.task,
            distance=job.manifest["output"].get("distance", ""),
            set=judged,
            old=old,
            new=new,
            producer=None,
            asks=job.asks,
            old_manifest=manifest,
            new_manifest=job.manifest,
            device=settings.COMPUTE_DEVICE,
            **more,
        )

    standing = {
        version: compare(stored(file), manifest)
        for version, (file, manifest) in job.standing.items()
    }
    chain = [stored(file) for file in job.chain_files]
    old = stored(job.old_file) if job.old_file else new
    result = compare(old, job.old_manifest, ancestors=chain)
    if job.asks.get("cost"):
        result["measurements"] += unmeasured(RECORDED)
    return result, standing
