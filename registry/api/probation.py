"""The probation of a gallery: how long the former encoder embeds what is inserted as well."""

from typing import Any

from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from registry.accounts.models import Scope
from registry.api.endpoint import checked, operation
from registry.galleries.models import Gallery
from registry.galleries.selectors import gallery_named, twin_counts
from registry.galleries.services.twins import LONGEST_PROBATION_HOURS, set_probation


class ProbationIn(serializers.Serializer):
    """How long a probation lasts; what is open is lengthened or shortened."""

    hours = serializers.IntegerField(
        min_value=0, max_value=LONGEST_PROBATION_HOURS, help_text="0: there is none"
    )


class ProbationOut(serializers.Serializer):
    """What a rollback will find of what was inserted since a promotion."""

    gallery = serializers.CharField()
    hours = serializers.IntegerField(help_text="from each promotion on")
    encoder = serializers.CharField(
        allow_null=True, help_text="embeds what is inserted as well; null where none does"
    )
    until = serializers.DateTimeField(allow_null=True)
    batches_done = serializers.IntegerField(help_text="of twins, by any version")
    batches_waiting = serializers.IntegerField()
    batches_failed = serializers.IntegerField()


@operation(scope=Scope.READ, answers=ProbationOut, refuses=["unknown_gallery"])
def read_probation(request: Request, gallery: str) -> Response:
    """Read whether items are embedded twice now, by which version, and how far that has come."""
    return Response(_answer(gallery_named(gallery)))


@operation(
    scope=Scope.WRITE,
    takes=ProbationIn,
    answers=ProbationOut,
    refuses=["unknown_gallery", "gallery_attached"],
)
def change_probation(request: Request, gallery: str) -> Response:
    """Set how long a probation lasts, the one that is open included."""
    given = checked(ProbationIn, request.data)
    found = gallery_named(gallery)
    set_probation(gallery=found, hours=given["hours"], actor=request.user)
    return Response(_answer(gallery_named(gallery)))


def _answer(gallery: Gallery) -> dict[str, Any]:
    counts = twin_counts(gallery)
    shown = {
        "gallery": gallery.name,
        "hours": gallery.probation_hours,
        "encoder": gallery.probation_encoder,
        "until": gallery.probation_until,
        "batches_done": counts.done,
        "batches_waiting": counts.waiting,
        "batches_failed": counts.failed,
    }
    return ProbationOut(shown).data
