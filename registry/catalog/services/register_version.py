"""Add an immutable version to a line, with its lineage."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.contrib.auth.models import AbstractUser
from django.db import transaction
from django.utils import timezone

from registry.audit.services.record import record
from registry.catalog.manifest import ManifestError, validate, version_digest
from registry.catalog.models import Artifact, LineageEdge, ModelVersion, RegisteredModel
from registry.catalog.services.add_parent import require_relation
from registry.core.dispatch import TaskName, send_on_commit
from registry.core.errors import DuplicateError, InvalidInputError, UnknownObjectError


@dataclass(frozen=True)
class Parent:
    """A version that the new one came from, and how."""

    version_id: int
    relation: str


@transaction.atomic
def register_version(
    *,
    model_name: str,
    manifest: dict[str, Any],
    actor: AbstractUser,
    artifact: Artifact | None = None,
    file_name: str = "",
    parents: Sequence[Parent] = (),
    card: str = "",
    marks: Mapping[str, Any] | None = None,
) -> ModelVersion:
    """Number, store and queue a new version for inspection.

    The model row is locked, so that numbers are given once and in order. A version without an
    artifact (recorded outputs) needs no inspection and is ready at once. ``marks`` is what the
    registry itself adds to the manifest; see ``registry.catalog.rewriting``.

    Raises:
        UnknownObjectError: no such model.
        InvalidInputError: the manifest is not valid, is for another task, or does not go with
            what was uploaded.
        DuplicateError: the line holds a version of the same digest, or a parent is named twice.
    """
    model = RegisteredModel.objects.select_for_update().filter(name=model_name).first()
    if model is None:
        raise UnknownObjectError(f"no model {model_name}", code="unknown_model")
    manifest = _checked_manifest(manifest, model, artifact) | dict(marks or {})
    _require_parents(parents)
    digest = version_digest(artifact.digest if artifact else "", manifest)
    same = model.versions.filter(digest=digest).exclude(state=ModelVersion.State.REFUSED).first()
    if same is not None:
        raise DuplicateError(f"{same} has the same artifact and manifest", code="duplicate_version")
    version = ModelVersion.objects.create(
        model=model,
        number=model.next_number,
        artifact=artifact,
        file_name=file_name[:255],
        manifest=manifest,
        digest=digest,
        state=ModelVersion.State.INSPECTING if artifact else ModelVersion.State.READY,
        card=card,
        created_by=actor,
        created_at=timezone.now(),
    )
    model.next_number += 1
    model.save(update_fields=["next_number"])
    for parent in parents:
        LineageEdge.objects.create(
            child=version, parent_id=parent.version_id, relation=parent.relation
        )
    record(
        actor=actor.get_username(),
        action="version.register",
        subject=f"version:{version}",
        digest=digest,
        artifact=artifact.digest if artifact else "",
        parents=[f"{e.relation} {e.parent}" for e in version.parent_edges.all()],
    )
    if artifact:
        send_on_commit(TaskName.INSPECT_VERSION, version.pk)
    return version


def _checked_manifest(
    manifest: dict[str, Any], model: RegisteredModel, artifact: Artifact | None
) -> dict[str, Any]:
    """Return the manifest with its numbers in canonical form."""
    try:
        manifest = validate(manifest)
    except ManifestError as exc:
        raise InvalidInputError(f"manifest: {exc}", code="invalid_manifest") from exc
    if manifest["task"] != model.task:
        raise InvalidInputError(
            f"the manifest is for {manifest['task']}, the model for {model.task}",
            code="task_mismatch",
        )
    if (manifest["format"] == "recorded") != (artifact is None):
        raise InvalidInputError(
            "format recorded goes without a file, every other format with one",
            code="manifest_mismatch",
        )
    return manifest


def _require_parents(parents: Sequence[Parent]) -> None:
    for parent in parents:
        require_relation(parent.relation)
    if len(set(parents)) < len(parents):
        raise DuplicateError("a parent is named twice", code="duplicate_parent")
