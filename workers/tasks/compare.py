"""Measure one version against another from their stored outputs."""

from pathlib import Path
from typing import Any

from celery import shared_task
from django.conf import settings

from registry.core import leases
from registry.core.data import artifact_store
from registry.core.dispatch import TaskName
from registry.evaluation.models import Comparison
from registry.evaluation.services import comparisons
from workers.errors import PermanentError, TransientError
from workers.tasks.cost import measure_cost
from workers.tasks.work import stored, workplace


@shared_task(name=TaskName.COMPARE.value, acks_late=True, ignore_result=True)
def compare(comparison_id: int) -> None:
    """Record measurements, the null test and the flips; models run only if their cost is asked."""
    job = comparisons.claim(comparison_id=comparison_id)
    if job is None:
        return
    try:
        with workplace(Comparison, job.claim) as place:
            result = place.run(
                "workers.pipelines.compare",
                task=job.task,
                distance=job.distance,
                set=stored(job.set_digest),
                old=stored(job.old_file),
                new=stored(job.new_file),
                producer=stored(job.producer_file) if job.producer_file else None,
                ancestors=[stored(file) for file in job.ancestor_files],
                rewritten={cell: stored(file) for cell, file in job.rewritten_files.items()},
                asks=job.asks,
                old_manifest=job.old_manifest,
                new_manifest=job.new_manifest,
                device=settings.COMPUTE_DEVICE,
            )
            if job.asks.get("cost"):
                result["measurements"] += measure_cost(place, job)
            _store_thumbnails(result["flips"], place.folder / "thumbnails")
            samples = artifact_store().write_file(place.folder / "samples.npz")
    except PermanentError as exc:
        comparisons.fail(job=job, code=exc.code, detail=exc.detail)
    except TransientError:
        leases.release(Comparison, job.claim)
    else:
        comparisons.record(job=job, result=result, samples_digest=samples.digest)


def _store_thumbnails(flips: list[dict[str, Any]], folder: Path) -> None:
    """Put each rendered image into the store; the flip then names its digest, or false."""
    for flip in flips:
        picture = folder / f"{flip['row']}.png"
        rendered = flip["thumbnail"] and picture.is_file()
        flip["thumbnail"] = artifact_store().write_file(picture).digest if rendered else False
