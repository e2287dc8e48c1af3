"""Check outputs against the incumbent by the very same measures and policy; register nothing."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from django.contrib.auth.models import AbstractUser
from django.db import transaction
from django.utils import timezone

from compat.measurement import Measurement
from compat.policy import Policy
from compat.policy_documents import parse_policy
from compat.verdict import Evidence, assess
from registry.audit.services.record import record as ledger
from registry.catalog.manifest import ManifestError, validate
from registry.catalog.models import Alias, Artifact, ModelVersion
from registry.core import leases
from registry.core.dispatch import TaskName, send_on_commit
from registry.core.errors import ConflictError, InvalidInputError
from registry.core.leases import WorkState
from registry.evaluation.models import SetRevision
from registry.evaluation.selectors import planted_from
from registry.evaluation.services.comparisons import is_settled
from registry.evaluation.services.outputs import request_outputs
from registry.galleries.selectors import producers_held
from registry.upgrades.effective_policies import effective_policy
from registry.upgrades.models import AliasGate, Check
from registry.upgrades.services.situation import promoted, standing_versions


@dataclass(frozen=True)
class CheckJob:
    """What a worker needs: digests of stored bytes, and how to read and measure them.

    Attributes:
        old_file: outputs of the incumbent; None where there is none.
        old_manifest: of the incumbent; the uploaded one's where there is none.
        chain_files: outputs of the versions promoted before.
        standing: by name, earlier versions whose promises still stand: the digest of their
            outputs, and their manifest.
        asks: what the policy wants measured beside what always is.
    """

    claim: leases.Claim
    task: str
    manifest: dict[str, Any]
    upload_digest: str
    set_digest: str
    old_file: str | None
    old_manifest: dict[str, Any]
    chain_files: tuple[str, ...]
    standing: dict[str, tuple[str, dict[str, Any]]]
    asks: dict[str, Any]


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
    gate, effective = AliasGate.objects.get(alias=alias), effective_policy(alias)
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
    chain, standing = _earlier(alias, effective.rules)
    for version in _needed(incumbent, chain, standing):
        request_outputs(version=version, revision=revision)
    check = Check.objects.create(
        alias=alias,
        set_revision=revision,
        upload=upload,
        manifest=manifest,
        incumbent=incumbent,
        policy_revision=effective.revision,
        policy=effective.as_json(),
        chain=[version.pk for version in chain],
        standing=[version.pk for version in standing],
        created_by=actor,
        created_at=timezone.now(),
    )
    send_on_commit(TaskName.CHECK, check.pk)
    return check


def claim(*, check_id: int) -> CheckJob | None:
    """Take a check; None when another worker has it, or outputs that it needs are to come."""
    check = Check.objects.select_related("incumbent", "set_revision", "alias__model").get(
        pk=check_id
    )
    versions = ModelVersion.objects.select_related("model").in_bulk([*check.chain, *check.standing])
    chain = [versions[pk] for pk in check.chain]
    standing = [versions[pk] for pk in check.standing]
    needed = _needed(check.incumbent, chain, standing)
    outputs = {v.pk: request_outputs(version=v, revision=check.set_revision) for v in needed}
    if not all(row is None or is_settled(row) for row in outputs.values()):
        return None
    taken = leases.claim(Check, check_id)
    if taken is None:
        return None
    files = {}
    for version in needed:
        row = outputs[version.pk]
        if row is None or row.work_state == WorkState.FAILED:
            leases.fail(Check, taken, "outputs_missing", f"{version} has no outputs")
            return None
        files[version.pk] = row.file_digest
    old = check.incumbent
    return CheckJob(
        claim=taken,
        task=check.alias.model.task,
        manifest=check.manifest,
        upload_digest=check.upload_id,
        set_digest=check.set_revision.canonical_digest,
        old_file=files[old.pk] if old else None,
        old_manifest=old.manifest if old else check.manifest,
        chain_files=tuple(files[version.pk] for version in chain),
        standing={str(v): (files[v.pk], v.manifest) for v in standing},
        asks=parse_policy(check.policy["document"]).asks,
    )


@transaction.atomic
def record(*, job: CheckJob, result: dict[str, Any], standing: dict[str, dict[str, Any]]) -> bool:
    """Judge what was measured and keep it; False when the claim was lost.

    Args:
        job: what was claimed.
        result: of the comparison with the incumbent.
        standing: of the comparisons with earlier versions, by version.
    """
    check = Check.objects.select_related("set_revision__evaluation_set").get(pk=job.claim.pk)
    evaluation_set = str(check.set_revision)
    evidence = [_evidence(evaluation_set, result)]
    evidence += [_evidence(evaluation_set, one, version) for version, one in standing.items()]
    judgement = assess(
        parse_policy(check.policy["document"]), evidence, first_version=check.incumbent_id is None
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


def _evidence(evaluation_set: str, result: dict[str, Any], against: str = "") -> Evidence:
    null = result["null_test"]
    return Evidence(
        evaluation_set,
        [Measurement.from_json(plain) for plain in result["measurements"]],
        "" if null.get("passed") is True else f"null_test_failed: {null.get('reason')}",
        against=against,
        planted=planted_from(result["planted"]),
    )


def _earlier(
    alias: Alias, policy: Policy
) -> tuple[tuple[ModelVersion, ...], tuple[ModelVersion, ...]]:
    """Return the chain of promotions, and the earlier versions whose promises still stand."""
    chain = promoted(alias, policy) if policy.asks_for_chain and alias.version else ()
    return chain, standing_versions(alias, policy, tuple(producers_held(alias).values()))


def _needed(
    incumbent: ModelVersion | None,
    chain: Sequence[ModelVersion],
    standing: Sequence[ModelVersion],
) -> list[ModelVersion]:
    wanted = [incumbent, *chain, *standing]
    return list({v.pk: v for v in wanted if v is not None}.values())


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
