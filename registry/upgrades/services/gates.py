"""What guards an alias beside its policy: the sets that judge, and the people who approve."""

from collections.abc import Sequence

from django.contrib.auth.models import AbstractUser
from django.db import transaction

from registry.audit.services.record import record
from registry.catalog.models import Alias, RegisteredModel
from registry.catalog.services.register_model import require_slug
from registry.core.dispatch import TaskName, send_on_commit
from registry.core.errors import (
    ConflictError,
    InvalidInputError,
    noting_refusal,
)
from registry.core.leases import WorkState
from registry.evaluation.models import SetRevision
from registry.upgrades.models import AdapterFit, AliasGate, EvaluationPin
from registry.upgrades.services.policies import ensure_default

DEFAULT_ALIAS = "production"
LONGEST_ALIAS = 50


@transaction.atomic
def ensure_alias(*, model: RegisteredModel, name: str = DEFAULT_ALIAS) -> Alias:
    """Return the alias with its gate, opening both when new; it inherits its policy.

    Raises:
        InvalidInputError: the name is no slug of at most 50 characters.
    """
    require_slug(name)
    if len(name) > LONGEST_ALIAS:
        raise InvalidInputError("the name of an alias has at most 50 letters", code="invalid_name")
    alias, _ = Alias.objects.get_or_create(model=model, name=name)
    if not AliasGate.objects.filter(alias=alias).exists():
        ensure_default(model.task)
        AliasGate.objects.get_or_create(alias=alias)
    return alias


@transaction.atomic
def pin_set(*, alias: Alias, revision: SetRevision, actor: AbstractUser) -> EvaluationPin:
    """Let ``revision`` judge the candidates of ``alias``, in place of another one of its set.

    Raises:
        InvalidInputError: the set is for another task.
        ConflictError: the revision is not ready, or an adapter was fitted on the set.
    """
    if revision.evaluation_set.task != alias.model.task:
        raise InvalidInputError("the set is for another task", code="task_mismatch")
    if revision.state != SetRevision.State.READY:
        raise ConflictError(f"{revision} is {revision.state}", code="set_not_ready")
    Alias.objects.select_for_update(no_key=True).get(pk=alias.pk)
    _require_not_fitted_on(alias, revision)
    gate = AliasGate.objects.get(alias=alias)
    pin, _ = EvaluationPin.objects.update_or_create(
        gate=gate,
        evaluation_set=revision.evaluation_set,
        defaults={"set_revision": revision},
    )
    _note_pin(alias, actor, "alias.pin_set", str(revision))
    return pin


@transaction.atomic
def unpin_set(*, alias: Alias, pin: EvaluationPin, actor: AbstractUser) -> None:
    """Let a set no longer judge the candidates of ``alias``."""
    Alias.objects.select_for_update(no_key=True).get(pk=alias.pk)
    name = str(pin.set_revision)
    pin.delete()
    _note_pin(alias, actor, "alias.unpin_set", name)


def set_approvals(
    *,
    alias: Alias,
    needed: int,
    approvers: Sequence[AbstractUser],
    uploader_may_approve: bool,
    actor: AbstractUser,
) -> AliasGate:
    """Say how many people approve a candidate of ``alias``, and who they may be.

    Raises:
        InvalidInputError: more approvals are needed than there are approvers.
    """
    with noting_refusal("alias.set_approvals", f"alias:{alias}"), transaction.atomic():
        return _set_approvals(alias, needed, approvers, uploader_may_approve, actor)


def _set_approvals(
    alias: Alias,
    needed: int,
    approvers: Sequence[AbstractUser],
    uploader_may_approve: bool,
    actor: AbstractUser,
) -> AliasGate:
    if needed < 0 or (approvers and needed > len(set(approvers))):
        raise InvalidInputError(
            f"{needed} approvals cannot come from {len(set(approvers))} people",
            code="invalid_quorum",
        )
    Alias.objects.select_for_update(no_key=True).get(pk=alias.pk)
    gate = AliasGate.objects.get(alias=alias)
    gate.approvals_needed = needed
    gate.uploader_may_approve = uploader_may_approve
    gate.save(update_fields=["approvals_needed", "uploader_may_approve"])
    gate.approvers.set(approvers)
    record(
        actor=actor.get_username(),
        action="alias.set_approvals",
        subject=f"alias:{alias}",
        needed=needed,
        approvers=sorted(person.get_username() for person in approvers),
        uploader_may_approve=uploader_may_approve,
    )
    return gate


def _require_not_fitted_on(alias: Alias, revision: SetRevision) -> None:
    """Refuse to let candidates be judged by what one of them was fitted on."""
    fits = AdapterFit.objects.filter(upgrade__alias=alias).exclude(work_state=WorkState.FAILED)
    if fits.filter(set_revision__evaluation_set=revision.evaluation_set).exists():
        raise ConflictError(
            f"an adapter for {alias} was fitted on {revision.evaluation_set}",
            code="set_was_fitted_on",
        )


def _note_pin(alias: Alias, actor: AbstractUser, action: str, revision: str) -> None:
    record(
        actor=actor.get_username(),
        action=action,
        subject=f"alias:{alias}",
        evaluation_set=revision,
    )
    send_on_commit(TaskName.ADVANCE_UPGRADES)
