"""Search of a gallery."""

from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from registry.accounts.models import Scope
from registry.api.endpoint import operation
from registry.core.errors import InvalidInputError
from registry.galleries.selectors import gallery_to_search
from registry.galleries.services.search import search


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
