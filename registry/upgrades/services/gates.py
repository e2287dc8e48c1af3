"""What guards an alias: its policy revision and the evaluation-set revisions that judge."""

import hashlib
from collections.abc import Sequence
from typing import Any

from django.contrib.auth.models import AbstractUser
from django.db import transaction
from django.utils import timezone

from compat.errors import PolicyError
from compat.policy import Policy as PolicyRules
from compat.policy import Task
from compat.policy_defaults import DEFAULTS
from compat.policy_documents import parse_policy
from registry.audit.chain import canonical
from registry.audit.services.record import record
from registry.catalog.models import Alias, RegisteredModel
from registry.catalog.services.register_model import require_slug
from registry.core.dispatch import TaskName, send_on_commit
from registry.core.errors import (
    ConflictError,
    DuplicateError,
    InvalidInputError,
    noting_refusal,
)
from registry.evaluation.models import SetRevision
from registry.upgrades.models import AliasGate, EvaluationPin, Policy, PolicyRevision

DEFAULT_ALIAS = "production"
LONGEST_ALIAS = 50


@transaction.atomic
def ensure_alias(*, model: RegisteredModel, name: str = DEFAULT_ALIAS) -> Alias:
    """Return the alias with its gate, opening both with the task's default policy when new.

    Raises:
        InvalidInputError: the name is no slug of at most 50 characters.
    """
    require_slug(name)
    if len(name) > LONGEST_ALIAS:
        raise InvalidInputError("the name of an alias has at most 50 letters", code="invalid_name")
    alias, _ = Alias.objects.get_or_create(model=model, name=name)
    if not AliasGate.objects.filter(alias=alias).exists():
        AliasGate.objects.get_or_create(
            alias=alias, defaults={"policy_revision": _default_policy(model.task)}
        )
    return alias


@transaction.atomic
def add_policy_revision(
    *, name: str, document: dict[str, Any], actor: AbstractUser
) -> PolicyRevision:
    """Store a policy document as a new revision; it attaches itself to nothing.

    Raises:
        InvalidInputError: the document is not a policy, or is for another task than the name's.
        DuplicateError: the same document is a revision already.
    """
    require_slug(name)
    task = require_policy(document).task
    Policy.objects.get_or_create(name=name, defaults={"task": task, "created_at": timezone.now()})
    policy = Policy.objects.select_for_update().get(name=name)
    if policy.task != task:
        raise InvalidInputError(f"{name} is a policy for {policy.task}", code="task_mismatch")
    digest = _digest(document)
    same = policy.revisions.filter(digest=digest).first()
    if same is not None:
        raise DuplicateError(f"{same} is the same document", code="duplicate_policy")
    revision = _add(policy, document, digest, actor)
    record(
        actor=actor.get_username(),
        action="policy.add_revision",
        subject=f"policy:{revision}",
        digest=digest,
    )
    return revision


def require_policy(document: Any) -> PolicyRules:
    """Return what a document asks for.

    Raises:
        InvalidInputError: it is not a policy.
    """
    try:
        return parse_policy(document)
    except PolicyError as exc:
        raise InvalidInputError(f"policy: {exc}", code="invalid_policy") from exc


@transaction.atomic
def set_policy(*, alias: Alias, revision: PolicyRevision, actor: AbstractUser) -> AliasGate:
    """Let ``revision`` guard ``alias``; verdicts made under another one become stale.

    Raises:
        InvalidInputError: the policy is for another task.
    """
    if revision.policy.task != alias.model.task:
        raise InvalidInputError("the policy is for another task", code="task_mismatch")
    Alias.objects.select_for_update().get(pk=alias.pk)
    gate = AliasGate.objects.get(alias=alias)
    before, gate.policy_revision = gate.policy_revision, revision
    gate.save(update_fields=["policy_revision"])
    record(
        actor=actor.get_username(),
        action="alias.set_policy",
        subject=f"alias:{alias}",
        before=str(before),
        now=str(revision),
    )
    send_on_commit(TaskName.ADVANCE_UPGRADES)
    return gate


@transaction.atomic
def pin_set(*, alias: Alias, revision: SetRevision, actor: AbstractUser) -> EvaluationPin:
    """Let ``revision`` judge the candidates of ``alias``, in place of another one of its set.

    Raises:
        InvalidInputError: the set is for another task.
        ConflictError: the revision is not ready.
    """
    if revision.evaluation_set.task != alias.model.task:
        raise InvalidInputError("the set is for another task", code="task_mismatch")
    if revision.state != SetRevision.State.READY:
        raise ConflictError(f"{revision} is {revision.state}", code="set_not_ready")
    Alias.objects.select_for_update().get(pk=alias.pk)
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
    Alias.objects.select_for_update().get(pk=alias.pk)
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
    Alias.objects.select_for_update().get(pk=alias.pk)
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


def _note_pin(alias: Alias, actor: AbstractUser, action: str, revision: str) -> None:
    record(
        actor=actor.get_username(),
        action=action,
        subject=f"alias:{alias}",
        evaluation_set=revision,
    )
    send_on_commit(TaskName.ADVANCE_UPGRADES)


def _default_policy(task: str) -> PolicyRevision:
    document = DEFAULTS[Task(task)]
    policy, _ = Policy.objects.get_or_create(
        name=f"default-{task}", defaults={"task": task, "created_at": timezone.now()}
    )
    policy = Policy.objects.select_for_update().get(pk=policy.pk)
    digest = _digest(document)
    same = policy.revisions.filter(digest=digest).first()
    return same or _add(policy, document, digest, None)


def _add(
    policy: Policy, document: dict[str, Any], digest: str, actor: AbstractUser | None
) -> PolicyRevision:
    revision = PolicyRevision.objects.create(
        policy=policy,
        number=policy.next_number,
        document=document,
        digest=digest,
        created_by=actor,
        created_at=timezone.now(),
    )
    policy.next_number += 1
    policy.save(update_fields=["next_number"])
    return revision


def _digest(document: dict[str, Any]) -> str:
    try:
        return hashlib.sha256(canonical(document).encode()).hexdigest()
    except ValueError as exc:
        raise InvalidInputError(f"policy: {exc}", code="invalid_policy") from exc
