"""Galleries: what is searched, by which encoder; items in and out; search."""

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from registry.accounts.models import Scope
from registry.api.canaries import DriftOut, drift_of
from registry.api.endpoint import JSON, MULTIPART, checked, operation
from registry.api.fields import Sha256Field, WorkOut
from registry.api.idempotency import once
from registry.api.items import ItemsIn
from registry.api.pagination import page
from registry.api.uploads import store_upload
from registry.catalog.selectors import alias_named, resolve
from registry.catalog.services.store_artifact import Upload
from registry.core.errors import InvalidInputError, RegistryError
from registry.galleries.models import Gallery, Segment
from registry.galleries.selectors import (
    batch_numbered,
    galleries,
    gallery_named,
    gallery_to_search,
    segments_by_id,
    segments_of,
    stored_vectors,
)
from registry.galleries.services.attach import (
    LONGEST_LOCATION,
    MOST_ITEMS,
    Attachment,
    declare_items,
)
from registry.galleries.services.create_gallery import create_gallery
from registry.galleries.services.holding import require_vectors_here
from registry.galleries.services.insert import insert_vectors, submit_inputs
from registry.galleries.services.remove import remove_items
from registry.galleries.services.search import search
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


class DeclaredIn(serializers.Serializer):
    """How many items a segment of an attached gallery holds."""

    items = serializers.IntegerField(min_value=0, max_value=MOST_ITEMS)


class DeclaredOut(serializers.Serializer):
    """What the owner of an attached gallery has declared of one segment."""

    segment = serializers.IntegerField(source="number")
    producer = serializers.CharField()
    items = serializers.IntegerField(source="live_items")


class BatchOut(WorkOut):
    """Items that were handed in together."""

    id = serializers.IntegerField()
    gallery = serializers.CharField()
    producer = serializers.CharField(
        source="segment.producer", default=None, allow_null=True, help_text="once it is done"
    )
    rows = serializers.IntegerField()
    created_by = serializers.CharField(source="created_by.username")
    created_at = serializers.DateTimeField()


class InputsIn(serializers.Serializer):
    """Inputs that a worker embeds with the live encoder."""

    file = serializers.FileField(allow_empty_file=True, help_text="Parquet or NPZ")
    sha256 = Sha256Field(default="")


class IdsIn(serializers.Serializer):
    """Which items."""

    ids = serializers.ListField(
        child=serializers.CharField(max_length=200, trim_whitespace=False),
        allow_empty=False,
        max_length=10_000,
    )


class RemovedOut(serializers.Serializer):
    """How many items were removed."""

    removed = serializers.IntegerField()


class SearchIn(serializers.Serializer):
    """What is looked for: exactly one of vector, vectors, input and item_id."""

    k = serializers.IntegerField(default=10, min_value=1, max_value=1000)
    vector = serializers.ListField(
        required=False, child=serializers.FloatField(), help_text="goes with `producer`"
    )
    producer = serializers.CharField(required=False, help_text="that made the vector: `name:3`")
    vectors = serializers.DictField(
        required=False,
        child=serializers.ListField(child=serializers.FloatField()),
        help_text="one by version that asks, such as `name:3`",
    )
    input = serializers.JSONField(required=False, help_text="one sample, for the live encoder")
    item_id = serializers.CharField(required=False, help_text="an item, whose vector is used")
    filter = serializers.DictField(
        required=False, help_text="only items whose metadata equal it in every name that it has"
    )


class HitOut(serializers.Serializer):
    """One item that was found."""

    id = serializers.CharField()
    score = serializers.FloatField(help_text="higher is nearer")
    calibrated = serializers.FloatField(
        allow_null=True, help_text="in spreads above items of other classes, if several asked"
    )
    segment = serializers.IntegerField(help_text="number of the segment that holds it")
    producer = serializers.CharField(help_text="of its vector")


class SkippedOut(serializers.Serializer):
    """A segment that the query must not meet."""

    segment = serializers.IntegerField()
    producer = serializers.CharField()
    items = serializers.IntegerField()
    reason = serializers.CharField()


