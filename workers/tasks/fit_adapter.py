"""Fit an adapter for a candidate, and have the registry propose what came out."""

from celery import shared_task
from django.conf import settings

from registry.core import leases
from registry.core.data import artifact_store
from registry.core.dispatch import TaskName
from registry.core.errors import ConflictError
from registry.upgrades.models import AdapterFit
from registry.upgrades.services import adapters
from workers.errors import PermanentError, TransientError
from workers.tasks.work import stored, workplace


@shared_task(name=TaskName.FIT_ADAPTER.value, acks_late=True, ignore_result=True)
def fit_adapter(fit_id: int) -> None:
    """Fit on paired outputs, choose, append to a graph, register and propose."""
    job = adapters.claim(fit_id=fit_id)
    if job is None:
        return
    try:
        with workplace(AdapterFit, job.claim) as place:
            result = place.run(
                "workers.pipelines.fit_adapter",
                side=job.side,
                artifact=stored(job.artifact_digest),
                new_manifest=job.new_manifest,
                old_manifest=job.old_manifest,
                set=stored(job.set_digest),
                new=stored(job.new_file),
                old=stored(job.old_file),
                judged={name: stored(digest) for name, digest in job.judged.items()},
                distance=job.old_manifest["output"]["distance"],
                device=settings.COMPUTE_DEVICE,
            )
            graph = artifact_store().write_file(place.folder / "adapted.onnx")
            alone = place.folder / "vectors.onnx"
            transform = artifact_store().write_file(alone) if alone.is_file() else None
        adapters.record(job=job, graph=graph, result=result, transform=transform)
    except PermanentError as exc:
        adapters.fail(job=job, code=exc.code, detail=exc.detail)
    except ConflictError as exc:
        adapters.fail(job=job, code=exc.code, detail=str(exc))
    except TransientError:
        leases.release(AdapterFit, job.claim)
