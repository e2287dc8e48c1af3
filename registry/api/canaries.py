"""Canaries: handing them in, having them checked, and the alarm when they differ."""

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from compat.drift import LEAST_TOLERANCE, MOST_TOLERANCE, TOLERANCE, DriftOutcome
from registry.accounts.models import Scope
from registry.api.endpoint import MULTIPART, checked, operation
from registry.api.fields import WorkOut
from registry.api.idempotency import once
from registry.api.pagination import page
from registry.api.uploads import FileIn, receive
from registry.catalog.services.store_artifact import Upload
from registry.core.errors import UploadError
from registry.galleries.canaries import (
    alarm_of,
    check_numbered,
    checks_of,
    in_words,
    set_numbered,
    sets_of,
)
from registry.galleries.models import CanaryCheck, DriftAlarm
from registry.galleries.selectors import gallery_named
from registry.galleries.services.check_canaries import UNCHECKED, request_check
from registry.galleries.services.drift_alarm import acknowledge_drift
from registry.galleries.services.hand_in_canaries import hand_in_canaries


class CanariesIn(FileIn):
    """Rows of one segment: id, input or image, and the vector as it lies in the index."""

    segment = serializers.IntegerField(min_value=1, max_value=2**31 - 1)
    tolerance = serializers.FloatField(
        default=TOLERANCE,
        help_text=f"greatest drift that counts as the same vector, {LEAST_TOLERANCE:g} to "
        f"{MOST_TOLERANCE:g}",
    )


class CanariesOut(WorkOut):
    """Canaries that were handed in; the work is their inspection."""

    id = serializers.IntegerField()
    segment = serializers.IntegerField(source="segment.number")
    producer = serializers.CharField(source="segment.producer")
    rows = serializers.IntegerField()
    tolerance = serializers.FloatField()
    is_current = serializers.BooleanField(help_text="the segment is checked by these")
    created_by = serializers.CharField(source="created_by.username")
    created_at = serializers.DateTimeField()


class SuspectOut(serializers.Serializer):
    """Another version that was tried on canaries that differ."""

    version = serializers.CharField()
    matching = serializers.IntegerField(
        allow_null=True, help_text="of the canaries that differ; null where it could not be tried"
    )
    note = serializers.CharField(help_text="why it could not be tried")


class SegmentCheckOut(serializers.Serializer):
    """What the canaries of one segment say."""

    segment = serializers.IntegerField()
    producer = serializers.CharField(help_text="the version that is claimed")
    handed_in = serializers.IntegerField(
        allow_null=True, help_text="id of the canaries; null where they were drawn from its items"
    )
    outcome = serializers.ChoiceField(choices=[*(o.value for o in DriftOutcome), UNCHECKED])
    code = serializers.CharField(help_text="why there is no comparison")
    detail = serializers.CharField()
    items = serializers.IntegerField(help_text="canaries")
    undefined = serializers.IntegerField(default=0, help_text="without a defined drift")
    over = serializers.IntegerField(default=0, help_text="above the tolerance")
    tolerance = serializers.FloatField(default=None, allow_null=True)
    worst = serializers.FloatField(allow_null=True, help_text="greatest drift of a canary")
    worst_id = serializers.CharField(default="", help_text="the canary that it is of")
    others = SuspectOut(many=True, default=())
    of = serializers.ListField(
        child=serializers.CharField(), default=(), help_text="whose vectors those that differ are"
    )


class CanaryCheckOut(WorkOut):
    """A check of all canaries of a gallery."""

    id = serializers.IntegerField()
    gallery = serializers.CharField()
    cause = serializers.ChoiceField(choices=CanaryCheck.Cause.values)
    outcome = serializers.SerializerMethodField()
    worst = serializers.FloatField(allow_null=True)
    segments = SegmentCheckOut(source="results", many=True)
    requested_by = serializers.CharField(
        source="requested_by.username", default=None, allow_null=True
    )
    requested_at = serializers.DateTimeField()
    finished_at = serializers.DateTimeField(allow_null=True)

    @extend_schema_field(
        serializers.ChoiceField(
            choices=[o.value for o in DriftOutcome],
            allow_null=True,
            help_text="null until it is done",
        )
    )
    def get_outcome(self, check: CanaryCheck) -> str | None:
        return check.outcome or None


class FindingOut(serializers.Serializer):
    """A segment whose canaries are not of the version that is claimed."""

    segment = serializers.IntegerField()
    producer = serializers.CharField(help_text="that is claimed")
    items = serializers.IntegerField(help_text="canaries")
    over = serializers.IntegerField(help_text="that differ")
    worst = serializers.FloatField()
    tolerance = serializers.FloatField()
    of = serializers.ListField(child=serializers.CharField(), help_text="whose vectors they are")


