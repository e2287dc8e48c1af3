"""Galleries: what is searched, by which encoder."""

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from registry.accounts.models import Scope
from registry.api.canaries import DriftOut, drift_of
from registry.api.endpoint import checked, operation
from registry.api.idempotency import once
from registry.api.pagination import page
from registry.api.segments import SegmentOut
from registry.catalog.selectors import alias_named, resolve
from registry.core.errors import RegistryError
from registry.galleries.models import Gallery
from registry.galleries.selectors import galleries, gallery_named, segments_of, stored_vectors
from registry.galleries.services.attach import LONGEST_LOCATION, MOST_ITEMS, Attachment
from registry.galleries.services.create_gallery import create_gallery
from registry.galleries.services.holding import require_vectors_here
from registry.upgrades.services.gates import DEFAULT_ALIAS

MOST_HELD = 100
"""Versions that one attached index may hold vectors of (chosen)."""


class HeldIn(serializers.Serializer):
    """Vectors of one version in an attached index, counted by its owner."""

    producer = serializers.CharField(help_text="that made them: `name:3`")
    items = serializers.IntegerField(min_value=1, max_value=MOST_ITEMS)


class GalleryIn(serializers.Serializer):
    """A new gallery; its encoder is what the alias names."""

    name = serializers.CharField(help_text="1 to 100 letters, digits, hyphens or underscores")
    model = serializers.CharField()
    alias = serializers.CharField(default=DEFAULT_ALIAS)
    description = serializers.CharField(default="", allow_blank=True, max_length=300)
    engine = serializers.CharField(
        default=Gallery.Engine.FILES, help_text="that searches it: `files`, `pgvector` or `milvus`"
    )
    kind = serializers.ChoiceField(choices=Gallery.Kind.values, default=Gallery.Kind.EMBEDDED)
    location = serializers.CharField(
        default="",
        allow_blank=True,
        max_length=LONGEST_LOCATION,
        help_text="where an attached index is; shown to people, never fetched",
    )
    held = HeldIn(
        many=True, default=(), help_text="what an attached index holds; at most 100 versions"
    )

    def validate_held(self, held: list[dict[str, Any]]) -> list[dict[str, Any]]:
        if len(held) > MOST_HELD:
            raise serializers.ValidationError(f"at most {MOST_HELD} versions")
        return held

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        is_attached = attrs["kind"] == Gallery.Kind.ATTACHED
        if is_attached and attrs["engine"] != Gallery.Engine.FILES:
            raise serializers.ValidationError("an attached gallery is searched by its owner")
        if not is_attached and (attrs["location"] or attrs["held"]):
            raise serializers.ValidationError("location and held are for attached galleries")
        return attrs


class GalleryOut(serializers.Serializer):
    """A gallery as a list shows it."""

    name = serializers.CharField()
    description = serializers.CharField()
    kind = serializers.ChoiceField(choices=Gallery.Kind.values)
    location = serializers.CharField(help_text="of the index, if it is attached")
    engine = serializers.CharField(help_text="that searches it: `files`, `pgvector`, `milvus`")
    model = serializers.CharField(source="alias.model")
    alias = serializers.CharField(source="alias.name")
    epoch = serializers.IntegerField(help_text="counts its cutovers")
    encoder = serializers.CharField(source="live_view.encoder")
    items = serializers.IntegerField(
        source="item_count", help_text="as its owner declares them, if it is attached"
    )
    created_by = serializers.CharField(source="created_by.username")
    created_at = serializers.DateTimeField()


class GalleryDetailOut(GalleryOut):
    """A gallery with its segments."""

    view = serializers.IntegerField(source="live_view.number")
    drift = serializers.SerializerMethodField(
        help_text="whether its canaries say that another encoder made its vectors"
    )
    segments = serializers.SerializerMethodField()

    @extend_schema_field(DriftOut(allow_null=True))
    def get_drift(self, gallery: Gallery) -> Any:
        return drift_of(gallery.name)

    @extend_schema_field(SegmentOut(many=True))
    def get_segments(self, gallery: Gallery) -> Any:
        live = {entry.segment_id: entry for entry in gallery.live_view.entries.all()}
        segments = list(segments_of(gallery))
        for segment in segments:
            entry = live.get(segment.pk)
            segment.searchable = bool(entry and entry.searchable)
            segment.evidence = entry.evidence if entry else ""
        return SegmentOut(segments, many=True).data


class VerifiedOut(serializers.Serializer):
    """Whether every stored vector is the one that was stored."""

    verified = serializers.BooleanField()
    vectors = serializers.IntegerField(allow_null=True)
    bytes = serializers.IntegerField(allow_null=True)
    sha256 = serializers.CharField(allow_null=True, help_text="over the digests of all chunks")
    code = serializers.CharField(allow_blank=True)
    detail = serializers.CharField(allow_blank=True)


@operation(scope=Scope.READ, answers=GalleryOut, pages=True)
def list_galleries(request: Request) -> Response:
    """List galleries by name."""
    return page(request, galleries(), GalleryOut, by="name")


@operation(
    scope=Scope.WRITE,
    takes=GalleryIn,
    status=201,
    answers=GalleryDetailOut,
    once=True,
    refuses=[
        "invalid_name",
        "unknown_alias",
        "alias_empty",
        "task_mismatch",
        "duplicate_gallery",
        "invalid_location",
        "invalid_reference",
        "unknown_version",
        "other_model",
        "version_not_ready",
        "duplicate_producer",
        "unknown_engine",
        "engine_not_configured",
    ],
)
def open_gallery(request: Request) -> Response:
    """Open a gallery that follows an alias; an attached one is an index of another team."""
    given = checked(GalleryIn, request.data)
    alias = alias_named(given["model"], given["alias"])
    attachment = None
    if given["kind"] == Gallery.Kind.ATTACHED:
        held = [(resolve(one["producer"]), one["items"]) for one in given["held"]]
        attachment = Attachment(given["location"], held)

    def act() -> Response:
        gallery = create_gallery(
            name=given["name"],
            alias=alias,
            actor=request.user,
            description=given["description"],
            attachment=attachment,
            engine=given["engine"],
        )
        return Response(_detail(gallery.name), status=201)

    return once(request, act)


@operation(scope=Scope.READ, answers=GalleryDetailOut, refuses=["unknown_gallery"])
def read_gallery(request: Request, gallery: str) -> Response:
    """Read a gallery: its live pointer and every segment with the evidence for it."""
    return Response(_detail(gallery))


@operation(scope=Scope.READ, answers=VerifiedOut, refuses=["unknown_gallery", "gallery_attached"])
def verify_gallery(request: Request, gallery: str) -> Response:
    """Read every stored vector of a gallery against its digest."""
    nothing = {"vectors": None, "bytes": None, "sha256": None}
    held = gallery_named(gallery)
    require_vectors_here(held)
    try:
        found = stored_vectors(held)
    except RegistryError as exc:
        return Response({"verified": False, "code": exc.code, "detail": str(exc)} | nothing)
    return Response({"verified": True, "code": "", "detail": ""} | found)


def _detail(name: str) -> Any:
    gallery_named(name)
    return GalleryDetailOut(galleries().get(name=name)).data
