"""Versions of a line: upload, read, download, lineage, outputs."""

from collections.abc import Sequence
from typing import Any

from django.http import FileResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema_field
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from registry.accounts.models import Scope
from registry.api.endpoint import JSON, MULTIPART, WITH_UPLOAD, checked, operation
from registry.api.fields import DocumentField, ErrorOfWorkOut, Sha256Field, WorkOut, error_of
from registry.api.idempotency import once
from registry.api.pagination import page
from registry.api.uploads import FileIn, receive, store_upload
from registry.catalog.models import LineageEdge, ModelVersion
from registry.catalog.selectors import model_named, resolve, version_numbered, versions_of
from registry.catalog.services.add_parent import add_parent, require_relation
from registry.catalog.services.register_version import Parent
from registry.catalog.services.store_artifact import Upload
from registry.core.data import artifact_store
from registry.core.errors import DuplicateError, UnknownObjectError
from registry.evaluation.selectors import (
    all_outputs_of,
    existing_outputs,
    revision_numbered,
    revision_referred,
)
from registry.evaluation.services.outputs import retry, upload_recording
from registry.upgrades.services.gates import DEFAULT_ALIAS
from registry.upgrades.services.propose import register_and_propose


class ParentIn(serializers.Serializer):
    """A version that another one came from, and how."""

    version = serializers.CharField(help_text="such as `name:1` or `name@production`")
    relation = serializers.CharField(help_text=f"one of {', '.join(LineageEdge.Relation.values)}")


@extend_schema_field(ParentIn(many=True))
class ParentsField(DocumentField):
    """A JSON list of parents."""

    def to_internal_value(self, data: Any) -> Any:
        parents = ParentIn(data=super().to_internal_value(data), many=True)
        parents.is_valid(raise_exception=True)
        return parents.validated_data


class VersionIn(FileIn):
    """A candidate: an artifact with its manifest, or a manifest alone for recorded outputs."""

    manifest = DocumentField(help_text="JSON; see `schemas/manifest`")
    parents = ParentsField(default=list)
    card = serializers.CharField(
        default="", allow_blank=True, trim_whitespace=False, help_text="Markdown"
    )
    alias = serializers.SlugField(default=DEFAULT_ALIAS, max_length=50)


class EdgeOut(serializers.Serializer):
    """One parent of a version."""

    version = serializers.CharField(source="parent")
    relation = serializers.CharField()


class VersionOut(serializers.Serializer):
    """A version as a list shows it."""

    version = serializers.CharField(source="__str__", help_text="such as `name:3`")
    model = serializers.CharField()
    number = serializers.IntegerField()
    digest = serializers.CharField(help_text="sha256 over artifact digest and manifest")
    state = serializers.ChoiceField(choices=ModelVersion.State.values)
    error = serializers.SerializerMethodField()
    artifact = serializers.CharField(
        source="artifact_id", allow_null=True, help_text="sha256; null for recorded outputs"
    )
    size_bytes = serializers.IntegerField(
        source="artifact.size_bytes", default=None, allow_null=True
    )
    file_name = serializers.CharField()
    aliases = serializers.SerializerMethodField()
    parents = EdgeOut(source="parent_edges", many=True)
    created_by = serializers.CharField(source="created_by.username")
    created_at = serializers.DateTimeField()

    @extend_schema_field(serializers.ListField(child=serializers.CharField()))
    def get_aliases(self, version: ModelVersion) -> list[str]:
        return [alias.name for alias in version.aliases.all()]

    @extend_schema_field(ErrorOfWorkOut(allow_null=True))
    def get_error(self, version: ModelVersion) -> dict[str, str] | None:
        return error_of(version)


class VersionDetailOut(VersionOut):
    """A version with its manifest and what its inspection found."""

    manifest = DocumentField()
    inspection = DocumentField()
    card = serializers.CharField()


class RegisteredOut(serializers.Serializer):
    """The new version and the upgrade that it opened."""

    version = VersionDetailOut(source="candidate")
    upgrade = serializers.IntegerField(source="pk", help_text="its id; see `upgrades/{id}`")


class OutputsOut(WorkOut):
    """The outputs of a version on one evaluation set."""

    version = serializers.CharField()
    evaluation_set = serializers.CharField(source="set_revision")
    is_recording = serializers.SerializerMethodField()
    file_digest = serializers.CharField(help_text="sha256; empty until they are there")
    result = DocumentField()
    created_at = serializers.DateTimeField()
    finished_at = serializers.DateTimeField(allow_null=True)

    @extend_schema_field(bool)
    def get_is_recording(self, outputs: Any) -> bool:
        return outputs.recording_id is not None


class RecordingIn(serializers.Serializer):
    """Outputs that were computed elsewhere."""

    file = serializers.FileField(allow_empty_file=True, help_text="NPZ or Parquet")
    evaluation_set = serializers.CharField(help_text="such as `name:1`")
    sha256 = Sha256Field(default="")


class OutputsOnAllSetsOut(serializers.Serializer):
    """The outputs of a version, oldest first."""

    results = OutputsOut(many=True)


@operation(scope=Scope.READ, answers=VersionOut, pages=True, refuses=["unknown_model"])
def list_versions(request: Request, model: str) -> Response:
    """List the versions of a model, newest first."""
    return page(request, versions_of(model_named(model)), VersionOut, by="-number")


