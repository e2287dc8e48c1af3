"""Schedules: promotions that are asked for beforehand."""

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from registry.accounts.models import Scope
from registry.api.endpoint import checked, operation
from registry.api.fields import text_filter
from registry.api.idempotency import once
from registry.api.pagination import page
from registry.api.upgrades import GATE_REFUSALS, ReasonIn
from registry.upgrades.models import ScheduledPromotion
from registry.upgrades.selectors import schedule_numbered, schedules
from registry.upgrades.services.carry_out import waits_for
from registry.upgrades.services.schedule import ShadowCondition, cancel, schedule

STATES = ScheduledPromotion.State.values


class ConditionField(serializers.Serializer):
    """What a shadow has to have shown."""

    queries = serializers.IntegerField(min_value=2, help_text="compared, at least")
    overlap = serializers.FloatField(
        min_value=0, max_value=1, help_text="of the lower bound of the mean overlap@10, at least"
    )


class ScheduleIn(ReasonIn):
    """When, on what condition, and how."""

    not_before = serializers.DateTimeField(
        default=None, allow_null=True, help_text="now, where there is a condition"
    )
    not_after = serializers.DateTimeField(
        default=None, allow_null=True, help_text="a day after `not_before`, unless told"
    )
    after_shadow = ConditionField(default=None, allow_null=True)
    dual_query = serializers.BooleanField(
        default=False, help_text="let each version go on to query its own vectors"
    )


class SchedulesIn(serializers.Serializer):
    """What a list of schedules is narrowed by."""

    model = serializers.CharField(default="")
    alias = serializers.CharField(default="")
    state = serializers.ChoiceField(choices=STATES, default="")


class ScheduleOut(serializers.Serializer):
    """A promotion that was asked for beforehand, and what became of it."""

    id = serializers.IntegerField()
    upgrade = serializers.IntegerField(source="upgrade_id")
    alias = serializers.CharField(source="upgrade.alias")
    candidate = serializers.CharField(source="upgrade.candidate")
    state = serializers.ChoiceField(choices=STATES)
    not_before = serializers.DateTimeField()
    not_after = serializers.DateTimeField()
    after_shadow = serializers.SerializerMethodField()
    dual_query = serializers.BooleanField()
    reason = serializers.CharField()
    code = serializers.CharField(help_text="why it ended without a promotion; empty otherwise")
    detail = serializers.CharField()
    epoch = serializers.IntegerField(
        source="move.epoch", default=None, allow_null=True, help_text="that it led to"
    )
    created_by = serializers.CharField(source="created_by.username")
    created_at = serializers.DateTimeField()
    ended_at = serializers.DateTimeField(allow_null=True)

    @extend_schema_field(ConditionField(allow_null=True))
    def get_after_shadow(self, held: ScheduledPromotion) -> dict[str, Any] | None:
        if held.shadow_queries is None:
            return None
        return {"queries": held.shadow_queries, "overlap": held.shadow_overlap}


class ScheduleDetailOut(ScheduleOut):
    """A schedule with what it waits for beside its moment."""

    waits_for = serializers.SerializerMethodField()

    @extend_schema_field(
        serializers.CharField(help_text="what its condition lacks now; empty otherwise")
    )
    def get_waits_for(self, held: ScheduledPromotion) -> str:
        return waits_for(held) if held.state == ScheduledPromotion.State.OPEN else ""


@operation(
    scope=Scope.READ,
    answers=ScheduleOut,
    pages=True,
    query=[
        text_filter("model", "name of the model"),
        text_filter("alias", "name of the alias"),
        text_filter("state", f"one of {', '.join(STATES)}"),
    ],
)
def list_schedules(request: Request) -> Response:
    """List promotions that were asked for beforehand, newest first."""
    given = checked(SchedulesIn, request.query_params)
    named = {
        "upgrade__alias__model__name": "model",
        "upgrade__alias__name": "alias",
        "state": "state",
    }
    wanted = {column: given[key] for column, key in named.items() if given[key]}
    return page(request, schedules().filter(**wanted), ScheduleOut)


@operation(scope=Scope.READ, answers=ScheduleDetailOut, refuses=["unknown_schedule"])
def read_schedule(request: Request, schedule: int) -> Response:
    """Read a schedule: what it waits for, or what became of it."""
    return Response(ScheduleDetailOut(schedule_numbered(schedule)).data)


@operation(
    scope=Scope.PROMOTE,
    takes=ScheduleIn,
    status=201,
    answers=ScheduleDetailOut,
    once=True,
    refuses=[
        "unknown_upgrade",
        "invalid_schedule",
        "invalid_condition",
        "duplicate_schedule",
        *GATE_REFUSALS,
    ],
)
def schedule_promotion(request: Request, upgrade: int) -> Response:
    """Have a candidate promoted later; the gate is asked now, and anew at that moment."""
    given = checked(ScheduleIn, request.data)
    condition = given.pop("after_shadow")

    def act() -> Response:
        made = schedule(
            upgrade_id=upgrade,
            actor=request.user,
            after_shadow=ShadowCondition(**condition) if condition else None,
            **given,
        )
        return Response(ScheduleDetailOut(schedule_numbered(made.pk)).data, status=201)

    return once(request, act)


@operation(
    scope=Scope.PROMOTE,
    takes=ReasonIn,
    answers=ScheduleDetailOut,
    once=True,
    refuses=["unknown_schedule", "schedule_ended"],
)
def cancel_schedule(request: Request, schedule: int) -> Response:
    """Cancel a promotion that was asked for beforehand."""
    given = checked(ReasonIn, request.data)

    def act() -> Response:
        cancel(schedule_id=schedule, actor=request.user, **given)
        return Response(ScheduleDetailOut(schedule_numbered(schedule)).data)

    return once(request, act)
