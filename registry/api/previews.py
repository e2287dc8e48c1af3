"""Previews: a query as users see it now, and as they would if an upgrade were promoted."""

from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from registry.accounts.models import Scope
from registry.api.endpoint import operation
from registry.api.search import HitOut, SkippedOut
from registry.core.errors import InvalidInputError
from registry.galleries.selectors import gallery_named
from registry.galleries.services.search import preview, preview_samples

CHANGES = ["kept", "moved_up", "moved_down", "new", "gone"]
FLIPS = ["negative", "positive", "none", "unknown"]
MODES = ["evidence", "dual_query", "nothing"]


class SampleIn(serializers.Serializer):
    """A query of an evaluation set."""

    evaluation_set = serializers.CharField(help_text="such as `digits:1`")
    row = serializers.IntegerField(min_value=0)


class PreviewIn(serializers.Serializer):
    """What is looked for, exactly one of input, item_id and sample, and by which candidate."""

    upgrade = serializers.IntegerField(help_text="whose candidate is tried; it is open")
    k = serializers.IntegerField(default=10, min_value=1, max_value=1000)
    input = serializers.JSONField(required=False, help_text="one sample, for both encoders")
    item_id = serializers.CharField(required=False, help_text="an item whose input is stored")
    sample = SampleIn(required=False)
    labels_from = serializers.CharField(
        required=False,
        help_text="a set that labels items by their ids; those that judge the alias unless given",
    )


class SamplesIn(serializers.Serializer):
    """Which queries of a set, and by which candidate."""

    upgrade = serializers.IntegerField()
    evaluation_set = serializers.CharField(help_text="that judges the alias, such as `digits:1`")
    queries = serializers.IntegerField(default=20, min_value=1, max_value=50)
    seed = serializers.IntegerField(default=0, min_value=0, help_text="of the draw")
    k = serializers.IntegerField(default=10, min_value=1, max_value=1000)
    labels_from = serializers.CharField(required=False)


class ComparedHitOut(HitOut):
    """One item that was found, and where the other answer has it."""

    label = serializers.CharField(allow_null=True, help_text="if a set knows the item's id")
    change = serializers.ChoiceField(choices=CHANGES)
    by = serializers.IntegerField(help_text="ranks that it moved")
    picture = serializers.CharField(help_text="a PNG as a `data:` address, if there is one")


class SideOut(serializers.Serializer):
    """One of the two answers."""

    encoder = serializers.CharField()
    merged_by = serializers.ChoiceField(choices=["score", "calibrated"])
    hits = ComparedHitOut(many=True)
    skipped = SkippedOut(many=True)
    timings_ms = serializers.DictField(child=serializers.FloatField())


class PreviewQueryOut(serializers.Serializer):
    """What was asked with."""

    kind = serializers.ChoiceField(choices=["input", "item", "sample"])
    name = serializers.CharField(help_text="id of the item or the sample")
    row = serializers.IntegerField(allow_null=True, help_text="of the sample in its set")
    label = serializers.CharField(allow_null=True)
    picture = serializers.CharField()


class GroundsOut(serializers.Serializer):
    """What lets the candidate be asked, and how much of the gallery that reaches."""

    gallery = serializers.CharField()
    upgrade = serializers.IntegerField()
    mode = serializers.ChoiceField(
        choices=MODES,
        help_text="`evidence` covers what is searched; `dual_query`: the old encoder goes on to "
        "query its own vectors; `nothing` would be searched",
    )
    verdict_stands = serializers.BooleanField(help_text="evidence of one that does not is none")
    searchable_items = serializers.IntegerField()
    unsearchable_items = serializers.IntegerField()
    labels_from = serializers.ListField(
        child=serializers.CharField(), help_text="sets in which items are looked up by id"
    )


class PreviewOut(GroundsOut):
    """Both answers, made at one revision."""

    epoch = serializers.IntegerField()
    query = PreviewQueryOut()
    live = SideOut()
    preview = SideOut()
    overlap_at_10 = serializers.FloatField(
        allow_null=True, help_text="share of the first ten hits that both have"
    )
    flip = serializers.ChoiceField(choices=FLIPS, help_text="of the first hit")


class FirstHitOut(serializers.Serializer):
    """The first hit of an answer."""

    id = serializers.CharField()
    label = serializers.CharField(allow_null=True)


class SampleRowOut(serializers.Serializer):
    """One query in short."""

    query = PreviewQueryOut()
    live = FirstHitOut(allow_null=True)
    preview = FirstHitOut(allow_null=True)
    overlap_at_10 = serializers.FloatField(allow_null=True)
    flip = serializers.ChoiceField(choices=FLIPS)


class SamplesOut(GroundsOut):
    """How a few queries turned; too few to judge by."""

    evaluation_set = serializers.CharField()
    seed = serializers.IntegerField()
    queries = serializers.IntegerField()
    mean_overlap_at_10 = serializers.FloatField(allow_null=True)
    negative_flips = serializers.IntegerField()
    positive_flips = serializers.IntegerField()
    unknown_flips = serializers.IntegerField(help_text="where a label is not known")
    rows = SampleRowOut(many=True)


REFUSES = [
    "unknown_gallery",
    "unknown_upgrade",
    "unknown_evaluation_set",
    "invalid_reference",
    "invalid_query",
    "invalid_k",
    "input_shape",
    "not_finite",
    "gallery_attached",
    "gallery_of_other_alias",
    "upgrade_closed",
    "not_an_encoder",
    "encoder_without_weights",
    "version_not_ready",
    "set_not_ready",
    "search_unavailable",
    "encoder_unavailable",
    "segment_unavailable",
    "input_unavailable",
    "busy",
]


@operation(
    scope=Scope.READ,
    takes=PreviewIn,
    answers=PreviewOut,
    refuses=[
        *REFUSES,
        "unknown_item",
        "unknown_sample",
        "item_not_searchable",
        "inputs_missing",
        "query_not_encodable",
    ],
)
def preview_search(request: Request, gallery: str) -> Response:
    """Answer one query by the live view and as if an upgrade were promoted; nothing is written.

    Both answers are made at one revision of the gallery.
    """
    return Response(preview(gallery_named(gallery), _body(request)))


@operation(
    scope=Scope.READ, takes=SamplesIn, answers=SamplesOut, refuses=[*REFUSES, "set_not_pinned"]
)
def preview_sampled_queries(request: Request, gallery: str) -> Response:
    """Preview several queries of an evaluation set, drawn at random by a seed."""
    return Response(preview_samples(gallery_named(gallery), _body(request)))


def _body(request: Request) -> dict[str, object]:
    """Return the body as it came: the search process checks it."""
    if not isinstance(request.data, dict):
        raise InvalidInputError("a preview is asked for with a JSON object")
    return request.data
