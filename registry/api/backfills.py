"""Backfills: plan, start, follow, pause, resume, stop."""

import math
from typing import Any

from django.utils import timezone
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from registry.accounts.models import Scope
from registry.api.endpoint import checked, operation
from registry.api.fields import WorkOut
from registry.api.idempotency import once
from registry.api.pagination import page
from registry.api.upgrades import ReasonIn
from registry.galleries.estimates import BackfillPlan, backfill_plan, progress_of
from registry.galleries.models import Backfill
from registry.galleries.selectors import backfill_numbered, backfills_of, gallery_named
from registry.galleries.services.start_backfill import start_backfill
from registry.galleries.services.steer_backfill import (
    pause_backfill,
    resume_backfill,
    stop_backfill,
)


class FiniteField(serializers.FloatField):
    """A number; JSON has no other, but a query string may say ``nan``."""

    def to_internal_value(self, data: Any) -> float:
        value = super().to_internal_value(data)
        if not math.isfinite(value):
            raise serializers.ValidationError("is not finite")
        return value


class BackfillIn(serializers.Serializer):
    """How to re-embed."""

    order = serializers.ChoiceField(
        choices=Backfill.Order.values,
        default=Backfill.Order.RANDOM,
        help_text="which items first",
    )
    rate_limit_per_s = FiniteField(
        required=False, allow_null=True, default=None, help_text="items a second, at most"
    )


class PlanQuery(serializers.Serializer):
    """What the plan is reckoned with."""

    price_per_hour = FiniteField(
        required=False, min_value=0, help_text="of one worker, in any currency"
    )
    rate_limit_per_s = FiniteField(required=False, min_value=0.01)


class BackfillOut(WorkOut):
    """A backfill; the work is its next step."""

    id = serializers.IntegerField()
    gallery = serializers.CharField()
    encoder = serializers.CharField()
    state = serializers.ChoiceField(choices=Backfill.State.values)
    order = serializers.ChoiceField(
        choices=Backfill.Order.values, help_text="in which it is done, whatever was asked for"
    )
    order_note = serializers.CharField(help_text="why it is that one, and how it was tested")
    rate_limit_per_s = serializers.FloatField(allow_null=True)
    total = serializers.IntegerField()
    moved = serializers.IntegerField()
    skipped = serializers.IntegerField(help_text="removed or moved by others before their turn")
    failed = serializers.IntegerField(help_text="refused by the encoder; they stay where they are")
    failures = serializers.JSONField(help_text="the first of them: id and code")
    busy_s = serializers.FloatField(help_text="seconds that workers spent on it")
    rate_per_s = serializers.SerializerMethodField()
    remaining_s = serializers.SerializerMethodField()
    ends_at = serializers.SerializerMethodField()
    created_by = serializers.CharField(source="created_by.username")
    created_at = serializers.DateTimeField()
    finished_at = serializers.DateTimeField(allow_null=True)

    @extend_schema_field(serializers.FloatField(allow_null=True))
    def get_rate_per_s(self, backfill: Backfill) -> float | None:
        return progress_of(backfill, now=timezone.now()).rate_per_s

    @extend_schema_field(serializers.FloatField(allow_null=True))
    def get_remaining_s(self, backfill: Backfill) -> float | None:
        return progress_of(backfill, now=timezone.now()).remaining_s

    @extend_schema_field(serializers.DateTimeField(allow_null=True))
    def get_ends_at(self, backfill: Backfill) -> Any:
        return progress_of(backfill, now=timezone.now()).ends_at


class HoldingOut(serializers.Serializer):
    """Live items of one version that is not the live encoder."""

    producer = serializers.CharField()
    items = serializers.IntegerField()
    with_inputs = serializers.IntegerField()
    inputs_missing = serializers.IntegerField(help_text="handed in as vectors: not to be moved")


