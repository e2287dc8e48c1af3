"""Make the outputs of one version on one evaluation set."""

from typing import Any

from celery import shared_task
from django.conf import settings

from registry.core import leases
from registry.core.data import artifact_store
from registry.core.dispatch import TaskName
from registry.evaluation.models import Outputs
from registry.evaluation.services import outputs
from workers.errors import PermanentError, TransientError
from workers.tasks.work import Workplace, stored, workplace


@shared_task(name=TaskName.COMPUTE_OUTPUTS.value, acks_late=True, ignore_result=True)
def compute_outputs(outputs_id: int) -> None:
    """Run the version, or take its recording, and store what came out."""
    job = outputs.claim(outputs_id=outputs_id)
    if job is None:
        return
    try:
        with workplace(Outputs, job.claim) as place:
            result = _run(place, job)
            kept = artifact_store().write_file(place.folder / "outputs.npz")
    except PermanentError as exc:
        outputs.fail(job=job, code=exc.code, detail=exc.detail)
    except TransientError:
        leases.release(Outputs, job.claim)
    else:
        outputs.record(job=job, file_digest=kept.digest, result=result)


def _run(place: Workplace, job: outputs.OutputsJob) -> dict[str, Any]:
    evaluation_set = stored(job.set_digest)
    if job.recording_digest is not None:
        return place.run(
            "workers.artifacts.inspect_recording",
            artifact=stored(job.recording_digest),
            manifest=job.manifest,
            set=evaluation_set,
        )
    return place.run(
        "workers.pipelines.compute_outputs",
        artifact=stored(job.artifact_digest or ""),
        manifest=job.manifest,
        set=evaluation_set,
        device=settings.COMPUTE_DEVICE,
    )
