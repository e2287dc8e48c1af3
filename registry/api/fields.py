"""Fields and query parameters that several resources share."""

import re
from typing import Any

from drf_spectacular.utils import OpenApiParameter, extend_schema_field
from rest_framework import serializers

from registry.core.leases import WorkState

_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")


@extend_schema_field({"type": "object", "additionalProperties": True})
class DocumentField(serializers.JSONField):
    """A JSON document: as it is in a JSON body, as text in a multipart field."""

    def to_internal_value(self, data: Any) -> Any:
        try:
            document = super().to_internal_value(data)
            _require_storable(document)
        except RecursionError:
            raise serializers.ValidationError("nested too deeply") from None
        return document


class Sha256Field(serializers.RegexField):
    """64 hexadecimal digits."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(r"^[0-9a-fA-F]{64}\Z", **kwargs)


class ErrorOfWorkOut(serializers.Serializer):
    """Why a piece of background work failed."""

    code = serializers.CharField(source="error_code")
    detail = serializers.CharField(source="error_detail")


class WorkOut(serializers.Serializer):
    """Where a piece of background work stands."""

    work_state = serializers.ChoiceField(choices=WorkState.values)
    progress_done = serializers.IntegerField()
    progress_total = serializers.IntegerField()
    error = serializers.SerializerMethodField()

    @extend_schema_field(ErrorOfWorkOut(allow_null=True))
    def get_error(self, work: Any) -> dict[str, str] | None:
        return error_of(work)


def error_of(work: Any) -> dict[str, str] | None:
    """Return why the work failed, or None."""
    return ErrorOfWorkOut(work).data if work.error_code else None


def text_filter(name: str, description: str) -> OpenApiParameter:
    """Return a query parameter that narrows a list."""
    return OpenApiParameter(name, str, description=description)


def _require_storable(value: Any) -> None:
    """Refuse text that no database column holds: the NUL character and lone surrogates."""
    if isinstance(value, str) and _UNSTORABLE.search(value):
        raise serializers.ValidationError("holds a NUL character or half a surrogate pair")
    if isinstance(value, dict):
        for key, inner in value.items():
            _require_storable(key)
            _require_storable(inner)
    elif isinstance(value, list):
        for inner in value:
            _require_storable(inner)