class BackfillPlanOut(serializers.Serializer):
    """What a full backfill to the live encoder would take."""

    encoder = serializers.CharField()
    items = serializers.IntegerField(help_text="live items of other versions")
    movable = serializers.IntegerField()
    inputs_missing = serializers.IntegerField()
    producers = HoldingOut(source="holdings", many=True)
    rate_per_s = serializers.FloatField(source="rate.per_s", allow_null=True)
    rate_measured_in = serializers.CharField(
        source="rate.source", help_text="`backfill:7`, or `outputs:3` where none ran yet"
    )
    duration_s = serializers.FloatField(allow_null=True)
    price_per_hour = serializers.FloatField(allow_null=True)
    cost = serializers.FloatField(allow_null=True)
    undefined = serializers.CharField(help_text="why there is no duration")


OF_ONE = ["unknown_gallery", "unknown_backfill"]


@operation(
    scope=Scope.READ,
    query=[PlanQuery],
    answers=BackfillPlanOut,
    refuses=["unknown_gallery", "gallery_attached"],
)
def read_backfill_plan(request: Request, gallery: str) -> Response:
    """Read what a full backfill to the live encoder would take and cost."""
    given = checked(PlanQuery, request.query_params)
    plan: BackfillPlan = backfill_plan(gallery_named(gallery), **given)
    return Response(BackfillPlanOut(plan).data)


@operation(scope=Scope.READ, answers=BackfillOut, pages=True, refuses=["unknown_gallery"])
def list_backfills(request: Request, gallery: str) -> Response:
    """List the backfills of a gallery, newest first."""
    return page(request, backfills_of(gallery_named(gallery)), BackfillOut, by="-pk")


@operation(
    scope=Scope.WRITE,
    takes=BackfillIn,
    status=201,
    answers=BackfillOut,
    once=True,
    refuses=[
        "unknown_gallery",
        "invalid_rate",
        "backfill_open",
        "nothing_to_backfill",
        "inputs_missing",
        "encoder_without_weights",
        "gallery_attached",
    ],
)
def open_backfill(request: Request, gallery: str) -> Response:
    """Begin to re-embed, with the live encoder, the items of other versions."""
    given = checked(BackfillIn, request.data)
    held = gallery_named(gallery)

    def act() -> Response:
        opened = start_backfill(gallery=held, actor=request.user, **given)
        return Response(_out(gallery, opened.pk), status=201)

    return once(request, act)


@operation(scope=Scope.READ, answers=BackfillOut, refuses=OF_ONE)
def read_backfill(request: Request, gallery: str, backfill: int) -> Response:
    """Read how far a backfill has come."""
    return Response(_out(gallery, backfill))


@operation(
    scope=Scope.WRITE,
    takes=ReasonIn,
    answers=BackfillOut,
    once=True,
    refuses=[*OF_ONE, "illegal_transition"],
)
def pause(request: Request, gallery: str, backfill: int) -> Response:
    """Pause a backfill: no further step begins."""
    return _steer(request, gallery, backfill, pause_backfill)


@operation(
    scope=Scope.WRITE,
    takes=ReasonIn,
    answers=BackfillOut,
    once=True,
    refuses=[*OF_ONE, "illegal_transition"],
)
def resume(request: Request, gallery: str, backfill: int) -> Response:
    """Resume a paused backfill where it was, after a failure too."""
    return _steer(request, gallery, backfill, resume_backfill)


@operation(
    scope=Scope.WRITE,
    takes=ReasonIn,
    answers=BackfillOut,
    once=True,
    refuses=[*OF_ONE, "illegal_transition"],
)
def stop(request: Request, gallery: str, backfill: int) -> Response:
    """Stop a backfill: what was moved stays moved, and nothing else will be."""
    return _steer(request, gallery, backfill, stop_backfill)


def _steer(request: Request, gallery: str, pk: int, verb: Any) -> Response:
    given = checked(ReasonIn, request.data)
    held = backfill_numbered(gallery_named(gallery), pk)

    def act() -> Response:
        verb(backfill=held, actor=request.user, **given)
        return Response(_out(gallery, pk))

    return once(request, act)


def _out(gallery: str, pk: int) -> Any:
    return BackfillOut(backfill_numbered(gallery_named(gallery), pk)).data
