"""Evaluation sets and their revisions."""

from typing import Any

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from compat.policy import Task
from registry.accounts.models import Scope
from registry.api.endpoint import JSON, MULTIPART, WITH_UPLOAD, checked, operation
from registry.api.fields import DocumentField, WorkOut
from registry.api.idempotency import once
from registry.api.pagination import page
from registry.api.uploads import FileIn, receive
from registry.catalog.services.register_model import require_slug
from registry.catalog.services.store_artifact import Upload
from registry.evaluation.models import EvaluationSet, SetRevision
from registry.evaluation.selectors import revision_numbered, revisions_of, set_named
from registry.evaluation.services.add_revision import add_revision

SHOWN_REVISIONS = 200
"""Newest revisions in the description of a set (chosen)."""


class SetIn(FileIn):
    """A revision of an evaluation set; the first one opens the set."""

    name = serializers.CharField(help_text="1 to 100 letters, digits, hyphens or underscores")
    task = serializers.CharField(help_text=f"one of {', '.join(Task)}")
    description = serializers.CharField(default="", allow_blank=True, max_length=300)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if "file" not in attrs and not attrs["upload"]:
            raise serializers.ValidationError("the file or the upload is missing")
        return super().validate(attrs)


class RevisionOut(WorkOut):
    """One immutable revision."""

    revision = serializers.CharField(source="__str__", help_text="such as `name:1`")
    number = serializers.IntegerField()
    state = serializers.ChoiceField(choices=SetRevision.State.values)
    digest = serializers.CharField(help_text="sha256 of the uploaded bytes")
    file_name = serializers.CharField()
    summary = DocumentField(help_text="rows, classes and slices, once it was inspected")
    times_judged = serializers.IntegerField(help_text="verdicts that were made with it")
    created_by = serializers.CharField(source="created_by.username")
    created_at = serializers.DateTimeField()


class SetOut(serializers.Serializer):
    """An evaluation set."""

    name = serializers.CharField()
    task = serializers.ChoiceField(choices=list(Task))
    description = serializers.CharField()
    last_number = serializers.SerializerMethodField()
    created_at = serializers.DateTimeField()

    @extend_schema_field(serializers.IntegerField(help_text="of its revisions"))
    def get_last_number(self, found: EvaluationSet) -> int:
        return found.next_number - 1


class SetDetailOut(SetOut):
    """An evaluation set with its newest revisions."""

    revisions = serializers.SerializerMethodField()

    @extend_schema_field(RevisionOut(many=True))
    def get_revisions(self, found: EvaluationSet) -> list[dict[str, object]]:
        newest: QuerySet[SetRevision] = revisions_of(found)[:SHOWN_REVISIONS]
        return RevisionOut(newest, many=True).data


@operation(scope=Scope.READ, answers=SetOut, pages=True)
def list_evaluation_sets(request: Request) -> Response:
    """List evaluation sets by name."""
    return page(request, EvaluationSet.objects.all(), SetOut, by="name")


@operation(
    scope=Scope.WRITE,
    takes={MULTIPART: SetIn, JSON: SetIn},
    status=201,
    answers=RevisionOut,
    once=True,
    refuses=["invalid_name", "unknown_task", "task_mismatch", "duplicate_revision", *WITH_UPLOAD],
)
def upload_revision(request: Request) -> Response:
    """Upload a revision of an evaluation set.

    The file is inspected by a worker afterwards: read the revision's `state`. A revision attaches
    itself to no alias: pin it.
    """
    given = checked(SetIn, request.data)
    require_slug(given["name"])
    received = receive(request, given, Upload.TABLE)

    def act() -> Response:
        revision = add_revision(
            name=given["name"],
            task=given["task"],
            artifact=received.artifact,
            actor=request.user,
            file_name=received.file_name,
            description=given["description"],
        )
        return Response(RevisionOut(revision).data, status=201)

    return once(request, act, artifact=received.artifact)


@operation(scope=Scope.READ, answers=SetDetailOut, refuses=["unknown_evaluation_set"])
def read_evaluation_set(request: Request, evaluation_set: str) -> Response:
    """Read an evaluation set with its newest revisions."""
    return Response(SetDetailOut(set_named(evaluation_set)).data)


@operation(scope=Scope.READ, answers=RevisionOut, refuses=["unknown_evaluation_set"])
def read_revision(request: Request, evaluation_set: str, revision: int) -> Response:
    """Read one revision of an evaluation set."""
    return Response(RevisionOut(revision_numbered(evaluation_set, revision)).data)
