"""Items of a gallery: vectors or inputs in, ids out.

Vectors are checked number by number, without a serializer for each of them.
"""

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from registry.accounts.models import Scope
from registry.api.endpoint import JSON, MULTIPART, checked, operation
from registry.api.fields import Sha256Field, WorkOut
from registry.api.idempotency import once
from registry.api.uploads import store_upload
from registry.catalog.selectors import resolve
from registry.catalog.services.store_artifact import Upload
from registry.core.errors import InvalidInputError
from registry.galleries.models import Gallery
from registry.galleries.selectors import batch_numbered, gallery_named
from registry.galleries.services.insert import insert_vectors, submit_inputs
from registry.galleries.services.remove import remove_items


class ItemIn(serializers.Serializer):
    """One item as it is documented; ``ItemsField`` reads it."""

    id = serializers.CharField(max_length=200)
    vector = serializers.ListField(child=serializers.FloatField())
    metadata = serializers.DictField(
        required=False, help_text="names to strings, whole numbers, true or false"
    )


@extend_schema_field(ItemIn(many=True))
class ItemsField(serializers.Field):
    """A list of items; becomes their ids, their vectors and their metadata."""

    def to_internal_value(
        self, data: Any
    ) -> tuple[list[str], list[list[float]], list[dict[str, Any]]]:
        if not isinstance(data, list) or not data:
            raise _invalid("items is a list of at least one item")
        ids, vectors, metadata = [], [], []
        for place, item in enumerate(data):
            if not isinstance(item, dict) or set(item) - {"metadata"} != {"id", "vector"}:
                raise _invalid(f"item {place} is not an object with id and vector")
            ids.append(_id(item["id"], place))
            vectors.append(_vector(item["vector"], place))
            metadata.append(item.get("metadata", {}))
        return ids, vectors, metadata


class ItemsIn(serializers.Serializer):
    """Vectors and the version that made them."""

    producer = serializers.CharField(help_text="such as `name:3`")
    items = ItemsField()


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


def _id(value: Any, place: int) -> str:
    if not isinstance(value, str) or not value.isprintable():
        raise _invalid(f"the id of item {place} is not a printable text")
    return value


def _vector(value: Any, place: int) -> list[float]:
    if not isinstance(value, list) or not all(type(number) in {int, float} for number in value):
        raise _invalid(f"the vector of item {place} is not a list of numbers")
    try:
        return [float(number) for number in value]
    except OverflowError:
        raise InvalidInputError(f"item {place} is not finite", code="not_finite") from None


def _invalid(detail: str) -> InvalidInputError:
    return InvalidInputError(detail, code="invalid_items")