@operation(
    scope=Scope.WRITE,
    takes={MULTIPART: VersionIn, JSON: VersionIn},
    status=201,
    answers=RegisteredOut,
    once=True,
    refuses=[
        "unknown_model",
        "unknown_version",
        "unknown_alias",
        "alias_empty",
        "invalid_reference",
        "invalid_manifest",
        "manifest_mismatch",
        "task_mismatch",
        "unknown_relation",
        "duplicate_parent",
        "duplicate_version",
        *WITH_UPLOAD,
    ],
)
def upload_version(request: Request, model: str) -> Response:
    """Register a version and open the upgrade of an alias to it.

    The file is inspected by a worker afterwards: read the version's `state`.
    """
    given = checked(VersionIn, request.data)
    model_named(model)
    parents = _parents(given["parents"])
    received = receive(request, given, Upload.MODEL)
    artifact = received.artifact if received else None

    def act() -> Response:
        upgrade = register_and_propose(
            model_name=model,
            manifest=given["manifest"],
            actor=request.user,
            artifact=artifact,
            file_name=received.file_name if received else "",
            parents=parents,
            card=given["card"],
            alias_name=given["alias"],
        )
        return Response(RegisteredOut(upgrade).data, status=201)

    return once(request, act, artifact=artifact)


@operation(scope=Scope.READ, answers=VersionDetailOut, refuses=["unknown_version"])
def read_version(request: Request, model: str, number: int) -> Response:
    """Read a version."""
    return Response(VersionDetailOut(version_numbered(model, number)).data)


@operation(
    scope=Scope.READ,
    answers=VersionDetailOut,
    query=[
        OpenApiParameter(
            "reference", str, required=True, description="`name:3`, `name@alias`, `name@sha256:...`"
        )
    ],
    refuses=["invalid_reference", "unknown_version", "unknown_alias", "alias_empty"],
)
def resolve_reference(request: Request) -> Response:
    """Read the version that a reference names."""
    given = checked(ReferenceIn, request.query_params)
    return Response(VersionDetailOut(resolve(given["reference"])).data)


@operation(
    scope=Scope.READ,
    answers={(200, "application/octet-stream"): OpenApiTypes.BINARY},
    refuses=["unknown_version", "no_artifact", "artifact_missing", "artifact_corrupt"],
)
def download_artifact(request: Request, model: str, number: int) -> FileResponse:
    """Download the artifact of a version, checked against its digest first."""
    version = version_numbered(model, number)
    if version.artifact_id is None:
        raise UnknownObjectError(f"{version} has no weights", code="no_artifact")
    path = artifact_store().verified_path(version.artifact_id)
    return FileResponse(
        path.open("rb"),
        as_attachment=True,
        filename=version.file_name or f"{version.artifact_id}.onnx",
        content_type="application/octet-stream",
        headers={"X-Content-Type-Options": "nosniff", "ETag": f'"{version.artifact_id}"'},
    )


@operation(
    scope=Scope.WRITE,
    takes=ParentIn,
    status=201,
    answers=VersionDetailOut,
    once=True,
    refuses=[
        "unknown_version",
        "unknown_alias",
        "alias_empty",
        "invalid_reference",
        "unknown_relation",
        "lineage_cycle",
        "duplicate_parent",
    ],
)
def declare_parent(request: Request, model: str, number: int) -> Response:
    """Declare that a version came from another one."""
    given = checked(ParentIn, request.data)
    child, parent = version_numbered(model, number), resolve(given["version"])

    def act() -> Response:
        add_parent(child=child, parent=parent, relation=given["relation"], actor=request.user)
        return Response(VersionDetailOut(child).data, status=201)

    return once(request, act)


@operation(scope=Scope.READ, answers=OutputsOnAllSetsOut, refuses=["unknown_version"])
def list_outputs(request: Request, model: str, number: int) -> Response:
    """List what a version put out, on each evaluation set."""
    version = version_numbered(model, number)
    return Response(OutputsOnAllSetsOut({"results": all_outputs_of(version)}).data)


@operation(
    scope=Scope.WRITE,
    takes={MULTIPART: RecordingIn},
    status=201,
    answers=OutputsOut,
    once=True,
    refuses=[
        "unknown_version",
        "unknown_evaluation_set",
        "invalid_reference",
        "not_recorded",
        "set_not_ready",
        "task_mismatch",
        "duplicate_outputs",
    ],
)
def upload_outputs(request: Request, model: str, number: int) -> Response:
    """Upload the recorded outputs of a version on one evaluation set."""
    given = checked(RecordingIn, request.data)
    version = version_numbered(model, number)
    revision = revision_referred(given["evaluation_set"])
    artifact = store_upload(given, Upload.TABLE)

    def act() -> Response:
        outputs = upload_recording(
            version=version, revision=revision, artifact=artifact, actor=request.user
        )
        return Response(OutputsOut(outputs).data, status=201)

    return once(request, act, artifact=artifact)


@operation(
    scope=Scope.WRITE,
    answers=OutputsOut,
    once=True,
    refuses=["unknown_version", "unknown_evaluation_set", "unknown_outputs", "not_failed"],
)
def retry_outputs(
    request: Request, model: str, number: int, evaluation_set: str, revision: int
) -> Response:
    """Have outputs that failed computed again."""
    outputs = existing_outputs(
        version_numbered(model, number), revision_numbered(evaluation_set, revision)
    )

    def act() -> Response:
        retry(outputs=outputs, actor=request.user)
        outputs.refresh_from_db()
        return Response(OutputsOut(outputs).data)

    return once(request, act)


class ReferenceIn(serializers.Serializer):
    """What is to be resolved."""

    reference = serializers.CharField()


def _parents(given: Sequence[dict[str, str]]) -> list[Parent]:
    parents = []
    for one in given:
        require_relation(one["relation"])
        parents.append(Parent(resolve(one["version"]).pk, one["relation"]))
    if len(set(parents)) < len(parents):
        raise DuplicateError("a parent is named twice", code="duplicate_parent")
    return parents
