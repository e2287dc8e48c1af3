"""Repair a candidate that does not understand the old vectors: fit an adapter, propose the result.

On the query side the adapted version is an ordinary one whose graph ends in the incumbent's space;
on the gallery side it is the candidate, whose queries meet the incumbent's vectors rewritten.
Nothing about it is taken on trust: its own upgrade passes the same gate, or does not.
"""

from dataclasses import dataclass
from typing import Any

from django.contrib.auth.models import AbstractUser
from django.db import transaction
from django.utils import timezone

from compat.policy import Task
from registry.audit.services.record import record as ledger
from registry.catalog.models import Alias, ModelVersion
from registry.catalog.rewriting import as_uploaded, meets_rewritten
from registry.core import leases
from registry.core.dispatch import TaskName, send_on_commit
from registry.core.errors import (
    ConflictError,
    IllegalTransitionError,
    InvalidInputError,
    noting_refusal,
)
from registry.core.leases import WorkState
from registry.core.store import Stored
from registry.evaluation.models import Outputs, SetRevision
from registry.evaluation.services.comparisons import is_settled
from registry.evaluation.services.outputs import request_outputs
from registry.upgrades.models import AdapterFit, AliasGate, EvaluationPin
from registry.upgrades.services.adapted_versions import (
    kept_artifact,
    register_adapted,
    register_rewritten,
)
from registry.upgrades.services.locked import locked_upgrade
from registry.upgrades.services.propose import propose
from registry.upgrades.states import OPEN


@dataclass(frozen=True)
class AdapterJob:
    """What a worker needs: digests of stored bytes, and how to read them.

    Attributes:
        artifact_digest: the graph of whose vectors are mapped: the candidate's on the query side.
        new_file, old_file: outputs of candidate and incumbent on the fitting set.
        judged: by name, the canonical sets that judge the alias; no sample of theirs is fitted on.
    """

    claim: leases.Claim
    side: str
    artifact_digest: str
    new_manifest: dict[str, Any]
    old_manifest: dict[str, Any]
    set_digest: str
    new_file: str
    old_file: str
    judged: dict[str, str]


def request_adapter(
    *,
    upgrade_id: int,
    revision: SetRevision,
    actor: AbstractUser,
    side: str = AdapterFit.Side.QUERY,
) -> AdapterFit:
    """Queue the fit of an adapter for the candidate of an open upgrade; asked twice, fitted once.

    A fit that failed is tried again.

    Raises:
        UnknownObjectError: there is no such upgrade.
        IllegalTransitionError: it is not open.
        InvalidInputError: a version to be mapped is no encoder with weights, the two measure
            distance in different ways, or the set is for another task.
        ConflictError: there is no incumbent to be compatible with, the candidate or the set was
            not inspected yet, the candidate is what a repair has made already, or the set judges
            the alias.
    """
    subject, named = f"upgrade:{upgrade_id}", str(revision)
    with (
        noting_refusal("upgrade.fit_adapter", subject, evaluation_set=named, side=side),
        transaction.atomic(),
    ):
        return _request(upgrade_id, revision, actor, side)


def _request(upgrade_id: int, revision: SetRevision, actor: AbstractUser, side: str) -> AdapterFit:
    upgrade = locked_upgrade(upgrade_id)
    if upgrade.state not in OPEN:
        raise IllegalTransitionError(f"cannot repair an upgrade that is {upgrade.state}")
    alias = Alias.objects.select_related("model", "version__model").get(pk=upgrade.alias_id)
    _require_repairable(upgrade.candidate)
    if alias.version is None:
        raise ConflictError(f"{alias} names no version yet", code="alias_empty")
    if side == AdapterFit.Side.GALLERY:
        _require_rewritable(alias.version, upgrade.candidate)
    _require_fitting_set(alias, revision)
    fit, created = AdapterFit.objects.get_or_create(
        upgrade=upgrade,
        incumbent=alias.version,
        set_revision=revision,
        side=side,
        defaults={"requested_by": actor, "created_at": timezone.now()},
    )
    if created or leases.requeue(AdapterFit, fit.pk):
        fit.refresh_from_db()
        ledger(
            actor=actor.get_username(),
            action="upgrade.fit_adapter",
            subject=f"upgrade:{upgrade.pk}",
            candidate=str(upgrade.candidate),
            incumbent=str(alias.version),
            evaluation_set=str(revision),
            side=side,
        )
        _outputs_of(fit)
        send_on_commit(TaskName.FIT_ADAPTER, fit.pk)
    return fit


def claim(*, fit_id: int) -> AdapterJob | None:
    """Take a fit; None when another worker has it, or outputs that it needs are to come."""
    fit = AdapterFit.objects.select_related(
        "upgrade__candidate__model", "incumbent__model", "set_revision"
    ).get(pk=fit_id)
    new, old = rows = _outputs_of(fit)
    if not all(row is None or is_settled(row) for row in rows):
        return None
    taken = leases.claim(AdapterFit, fit_id)
    if taken is None:
        return None
    for version, row in zip((fit.upgrade.candidate, fit.incumbent), rows, strict=True):
        if row is None or row.work_state == WorkState.FAILED:
            why = f": {row.error_code}: {row.error_detail}" if row else ""
            detail = f"{version} has no outputs on {fit.set_revision}{why}"
            leases.fail(AdapterFit, taken, "outputs_missing", detail)
            return None
    mapped = fit.upgrade.candidate if fit.side == AdapterFit.Side.QUERY else fit.incumbent
    return AdapterJob(
        claim=taken,
        side=fit.side,
        artifact_digest=mapped.artifact_id,
        new_manifest=fit.upgrade.candidate.manifest,
        old_manifest=as_uploaded(fit.incumbent.manifest),
        set_digest=fit.set_revision.canonical_digest,
        new_file=new.file_digest,
        old_file=old.file_digest,
        judged={
            str(pin.set_revision): pin.set_revision.canonical_digest
            for pin in _pins(fit.upgrade.alias)
        },
    )


