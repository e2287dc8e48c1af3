"""Vectors in a request: checked number by number, without a serializer for each of them."""

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from registry.core.errors import InvalidInputError


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