class DriftOut(serializers.Serializer):
    """The alarm of a gallery that no check has cleared."""

    state = serializers.ChoiceField(choices=[DriftAlarm.State.OPEN, DriftAlarm.State.ACKNOWLEDGED])
    in_words = serializers.SerializerMethodField()
    finding = FindingOut(many=True)
    check = serializers.IntegerField(source="last_check_id")
    raised_at = serializers.DateTimeField()
    acknowledged_by = serializers.CharField(
        source="acknowledged_by.username", default=None, allow_null=True
    )
    acknowledged_at = serializers.DateTimeField(allow_null=True)
    reason = serializers.CharField(help_text="of the acknowledgement")

    def get_in_words(self, alarm: DriftAlarm) -> str:
        return in_words(alarm.finding)


class CheckNowIn(serializers.Serializer):
    """Why it is checked now."""

    reason = serializers.CharField(default="", allow_blank=True, max_length=500)


class AcknowledgedIn(serializers.Serializer):
    """Why the drift is no harm."""

    reason = serializers.CharField(max_length=500)


OF_ONE_CHECK = ["unknown_gallery", "unknown_canary_check"]


def drift_of(gallery: str) -> Any:
    """Return the alarm of a gallery as answers carry it, or None."""
    alarm = alarm_of(gallery)
    return DriftOut(alarm).data if alarm else None


@operation(scope=Scope.READ, answers=CanariesOut, pages=True, refuses=["unknown_gallery"])
def list_canaries(request: Request, gallery: str) -> Response:
    """List the canaries that were handed in for an attached gallery, newest first."""
    return page(request, sets_of(gallery_named(gallery)), CanariesOut, by="-pk")


@operation(
    scope=Scope.WRITE,
    takes={MULTIPART: CanariesIn},
    status=202,
    answers=CanariesOut,
    once=True,
    refuses=[
        "unknown_gallery",
        "unknown_segment",
        "gallery_embedded",
        "encoder_without_weights",
        "invalid_tolerance",
        "unknown_upload",
        "upload_busy",
        "upload_incomplete",
        "wrong_upload_kind",
    ],
)
def hand_in(request: Request, gallery: str) -> Response:
    """Hand in canaries of one segment; once a worker accepts them they replace the former."""
    given = checked(CanariesIn, request.data)
    held = gallery_named(gallery)
    received = receive(request, given, Upload.TABLE)
    if received is None:
        raise UploadError("send the canaries as file or upload", code="empty_upload")

    def act() -> Response:
        handed_in = hand_in_canaries(
            gallery=held,
            number=given["segment"],
            upload=received.artifact,
            actor=request.user,
            tolerance=given["tolerance"],
        )
        return Response(CanariesOut(handed_in).data, status=202)

    return once(request, act, artifact=received.artifact)


@operation(scope=Scope.READ, answers=CanariesOut, refuses=["unknown_gallery", "unknown_canaries"])
def read_canaries(request: Request, gallery: str, canaries: int) -> Response:
    """Read whether canaries were accepted."""
    return Response(CanariesOut(set_numbered(gallery_named(gallery), canaries)).data)


@operation(scope=Scope.READ, answers=CanaryCheckOut, pages=True, refuses=["unknown_gallery"])
def list_canary_checks(request: Request, gallery: str) -> Response:
    """List the checks of a gallery's canaries, newest first."""
    return page(request, checks_of(gallery_named(gallery)), CanaryCheckOut, by="-pk")


@operation(
    scope=Scope.WRITE,
    takes=CheckNowIn,
    status=202,
    answers=CanaryCheckOut,
    once=True,
    refuses=["unknown_gallery", "no_canaries"],
)
def check_gallery(request: Request, gallery: str) -> Response:
    """Have the canaries of a gallery checked now; one that is to be done already is returned."""
    given = checked(CheckNowIn, request.data)
    held = gallery_named(gallery)

    def act() -> Response:
        asked = request_check(gallery=held, actor=request.user, **given)
        return Response(CanaryCheckOut(check_numbered(held, asked.pk)).data, status=202)

    return once(request, act)


@operation(scope=Scope.READ, answers=CanaryCheckOut, refuses=OF_ONE_CHECK)
def read_canary_check(request: Request, gallery: str, check: int) -> Response:
    """Read what a check of canaries found, segment by segment."""
    return Response(CanaryCheckOut(check_numbered(gallery_named(gallery), check)).data)


@operation(
    scope=Scope.PROMOTE,
    takes=AcknowledgedIn,
    answers=DriftOut,
    once=True,
    refuses=["unknown_gallery", "no_drift", "reason_missing"],
)
def acknowledge_alarm(request: Request, gallery: str) -> Response:
    """Acknowledge the drift of a gallery: it stands on record, and promotions go on."""
    given = checked(AcknowledgedIn, request.data)
    held = gallery_named(gallery)

    def act() -> Response:
        alarm = acknowledge_drift(gallery=held, reason=given["reason"], actor=request.user)
        return Response(DriftOut(alarm).data)

    return once(request, act)
