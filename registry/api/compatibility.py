"""Compatibility without a registered version: outputs in, the same verdict out."""

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from compat.verdict import Outcome
from registry.accounts.models import Scope
from registry.api.comparisons import FlipOut, MeasurementOut
from registry.api.endpoint import MULTIPART, checked, operation
from registry.api.fields import DocumentField, WorkOut
from registry.api.idempotency import once
from registry.api.upgrades import RuleResultOut
from registry.api.uploads import FileIn, receive
from registry.catalog.selectors import alias_named
from registry.catalog.services.store_artifact import Upload
from registry.core.errors import UploadError
from registry.evaluation.selectors import revision_referred
from registry.upgrades.models import Check
from registry.upgrades.selectors import check_numbered
from registry.upgrades.services.checks import request_check
from registry.upgrades.services.gates import DEFAULT_ALIAS

SHOWN_FLIPS = 200
"""Flips in the answer (chosen)."""


class CheckIn(FileIn):
    """Predictions or embeddings with sample ids, and what they are held against."""

    model = serializers.CharField()
    alias = serializers.CharField(default=DEFAULT_ALIAS)
    evaluation_set = serializers.CharField(help_text="such as `name:1`; it must judge the alias")
    manifest = DocumentField(
        required=False, help_text="how to read them; as the incumbent's where absent"
    )


class CheckOut(WorkOut):
    """A check: queued, running, done with an outcome, or failed with an error."""

    id = serializers.IntegerField()
    alias = serializers.CharField()
    evaluation_set = serializers.CharField(source="set_revision")
    incumbent = serializers.CharField(allow_null=True)
    policy = serializers.CharField(source="policy_revision")
    outcome = serializers.SerializerMethodField()
    results = RuleResultOut(many=True)
    measurements = MeasurementOut(many=True)
    flips = serializers.SerializerMethodField()
    created_at = serializers.DateTimeField()

    @extend_schema_field(
        serializers.ChoiceField(
            choices=[o.value for o in Outcome], allow_null=True, help_text="null until it is done"
        )
    )
    def get_outcome(self, check: Check) -> str | None:
        return check.outcome or None

    @extend_schema_field(FlipOut(many=True))
    def get_flips(self, check: Check) -> Any:
        return FlipOut(check.flips[:SHOWN_FLIPS], many=True).data


@operation(
    scope=Scope.WRITE,
    takes={MULTIPART: CheckIn},
    status=202,
    answers=CheckOut,
    once=True,
    refuses=[
        "unknown_alias",
        "unknown_evaluation_set",
        "invalid_reference",
        "set_not_pinned",
        "invalid_manifest",
        "task_mismatch",
        "alias_empty",
        "unknown_upload",
        "upload_busy",
        "upload_incomplete",
        "wrong_upload_kind",
    ],
)
def check_outputs(request: Request) -> Response:
    """Check uploaded outputs against the incumbent by the alias's policy; register nothing."""
    given = checked(CheckIn, request.data)
    alias = alias_named(given["model"], given["alias"])
    revision = revision_referred(given["evaluation_set"])
    received = receive(request, given, Upload.TABLE)
    if received is None:
        raise UploadError("send the outputs as file or upload", code="empty_upload")

    def act() -> Response:
        check = request_check(
            alias=alias,
            revision=revision,
            upload=received.artifact,
            actor=request.user,
            manifest=given.get("manifest"),
        )
        return Response(CheckOut(check).data, status=202)

    return once(request, act, artifact=received.artifact)


@operation(scope=Scope.READ, answers=CheckOut, refuses=["unknown_check"])
def read_check(request: Request, check: int) -> Response:
    """Read a check: its outcome with every rule's result, once a worker is done."""
    return Response(CheckOut(check_numbered(check)).data)