@transaction.atomic
def record(
    *, job: AdapterJob, graph: Stored, result: dict[str, Any], transform: Stored | None = None
) -> bool:
    """Register the adapted version and propose it; False, and nothing kept, if the claim was lost.

    Args:
        graph: the mapped version's graph with the adapter behind it.
        transform: on the gallery side, the adapter alone.

    Raises:
        ConflictError: the version cannot be proposed, for the alias names it already.
    """
    kept = leases.finish(AdapterFit, job.claim, result=result, finished_at=timezone.now())
    if not kept:
        return False
    fit = AdapterFit.objects.select_related(
        "upgrade__alias", "upgrade__candidate__model", "incumbent__model", "requested_by"
    ).get(pk=job.claim.pk)
    if fit.side == AdapterFit.Side.GALLERY:
        fit.transform = kept_artifact(transform)
        fit.rewriter, fit.made = register_rewritten(fit, graph, result)
    else:
        fit.made = register_adapted(fit, graph, result)
    made = propose(alias=fit.upgrade.alias, candidate=fit.made, actor=fit.requested_by)
    fit.save(update_fields=["made", "rewriter", "transform"])
    ledger(
        actor=fit.requested_by.get_username(),
        action="upgrade.adapter_fitted",
        subject=f"upgrade:{fit.upgrade_id}",
        method=result["method"],
        evaluation_set=str(fit.set_revision),
        side=fit.side,
        version=str(fit.made),
        rewriter=str(fit.rewriter) if fit.rewriter else None,
        upgrade=made.pk,
    )
    return True


def fail(*, job: AdapterJob, code: str, detail: str) -> bool:
    """Record that no adapter could be fitted, with the reason."""
    return leases.fail(AdapterFit, job.claim, code, detail)


def resend_ready() -> None:
    """Send the fits that waited for outputs which are all there now."""
    queued = AdapterFit.objects.filter(work_state=WorkState.QUEUED).select_related(
        "upgrade__candidate", "incumbent", "set_revision"
    )
    for fit in queued:
        if all(row is None or is_settled(row) for row in _outputs_of(fit)):
            send_on_commit(TaskName.FIT_ADAPTER, fit.pk)


def sweep() -> int:
    """Resend the fits that nobody holds; return how many."""
    leases.give_up_lost(AdapterFit)
    waiting = leases.waiting(AdapterFit.objects.all())
    for pk in waiting:
        send_on_commit(TaskName.FIT_ADAPTER, pk)
    return len(waiting)


def _outputs_of(fit: AdapterFit) -> tuple[Outputs | None, Outputs | None]:
    """Return the outputs of candidate and incumbent on the fitting set, asking for them if new."""
    new, old = fit.upgrade.candidate, fit.incumbent
    return (
        request_outputs(version=new, revision=fit.set_revision),
        request_outputs(version=old, revision=fit.set_revision),
    )


def _require_repairable(candidate: ModelVersion) -> None:
    if candidate.model.task != Task.EMBEDDING:
        raise InvalidInputError(
            f"{candidate} is no encoder: adapters map embeddings", code="not_an_encoder"
        )
    if candidate.is_recorded:
        raise InvalidInputError(
            f"{candidate} has no weights that an adapter could be appended to",
            code="encoder_without_weights",
        )
    if candidate.state != ModelVersion.State.READY:
        raise ConflictError(f"{candidate} is {candidate.state}", code="version_not_ready")
    if meets_rewritten(candidate):
        raise ConflictError(
            f"{candidate} meets rewritten vectors already: repair the version that it was made of",
            code="already_repaired",
        )


def _require_rewritable(incumbent: ModelVersion, candidate: ModelVersion) -> None:
    if incumbent.is_recorded:
        raise InvalidInputError(
            f"{incumbent} has no weights that an adapter could be appended to",
            code="encoder_without_weights",
        )
    old, new = (v.manifest["output"]["distance"] for v in (incumbent, candidate))
    if old != new:
        raise InvalidInputError(
            f"{incumbent} is searched by {old} and {candidate} by {new}",
            code="distances_differ",
        )


def _require_fitting_set(alias: Alias, revision: SetRevision) -> None:
    """Refuse a set that cannot be fitted on; the worker looks for shared samples besides."""
    if revision.evaluation_set.task != alias.model.task:
        raise InvalidInputError("the set is for another task", code="task_mismatch")
    if revision.state != SetRevision.State.READY:
        raise ConflictError(f"{revision} is {revision.state}", code="set_not_ready")
    for pin in _pins(alias):
        same_set = pin.evaluation_set_id == revision.evaluation_set_id
        if same_set or pin.set_revision.digest == revision.digest:
            raise ConflictError(
                f"{pin.set_revision} judges {alias}: fit on data that judge nothing",
                code="set_judges_the_alias",
            )


def _pins(alias: Alias) -> list[EvaluationPin]:
    gate = AliasGate.objects.get(alias=alias)
    return list(gate.pins.select_related("set_revision__evaluation_set"))