class SearchOut(serializers.Serializer):
    """The best hits under one epoch, and what was not searched."""

    gallery = serializers.CharField()
    epoch = serializers.IntegerField()
    view = serializers.IntegerField()
    encoder = serializers.CharField()
    merged_by = serializers.ChoiceField(choices=["score", "calibrated"])
    hits = HitOut(many=True)
    skipped = SkippedOut(many=True)
    timings_ms = serializers.DictField(child=serializers.FloatField())


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


@operation(
    scope=Scope.WRITE,
    takes={JSON: ItemsIn, MULTIPART: InputsIn},
    status=202,
    answers=BatchOut,
    also={201: BatchOut},
    once=True,
    refuses=[
        "unknown_gallery",
        "unknown_version",
        "unknown_alias",
        "alias_empty",
        "invalid_reference",
        "invalid_items",
        "invalid_metadata",
        "duplicate_id",
        "wrong_producer",
        "wrong_dimension",
        "not_finite",
        "zero_vector",
        "duplicate_item",
        "epoch_moved",
        "gallery_attached",
    ],
)
def insert_items(request: Request, gallery: str) -> Response:
    """Insert items: vectors with their declared producer (201), or a file of inputs (202).

    Inputs are embedded by a worker with the live encoder: read the batch's `work_state`.
    """
    if request.content_type.startswith(MULTIPART):
        return _insert_inputs(request, gallery_named(gallery))
    return _insert_vectors(request, gallery_named(gallery))


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


@operation(scope=Scope.READ, answers=BatchOut, refuses=["unknown_gallery", "unknown_batch"])
def read_batch(request: Request, gallery: str, batch: int) -> Response:
    """Read how far a batch has come."""
    return Response(BatchOut(batch_numbered(gallery_named(gallery), batch)).data)


@operation(
    scope=Scope.WRITE,
    takes=IdsIn,
    answers=RemovedOut,
    once=True,
    refuses=["unknown_gallery", "unknown_item", "gallery_attached"],
)
def remove_gallery_items(request: Request, gallery: str) -> Response:
    """Remove items by id; all or none."""
    given = checked(IdsIn, request.data)
    held = gallery_named(gallery)

    def act() -> Response:
        removed = remove_items(gallery=held, ids=given["ids"], actor=request.user)
        return Response({"removed": removed})

    return once(request, act)


@operation(
    scope=Scope.READ,
    takes=SearchIn,
    answers=SearchOut,
    refuses=[
        "unknown_gallery",
        "unknown_item",
        "item_not_searchable",
        "invalid_query",
        "invalid_filter",
        "invalid_k",
        "input_shape",
        "not_finite",
        "search_unavailable",
        "encoder_unavailable",
        "engine_unavailable",
        "segment_unavailable",
        "busy",
        "gallery_attached",
    ],
)
def search_gallery(request: Request, gallery: str) -> Response:
    """Search a gallery.

    The search process answers; it checks the body, and what it refuses is passed on.
    """
    if not isinstance(request.data, dict):
        raise InvalidInputError("a search is a JSON object")
    return Response(search(gallery_to_search(gallery), request.data))


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


def _insert_inputs(request: Request, gallery: Gallery) -> Response:
    given = checked(InputsIn, request.data)
    upload = store_upload(given, Upload.TABLE)

    def act() -> Response:
        batch = submit_inputs(gallery=gallery, upload=upload, actor=request.user)
        return Response(BatchOut(batch).data, status=202)

    return once(request, act, artifact=upload)


def _insert_vectors(request: Request, gallery: Gallery) -> Response:
    given = checked(ItemsIn, request.data)
    producer = resolve(given["producer"])
    ids, vectors, metadata = given["items"]

    def act() -> Response:
        batch = insert_vectors(
            gallery=gallery,
            producer=producer,
            ids=ids,
            vectors=vectors,
            metadata=metadata,
            actor=request.user,
        )
        return Response(BatchOut(batch_numbered(gallery, batch.pk)).data, status=201)

    return once(request, act)
