"""What a worker says about an upload that it has looked into."""

from dataclasses import dataclass
from typing import Any

from django.db import transaction

from registry.audit.services.record import record
from registry.catalog.models import ModelVersion
from registry.core import leases
from registry.core.dispatch import TaskName, send_on_commit

WORKER = "worker"
"""The actor of what no person asked for."""


@dataclass(frozen=True)
class InspectionJob:
    """What a worker needs to inspect a version."""

    claim: leases.Claim
    artifact_digest: str
    manifest: dict[str, Any]


def claim(*, version_id: int) -> InspectionJob | None:
    """Take the inspection of a version, or return None when another worker has it."""
    taken = leases.claim(ModelVersion, version_id)
    if taken is None:
        return None
    version = ModelVersion.objects.get(pk=version_id)
    return InspectionJob(taken, version.artifact_id, version.manifest)


@transaction.atomic
def accept(*, job: InspectionJob, found: dict[str, Any]) -> bool:
    """Record that the version can be run; False when the claim was lost."""
    kept = leases.finish(ModelVersion, job.claim, state=ModelVersion.State.READY, inspection=found)
    if kept:
        _note(job, "version.inspect", outcome="ready")
    return kept


@transaction.atomic
def refuse(*, job: InspectionJob, code: str, detail: str) -> bool:
    """Record that the version cannot be run, with the reason; False when the claim was lost."""
    kept = leases.fail(ModelVersion, job.claim, code, detail, state=ModelVersion.State.REFUSED)
    if kept:
        _note(job, "version.inspect", outcome="refused", code=code, detail=detail[:500])
    return kept


def _note(job: InspectionJob, action: str, **body: Any) -> None:
    version = ModelVersion.objects.select_related("model").get(pk=job.claim.pk)
    record(actor=WORKER, action=action, subject=f"version:{version}", **body)
    send_on_commit(TaskName.ADVANCE_UPGRADES)
