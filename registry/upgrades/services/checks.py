"""Check outputs against the incumbent by the very same measures and policy; register nothing."""

from dataclasses import asdict, dataclass
from typing import Any

from django.contrib.auth.models import AbstractUser
from django.db import transaction
from django.utils import timezone

from compat.measurement import Measurement
from compat.policy_documents import parse_policy
from compat.verdict import Evidence, assess
from registry.audit.services.record import record as ledger
from registry.catalog.manifest import ManifestError, validate
from registry.catalog.models import Alias, Artifact
from registry.core import leases
from registry.core.dispatch import TaskName, send_on_commit
from registry.core.errors import ConflictError, InvalidInputError
from registry.core.leases import WorkState
from registry.evaluation.models import SetRevision
from registry.evaluation.services.outputs import request_outputs
from registry.upgrades.models import AliasGate, Check


@dataclass(frozen=True)
class CheckJob:
    """What a worker needs: digests of stored bytes, and how to read and measure them."""

    claim: leases.Claim
    task: str
    manifest: dict[str, Any]
    upload_digest: str
    set_digest: str
    old_file: str | None


@transaction.atomic
def request_check(
    *,
    alias: Alias,
    revision: SetRevision,
    upload: Artifact,
    actor: AbstractUser,
    manifest: dict[str, Any] | None = None,
) -> Check:
    """Queue the check of uploaded outputs on one pinned evaluation set.

    Without a manifest the outputs are read as the incumbent's are.

    Raises:
        InvalidInputError: the set does not judge the alias, or the manifest is not one of recorded
            outputs of the model's task.
        ConflictError: the alias names no version, and no manifest says how to read the outputs.
    """
    gate = AliasGate.objects.select_related("policy_revision").get(alias=alias)
    if not gate.pins.filter(set_revision=revision).exists():
        raise InvalidInputError(f"{revision} does not judge {alias}", code="set_not_pinned")
    incumbent = alias.version
    if manifest is None:
        if incumbent is None:
            raise ConflictError(
                f"{alias} names no version yet: send a manifest", code="alias_empty"
            )
        manifest = {"output": incumbent.manifest["output"]}
    if not isinstance(manifest, dict):
        raise InvalidInputError("manifest: must be an object", code="invalid_manifest")
    manifest = {"schema": 1, "format": "recorded", "task": alias.model.task, **manifest}
    try:
        manifest = validate(manifest)
    except ManifestError as exc:
        raise InvalidInputError(f"manifest: {exc}", code="invalid_manifest") from exc
    if manifest["format"] != "recorded" or manifest["task"] != alias.model.task:
        raise InvalidInputError(
            "the manifest must be of recorded outputs of the model's task", code="task_mismatch"
        )
    if incumbent is not None:
        request_outputs(version=incumbent, revision=revision)
    check = Check.objects.create(
        alias=alias,
        set_revision=revision,
        upload=upload,
        manifest=manifest,
        incumbent=incumbent,
        policy_revision=gate.policy_revision,
        created_by=actor,
        created_at=timezone.now(),
    )
    send_on_commit(TaskName.CHECK, check.pk)
    return check


def claim(*, check_id: int) -> CheckJob | None:
    """Take a check; None when another worker has it, or the incumbent's outputs are to come."""
    check = Check.objects.select_related("incumbent", "set_revision", "alias__model").get(
        pk=check_id
    )
    old = (
        request_outputs(version=check.incumbent, revision=check.set_revision)
        if check.incumbent
        else None
    )
    if old is not None and old.work_state not in {WorkState.DONE, WorkState.FAILED}:
        return None
    taken = leases.claim(Check, check_id)
    if taken is None:
        return None
    if check.incumbent is not None and (old is None or old.work_state == WorkState.FAILED):
        leases.fail(Check, taken, "outputs_missing", f"{check.incumbent} has no outputs")
        return None
    return CheckJob(
        taken,
        check.alias.model.task,
        check.manifest,
        check.upload_id,
        check.set_revision.canonical_digest,
        old.file_digest if old else None,
    )


@transaction.atomic
def record(*, job: CheckJob, result: dict[str, Any]) -> bool:
    """Judge what was measured and keep it; False when the claim was lost."""
    check = Check.objects.select_related("policy_revision", "set_revision__evaluation_set").get(
        pk=job.claim.pk
    )
    null = result["null_test"]
    evidence = Evidence(
        str(check.set_revision),
        [Measurement.from_json(plain) for plain in result["measurements"]],
        "" if null.get("passed") is True else f"null_test_failed: {null.get('reason')}",
    )
    judgement = assess(
        parse_policy(check.policy_revision.document),
        [evidence],
        first_version=check.incumbent_id is None,
    )
    kept = leases.finish(
        Check,
        job.claim,
        outcome=judgement.outcome,
        results=[asdict(one) for one in judgement.results],
        measurements=result["measurements"],
        flips=[flip | {"thumbnail": False} for flip in result["flips"]],
    )
    if kept:
        ledger(
            actor=check.created_by.get_username(),
            action="check.judge",
            subject=f"check:{check.pk}",
            outcome=judgement.outcome,
            incumbent=str(check.incumbent) if check.incumbent else None,
        )
    return kept


def fail(*, job: CheckJob, code: str, detail: str) -> bool:
    """Record that the outputs could not be checked, with the reason."""
    return leases.fail(Check, job.claim, code, detail)


def sweep() -> int:
    """Resend the checks that nobody holds; return how many."""
    leases.give_up_lost(Check)
    waiting = leases.waiting(Check.objects.all())
    for pk in waiting:
        send_on_commit(TaskName.CHECK, pk)
    return len(waiting)
