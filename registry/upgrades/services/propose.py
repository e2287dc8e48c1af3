"""Open an upgrade: register a candidate and ask for its evaluation."""

from collections.abc import Sequence
from typing import Any

from django.contrib.auth.models import AbstractUser
from django.db import transaction
from django.utils import timezone

from registry.audit.services.record import record
from registry.catalog.models import Alias, Artifact, ModelVersion
from registry.catalog.rewriting import only_rewrites
from registry.catalog.selectors import model_named
from registry.catalog.services.register_version import Parent, register_version
from registry.core.dispatch import TaskName, send_on_commit
from registry.core.errors import ConflictError, InvalidInputError
from registry.upgrades.models import Upgrade
from registry.upgrades.services.gates import DEFAULT_ALIAS, ensure_alias
from registry.upgrades.states import OPEN, State, next_state


@transaction.atomic
def register_and_propose(
    *,
    model_name: str,
    manifest: dict[str, Any],
    actor: AbstractUser,
    artifact: Artifact | None = None,
    file_name: str = "",
    parents: Sequence[Parent] = (),
    card: str = "",
    alias_name: str = DEFAULT_ALIAS,
) -> Upgrade:
    """Register a version and open the upgrade of ``alias_name`` to it.

    Raises:
        UnknownObjectError: no such model.
        InvalidInputError: the manifest is not valid.
        DuplicateError: the version is there already.
    """
    version = register_version(
        model_name=model_name,
        manifest=manifest,
        actor=actor,
        artifact=artifact,
        file_name=file_name,
        parents=parents,
        card=card,
    )
    alias = ensure_alias(model=model_named(model_name), name=alias_name)
    return propose(alias=alias, candidate=version, actor=actor)


@transaction.atomic
def propose(*, alias: Alias, candidate: ModelVersion, actor: AbstractUser) -> Upgrade:
    """Open, or open again, the upgrade of ``alias`` to ``candidate``.

    Raises:
        InvalidInputError: the candidate belongs to another model.
        ConflictError: the alias names it already, its upload was refused, or it only rewrites.
    """
    if candidate.model_id != alias.model_id:
        raise InvalidInputError(f"{candidate} is no version of {alias.model}", code="other_model")
    if candidate.state == ModelVersion.State.REFUSED:
        raise ConflictError(f"{candidate} was refused", code="version_refused")
    if only_rewrites(candidate):
        raise ConflictError(
            f"{candidate} rewrites stored vectors: no alias can name it", code="only_rewrites"
        )
    alias = Alias.objects.select_for_update(no_key=True).get(pk=alias.pk)
    if alias.version_id == candidate.pk:
        raise ConflictError(f"{alias} names {candidate} already", code="already_serving")
    now = timezone.now()
    upgrade, created = Upgrade.objects.get_or_create(
        alias=alias,
        candidate=candidate,
        defaults={"created_by": actor, "created_at": now, "changed_at": now},
    )
    if not created and upgrade.state not in OPEN:
        upgrade.state = next_state(State(upgrade.state), "reopen")
        upgrade.changed_at, upgrade.superseded_by = now, None
        upgrade.save(update_fields=["state", "changed_at", "superseded_by"])
        created = True
    if created:
        record(
            actor=actor.get_username(),
            action="upgrade.propose",
            subject=f"upgrade:{upgrade.pk}",
            alias=str(alias),
            candidate=str(candidate),
        )
        send_on_commit(TaskName.ADVANCE_UPGRADES)
    return upgrade
