"""What a version costs beside another, where a policy asks and both can be run."""

from typing import Any

from django.conf import settings

from compat.measurement import Direction, undefined
from compat.metrics.cost import NAMES
from registry.core.errors import RegistryError
from registry.evaluation.services.comparisons import ComparisonJob
from workers.errors import PermanentError
from workers.tasks.work import Workplace, stored

RECORDED = "recorded_outputs"


def measure_cost(place: Workplace, job: ComparisonJob) -> list[dict[str, Any]]:
    """Return the measurements of cost; undefined with the reason where a version cannot be run.

    A comparison rests on stored outputs: it never fails for want of an artifact.
    """
    if job.old_artifact is None or job.new_artifact is None:
        return unmeasured(RECORDED)
    try:
        found = place.run(
            "workers.pipelines.measure_cost",
            old_artifact=stored(job.old_artifact),
            new_artifact=stored(job.new_artifact),
            old_manifest=job.old_manifest,
            new_manifest=job.new_manifest,
            set=stored(job.set_digest),
            device=settings.COMPUTE_DEVICE,
        )
    except (PermanentError, RegistryError) as exc:
        return unmeasured(exc.code)
    return found["measurements"]


def unmeasured(reason: str) -> list[dict[str, Any]]:
    """Return the measurements of cost without a value."""
    return [undefined(name, Direction.LOWER_IS_BETTER, reason).as_json() for name in NAMES]
