"""What a worker says about an uploaded evaluation set."""

from dataclasses import dataclass
from typing import Any

from django.db import transaction

from registry.audit.services.record import record
from registry.catalog.services.inspection import WORKER
from registry.core import leases
from registry.core.dispatch import TaskName, send_on_commit
from registry.evaluation.models import SetRevision


@dataclass(frozen=True)
class SetInspectionJob:
    """What a worker needs to inspect a revision."""

    claim: leases.Claim
    artifact_digest: str
    task: str


def claim(*, revision_id: int) -> SetInspectionJob | None:
    """Take the inspection of a revision, or return None when another worker has it."""
    taken = leases.claim(SetRevision, revision_id)
    if taken is None:
        return None
    revision = SetRevision.objects.select_related("evaluation_set").get(pk=revision_id)
    return SetInspectionJob(taken, revision.artifact_id, revision.evaluation_set.task)


@transaction.atomic
def accept(*, job: SetInspectionJob, canonical_digest: str, summary: dict[str, Any]) -> bool:
    """Record that the set can judge; False when the claim was lost."""
    kept = leases.finish(
        SetRevision,
        job.claim,
        state=SetRevision.State.READY,
        canonical_digest=canonical_digest,
        summary=summary,
    )
    if kept:
        _note(job, outcome="ready", rows=summary["rows"])
    return kept


@transaction.atomic
def refuse(*, job: SetInspectionJob, code: str, detail: str) -> bool:
    """Record that the upload is no evaluation set, with the reason."""
    kept = leases.fail(SetRevision, job.claim, code, detail, state=SetRevision.State.REFUSED)
    if kept:
        _note(job, outcome="refused", code=code, detail=detail[:500])
    return kept


def _note(job: SetInspectionJob, **body: Any) -> None:
    revision = SetRevision.objects.select_related("evaluation_set").get(pk=job.claim.pk)
    record(
        actor=WORKER,
        action="evaluation_set.inspect",
        subject=f"evaluation-set:{revision}",
        **body,
    )
    send_on_commit(TaskName.ADVANCE_UPGRADES)
