"""Add immutable revisions of policies."""

from collections.abc import Mapping
from typing import Any

from django.contrib.auth.models import AbstractUser
from django.db import transaction
from django.utils import timezone

from compat.policy import Task
from compat.policy_defaults import DEFAULTS
from registry.audit.services.record import record
from registry.catalog.services.register_model import require_slug
from registry.core.errors import DuplicateError, InvalidInputError
from registry.upgrades.effective_policies import digest_of
from registry.upgrades.models import Policy, PolicyChoice, PolicyRevision
from registry.upgrades.policy_problems import require_policy
from registry.upgrades.policy_scopes import Scope
from registry.upgrades.policy_text import read_written


@transaction.atomic
def add_policy_revision(
    *,
    name: str,
    actor: AbstractUser,
    document: Mapping[str, Any] | None = None,
    text: str = "",
) -> PolicyRevision:
    """Store a policy as a new revision; it attaches itself to nothing.

    Args:
        name: of the policy.
        actor: who adds it.
        document: what it says.
        text: the same in YAML or JSON, kept with its comments; read where there is no document.

    Raises:
        InvalidInputError: it is not a policy, or is for another task than the name's.
        DuplicateError: the same document is a revision already.
    """
    require_slug(name)
    written = read_written(text) if document is None else None
    document = written.document if written else document
    task = require_policy(document, written)
    Policy.objects.get_or_create(name=name, defaults={"task": task, "created_at": timezone.now()})
    policy = Policy.objects.select_for_update().get(name=name)
    if policy.task != task:
        raise InvalidInputError(f"{name} is a policy for {policy.task}", code="task_mismatch")
    digest = digest_of(document)
    same = policy.revisions.filter(digest=digest).first()
    if same is not None:
        raise DuplicateError(f"{same} is the same document", code="duplicate_policy")
    revision = _add(policy, document, digest, actor, text)
    record(
        actor=actor.get_username(),
        action="policy.add_revision",
        subject=f"policy:{revision}",
        digest=digest,
    )
    return revision


def ensure_default(task: str) -> None:
    """Set the task's documented default for everything, where nothing is set yet."""
    if PolicyChoice.objects.filter(scope=Scope.EVERYTHING, task=task).exists():
        return
    document = DEFAULTS[Task(task)]
    policy, _ = Policy.objects.get_or_create(
        name=f"default-{task}", defaults={"task": task, "created_at": timezone.now()}
    )
    policy = Policy.objects.select_for_update().get(pk=policy.pk)
    digest = digest_of(document)
    same = policy.revisions.filter(digest=digest).first()
    PolicyChoice.objects.get_or_create(
        scope=Scope.EVERYTHING,
        task=task,
        defaults={"policy_revision": same or _add(policy, document, digest, None, "")},
    )


def _add(
    policy: Policy,
    document: Mapping[str, Any],
    digest: str,
    actor: AbstractUser | None,
    text: str,
) -> PolicyRevision:
    revision = PolicyRevision.objects.create(
        policy=policy,
        number=policy.next_number,
        document=document,
        text=text,
        digest=digest,
        created_by=actor,
        created_at=timezone.now(),
    )
    policy.next_number += 1
    policy.save(update_fields=["next_number"])
    return revision
