"""Segments of a gallery, and what the owner of an attached one declares of them."""

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from registry.accounts.models import Scope
from registry.api.endpoint import checked, operation
from registry.api.fields import WorkOut
from registry.galleries.models import Segment
from registry.galleries.selectors import gallery_named, segments_by_id
from registry.galleries.services.attach import MOST_ITEMS, declare_items


class SegmentOut(WorkOut):
    """Vectors of one producer; the work is the seal that follows a cutover."""

    number = serializers.IntegerField()
    producer = serializers.CharField()
    dimension = serializers.IntegerField()
    distance = serializers.CharField()
    live_items = serializers.IntegerField()
    accepts_inserts = serializers.SerializerMethodField()
    searchable = serializers.BooleanField(help_text="by the live view")
    evidence = serializers.CharField(help_text="that lets the encoder search it")
    sealed_rows = serializers.IntegerField(allow_null=True)
    index_digest = serializers.CharField()
    index_kind = serializers.CharField(
        help_text="`flat`, `hnsw`, `ivf_sq8`, or the engine; empty without one"
    )
    index_note = serializers.CharField(
        help_text="why it is not of the kind its size asks for; how an engine keeps it"
    )
    indexed_rows = serializers.IntegerField(help_text="rows in the index; others are compared")
    recall_at_10 = serializers.FloatField(
        allow_null=True,
        help_text="share of the ten nearest that the index found, when it was built",
    )

    @extend_schema_field(bool)
    def get_accepts_inserts(self, segment: Segment) -> bool:
        return segment.state == Segment.State.INSERT


class DeclaredIn(serializers.Serializer):
    """How many items a segment of an attached gallery holds."""

    items = serializers.IntegerField(min_value=0, max_value=MOST_ITEMS)


class DeclaredOut(serializers.Serializer):
    """What the owner of an attached gallery has declared of one segment."""

    segment = serializers.IntegerField(source="number")
    producer = serializers.CharField()
    items = serializers.IntegerField(source="live_items")


@operation(
    scope=Scope.WRITE,
    takes=DeclaredIn,
    answers=DeclaredOut,
    refuses=["unknown_gallery", "unknown_segment", "gallery_embedded", "segment_not_live"],
)
def declare_segment(request: Request, gallery: str, segment: int) -> Response:
    """Declare how many items a segment of an attached gallery holds."""
    given = checked(DeclaredIn, request.data)
    declared = declare_items(
        gallery=gallery_named(gallery), number=segment, items=given["items"], actor=request.user
    )
    return Response(DeclaredOut(segments_by_id([declared.pk])[declared.pk]).data)
