"""What reads a gallery from outside: the live pointer, and who has taken over which epoch."""

from typing import Any

from django.http import HttpResponse
from django.utils.cache import get_conditional_response
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema_field
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from registry.accounts.models import Scope
from registry.api.canaries import DriftOut
from registry.api.endpoint import checked, operation
from registry.api.pagination import page
from registry.catalog.models import ModelVersion
from registry.galleries.canaries import alarm_of
from registry.galleries.selectors import (
    LiveView,
    acknowledgements_of,
    gallery_named,
    live_pointer,
    view_plan,
)
from registry.galleries.services.acknowledge import acknowledge, forget_consumer


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
    drift = serializers.SerializerMethodField(
        help_text="whether canaries say that another encoder made the vectors"
    )

    @extend_schema_field(DriftOut(allow_null=True))
    def get_drift(self, live: LiveView) -> Any:
        alarm = self.context["alarm"]
        return DriftOut(alarm).data if alarm else None

    @extend_schema_field(LiveEncoderOut(many=True))
    def get_encoders(self, live: LiveView) -> Any:
        return LiveEncoderOut(live.encoders.values(), many=True).data


class AcknowledgementIn(serializers.Serializer):
    """Who answers from which epoch on."""

    consumer = serializers.CharField(help_text="1 to 100 letters, digits, hyphens or underscores")
    epoch = serializers.IntegerField(min_value=1, max_value=2**31 - 1)


class AcknowledgementOut(serializers.Serializer):
    """The last epoch that a consumer has taken over."""

    consumer = serializers.CharField()
    epoch = serializers.IntegerField()
    since = serializers.DateTimeField(help_text="when it acknowledged that epoch first")
    behind = serializers.IntegerField(help_text="epochs between it and the live one")
    behind_since = serializers.DateTimeField(
        allow_null=True, help_text="when the first epoch went live that it has not taken over"
    )
    acknowledged_by = serializers.CharField(source="acknowledged_by.username")


class ForgottenOut(serializers.Serializer):
    """Which consumer is waited for no longer."""

    consumer = serializers.CharField()


@operation(
    scope=Scope.READ,
    answers=LiveOut,
    query=[OpenApiParameter("If-None-Match", str, OpenApiParameter.HEADER)],
    also={304: OpenApiResponse(description="nothing has changed since the ETag was given")},
    refuses=["unknown_gallery"],
)
def read_live_view(request: Request, gallery: str) -> HttpResponse:
    """Read which encoder answers which segment now; the ETag is the epoch and the drift alarm."""
    pointer, alarm = live_pointer(gallery), alarm_of(gallery)
    drift = f".{alarm.pk}-{alarm.state}-{alarm.last_check_id}" if alarm else ""
    etag = f'"{gallery}.{pointer.epoch}.{pointer.view_id}{drift}"'
    known = get_conditional_response(request, etag=etag)
    if known is not None:
        return known
    live = view_plan(pointer.view_id).at(pointer)
    answer = LiveOut(live, context={"alarm": alarm}).data
    return Response(answer, headers={"ETag": etag, "Cache-Control": "no-cache"})


@operation(scope=Scope.READ, answers=AcknowledgementOut, pages=True, refuses=["unknown_gallery"])
def list_acknowledgements(request: Request, gallery: str) -> Response:
    """List the consumers of a gallery: the epoch of each, since when, and how far it is behind."""
    found = acknowledgements_of(gallery_named(gallery))
    return page(request, found, AcknowledgementOut, by="consumer")


@operation(
    scope=Scope.WRITE,
    takes=AcknowledgementIn,
    answers=AcknowledgementOut,
    refuses=["unknown_gallery", "invalid_name", "epoch_ahead", "epoch_behind"],
)
def acknowledge_epoch(request: Request, gallery: str) -> Response:
    """Acknowledge that a consumer answers from an epoch on; again is the same."""
    given = checked(AcknowledgementIn, request.data)
    held = gallery_named(gallery)
    noted = acknowledge(gallery=held, actor=request.user, **given)
    return Response(AcknowledgementOut(acknowledgements_of(held).get(pk=noted.pk)).data)


@operation(scope=Scope.WRITE, answers=ForgottenOut, refuses=["unknown_gallery", "unknown_consumer"])
def forget(request: Request, gallery: str, consumer: str) -> Response:
    """Forget a consumer that is gone."""
    forget_consumer(gallery=gallery_named(gallery), consumer=consumer, actor=request.user)
    return Response({"consumer": consumer})
