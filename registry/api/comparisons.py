"""Comparisons: measurements, the null test, and the samples that flipped."""

from typing import Any

from django.http import FileResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from compat.measurement import Direction
from registry.accounts.models import Scope
from registry.api.endpoint import PAGE_PARAMETERS, WITH_PAGES, operation
from registry.api.fields import DocumentField, WorkOut
from registry.api.pagination import slice_of
from registry.core.data import artifact_store
from registry.core.errors import UnknownObjectError
from registry.evaluation.models import Comparison
from registry.evaluation.selectors import comparison_numbered


class MeasurementOut(serializers.Serializer):
    """One value of one measure on one slice; a number that is not finite is its name."""

    name = serializers.CharField()
    slice = serializers.CharField(help_text="`column=value`; empty for the whole set")
    value = serializers.JSONField(allow_null=True)
    support = serializers.IntegerField()
    direction = serializers.ChoiceField(choices=list(Direction))
    count = serializers.IntegerField(allow_null=True)
    bounds = DocumentField(help_text="one-sided bounds by side and confidence")
    clusters = serializers.IntegerField(allow_null=True)
    spread = serializers.JSONField(allow_null=True)
    undefined = serializers.CharField(help_text="why there is no value")


class FlipOut(serializers.Serializer):
    """One sample on which exactly one of the two versions is right."""

    row = serializers.IntegerField()
    id = serializers.CharField()
    kind = serializers.ChoiceField(
        choices=["negative", "positive"], help_text="right to wrong, or wrong to right"
    )
    label = serializers.CharField()
    old = serializers.CharField()
    new = serializers.CharField()
    has_image = serializers.SerializerMethodField()

    @extend_schema_field(bool)
    def get_has_image(self, flip: dict[str, Any]) -> bool:
        return isinstance(flip["thumbnail"], str)


class FlipPageOut(serializers.Serializer):
    """One page of flips."""

    results = FlipOut(many=True)
    next_page_token = serializers.CharField(allow_null=True)


class ComparisonOut(WorkOut):
    """Two versions on one evaluation set."""

    id = serializers.IntegerField()
    old = serializers.CharField(source="old_outputs.version")
    new = serializers.CharField(source="new_outputs.version")
    producer = serializers.CharField(
        source="producer_outputs.version", default=None, allow_null=True
    )
    evaluation_set = serializers.CharField(source="old_outputs.set_revision")
    old_digest = serializers.CharField()
    new_digest = serializers.CharField()
    producer_digest = serializers.CharField()
    set_digest = serializers.CharField()
    code_version = serializers.CharField(help_text="of the measuring code")
    measurements = MeasurementOut(many=True)
    null_test = DocumentField()
    flip_matrix = DocumentField(help_text="old answer -> new answer -> number of samples")
    flip_count = serializers.SerializerMethodField()
    created_at = serializers.DateTimeField()
    finished_at = serializers.DateTimeField(allow_null=True)

    @extend_schema_field(int)
    def get_flip_count(self, comparison: Comparison) -> int:
        return len(comparison.flips)


class ComparisonDetailOut(ComparisonOut):
    """A comparison with the first page of its flips."""

    flips = FlipPageOut()


@operation(scope=Scope.READ, answers=ComparisonDetailOut, refuses=["unknown_comparison"])
def read_comparison(request: Request, comparison: int) -> Response:
    """Read a comparison with the first of its flips."""
    found = comparison_numbered(comparison)
    return Response(ComparisonOut(found).data | {"flips": _flips(request, found)})


@operation(
    scope=Scope.READ,
    answers=FlipPageOut,
    query=PAGE_PARAMETERS,
    refuses=["unknown_comparison", *WITH_PAGES],
)
def list_flips(request: Request, comparison: int) -> Response:
    """List the samples that flipped."""
    return Response(_flips(request, comparison_numbered(comparison)))


@operation(
    scope=Scope.READ,
    answers={(200, "image/png"): OpenApiTypes.BINARY},
    refuses=[
        "unknown_comparison",
        "unknown_flip",
        "no_image",
        "artifact_missing",
        "artifact_corrupt",
    ],
)
def read_flip_image(request: Request, comparison: int, row: int) -> FileResponse:
    """Read the picture of a sample that flipped."""
    flips = comparison_numbered(comparison).flips
    flip = next((one for one in flips if one["row"] == row), None)
    if flip is None:
        raise UnknownObjectError(f"row {row} did not flip", code="unknown_flip")
    digest = flip["thumbnail"]
    if not isinstance(digest, str):
        raise UnknownObjectError(f"row {row} has no picture", code="no_image")
    return FileResponse(
        artifact_store().verified_path(digest).open("rb"),
        content_type="image/png",
        headers={
            "X-Content-Type-Options": "nosniff",
            "Cache-Control": "private, max-age=31536000, immutable",
            "ETag": f'"{digest}"',
        },
    )


def _flips(request: Request, comparison: Comparison) -> dict[str, Any]:
    flips, token = slice_of(request, comparison.flips)
    return {"results": FlipOut(flips, many=True).data, "next_page_token": token}
