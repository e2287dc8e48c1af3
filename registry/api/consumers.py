"""What reads a gallery from outside: the live pointer, and how to build queries for it."""

from typing import Any

from django.http import HttpResponse
from django.utils.cache import get_conditional_response
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema_field
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from registry.accounts.models import Scope
from registry.api.endpoint import operation
from registry.catalog.models import ModelVersion
from registry.galleries.selectors import LiveView, live_pointer, view_plan


class LiveEncoderOut(serializers.Serializer):
    """A version that makes queries; one with an adapter is a version of its own."""

    version = serializers.CharField(source="*")
    digest = serializers.CharField(help_text="sha256 over artifact digest and manifest")
    artifact = serializers.CharField(
        source="artifact_id", allow_null=True, help_text="sha256; null for recorded outputs"
    )
    download = serializers.SerializerMethodField(help_text="where its artifact is, if any")
    dimension = serializers.IntegerField(source="manifest.output.dimension")
    distance = serializers.CharField(source="manifest.output.distance")
    normalisation = serializers.CharField(source="manifest.output.normalisation")

    @extend_schema_field(serializers.CharField(allow_null=True))
    def get_download(self, version: ModelVersion) -> str | None:
        if version.artifact_id is None:
            return None
        return f"/api/v1/models/{version.model.name}/versions/{version.number}/artifact"


class CalibrationOut(serializers.Serializer):
    """`(score - mean) / spread` is what the scores of different encoders are merged by."""

    mean = serializers.FloatField()
    spread = serializers.FloatField()
    pairs = serializers.IntegerField(help_text="of different classes that were looked at")


class LiveSegmentOut(serializers.Serializer):
    """One segment of the live view; counts are left out, they move within an epoch."""

    segment = serializers.IntegerField(source="number")
    producer = serializers.CharField()
    dimension = serializers.IntegerField()
    distance = serializers.CharField()
    searchable = serializers.BooleanField()
    encoder = serializers.CharField(help_text="makes the query for it, if it is searchable")
    evidence = serializers.CharField()
    calibration = CalibrationOut(
        allow_null=True, help_text="where versions other than the view's encoder make queries"
    )


class LiveOut(serializers.Serializer):
    """The live pointer: one answer for one epoch."""

    gallery = serializers.CharField()
    epoch = serializers.IntegerField()
    view = serializers.IntegerField()
    encoder = serializers.CharField()
    encoder_digest = serializers.CharField(source="encoder.digest")
    encoders = serializers.SerializerMethodField(
        help_text="every version that makes queries, the view's encoder first"
    )
    segments = LiveSegmentOut(many=True)

    @extend_schema_field(LiveEncoderOut(many=True))
    def get_encoders(self, live: LiveView) -> Any:
        return LiveEncoderOut(live.encoders.values(), many=True).data


@operation(
    scope=Scope.READ,
    answers=LiveOut,
    query=[OpenApiParameter("If-None-Match", str, OpenApiParameter.HEADER)],
    also={304: OpenApiResponse(description="the epoch is the one that the ETag names")},
    refuses=["unknown_gallery"],
)
def read_live_view(request: Request, gallery: str) -> HttpResponse:
    """Read which encoder answers which segment now; the ETag is the epoch."""
    pointer = live_pointer(gallery)
    etag = f'"{gallery}.{pointer.epoch}.{pointer.view_id}"'
    known = get_conditional_response(request, etag=etag)
    if known is not None:
        return known
    live = view_plan(pointer.view_id).at(pointer)
    return Response(LiveOut(live).data, headers={"ETag": etag, "Cache-Control": "no-cache"})
