"""Outputs of one version on one evaluation set: asked for once, computed once."""

from dataclasses import dataclass
from typing import Any

from django.contrib.auth.models import AbstractUser
from django.db import transaction
from django.utils import timezone

from registry.audit.services.record import record as ledger
from registry.catalog.models import Artifact, ModelVersion
from registry.core import leases
from registry.core.dispatch import TaskName, send_on_commit
from registry.core.errors import ConflictError, DuplicateError, InvalidInputError
from registry.core.leases import WorkState
from registry.evaluation.models import Outputs, SetRevision


@dataclass(frozen=True)
class OutputsJob:
    """What a worker needs to make outputs: digests of stored bytes, and the manifest."""

    claim: leases.Claim
    artifact_digest: str | None
    recording_digest: str | None
    manifest: dict[str, Any]
    set_digest: str
    set_task: str


def request_outputs(*, version: ModelVersion, revision: SetRevision) -> Outputs | None:
    """Return the row for this pair, queueing it when it is new; None where nothing can make it.

    A version of recorded outputs has a row only once its outputs were uploaded.
    """
    existing = Outputs.objects.filter(
        version_digest=version.digest, set_digest=revision.digest
    ).first()
    if existing is not None or version.is_recorded:
        return existing
    with transaction.atomic():
        outputs, created = Outputs.objects.get_or_create(
            version_digest=version.digest,
            set_digest=revision.digest,
            defaults={
                "version": version,
                "set_revision": revision,
                "created_at": timezone.now(),
            },
        )
        if created:
            send_on_commit(TaskName.COMPUTE_OUTPUTS, outputs.pk)
    return outputs


@transaction.atomic
def upload_recording(
    *, version: ModelVersion, revision: SetRevision, artifact: Artifact, actor: AbstractUser
) -> Outputs:
    """Take uploaded outputs of a recorded version on one set and queue their inspection.

    Raises:
        InvalidInputError: the version has weights, or the set is for another task or not ready.
        DuplicateError: this pair has outputs that stand or are being looked into.
    """
    if not version.is_recorded:
        raise InvalidInputError(
            f"{version} has weights: its outputs are computed", code="not_recorded"
        )
    if revision.state != SetRevision.State.READY:
        raise InvalidInputError(f"{revision} is {revision.state}", code="set_not_ready")
    if revision.evaluation_set.task != version.model.task:
        raise InvalidInputError("the set is for another task", code="task_mismatch")
    held = Outputs.objects.select_for_update().filter(
        version_digest=version.digest, set_digest=revision.digest
    )
    outputs = held.first()
    if outputs and outputs.work_state != WorkState.FAILED:
        raise DuplicateError(f"{version} has outputs on {revision}", code="duplicate_outputs")
    if outputs is None:
        outputs = Outputs.objects.create(
            version=version,
            set_revision=revision,
            version_digest=version.digest,
            set_digest=revision.digest,
            recording=artifact,
            created_at=timezone.now(),
        )
    else:
        held.update(recording=artifact)
        leases.requeue(Outputs, outputs.pk)
        outputs.refresh_from_db()
    ledger(
        actor=actor.get_username(),
        action="outputs.upload",
        subject=f"version:{version}",
        evaluation_set=str(revision),
        artifact=artifact.digest,
    )
    send_on_commit(TaskName.COMPUTE_OUTPUTS, outputs.pk)
    return outputs


def claim(*, outputs_id: int) -> OutputsJob | None:
    """Take the work, or return None when another worker has it or it is done."""
    taken = leases.claim(Outputs, outputs_id)
    if taken is None:
        return None
    outputs = Outputs.objects.select_related("version", "set_revision__evaluation_set").get(
        pk=outputs_id
    )
    return OutputsJob(
        taken,
        outputs.version.artifact_id,
        outputs.recording_id,
        outputs.version.manifest,
        outputs.set_revision.canonical_digest,
        outputs.set_revision.evaluation_set.task,
    )


@transaction.atomic
def record(*, job: OutputsJob, file_digest: str, result: dict[str, Any]) -> bool:
    """Record stored outputs under the claim; False when the claim was lost."""
    kept = leases.finish(
        Outputs,
        job.claim,
        file_digest=file_digest,
        result=result,
        finished_at=timezone.now(),
    )
    if kept:
        send_on_commit(TaskName.ADVANCE_UPGRADES)
    return kept


@transaction.atomic
def fail(*, job: OutputsJob, code: str, detail: str) -> bool:
    """Record that this version has no outputs on this set, with the reason."""
    kept = leases.fail(Outputs, job.claim, code, detail, finished_at=timezone.now())
    if kept:
        send_on_commit(TaskName.ADVANCE_UPGRADES)
    return kept


@transaction.atomic
def retry(*, outputs: Outputs, actor: AbstractUser) -> None:
    """Let failed outputs be computed again.

    Raises:
        ConflictError: they have not failed.
    """
    if not leases.requeue(Outputs, outputs.pk):
        raise ConflictError(f"the outputs of {outputs} have not failed", code="not_failed")
    ledger(
        actor=actor.get_username(),
        action="outputs.retry",
        subject=f"version:{outputs.version}",
        evaluation_set=str(outputs.set_revision),
    )
    send_on_commit(TaskName.COMPUTE_OUTPUTS, outputs.pk)
