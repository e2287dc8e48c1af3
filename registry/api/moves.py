"""Moves of an alias: what was moved, promote and roll back."""

from typing import Any

from drf_spectacular.utils import OpenApiParameter
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from compat.plan import CutoverPlan
from registry.accounts.models import Scope
from registry.api.endpoint import checked, operation
from registry.api.idempotency import once
from registry.api.pagination import page
from registry.api.upgrades import (
    GATE_REFUSALS,
    MoveOut,
    PromotionIn,
    PromotionOut,
    ReasonIn,
    promoted,
)
from registry.catalog.models import Alias
from registry.catalog.selectors import alias_named, moves_of, version_numbered
from registry.core.errors import UnknownObjectError
from registry.galleries.selectors import segments_by_id
from registry.upgrades.selectors import upgrade_to
from registry.upgrades.services.roll_back import RollbackPlan, plan_rollback, roll_back

NUMBER = {"min_value": 1, "max_value": 999_999_999}


class AliasPromotionIn(PromotionIn):
    """The candidate by its number or by its upgrade."""

    version = serializers.IntegerField(required=False, **NUMBER)
    upgrade = serializers.IntegerField(required=False, min_value=1, max_value=2**62)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if ("version" in attrs) == ("upgrade" in attrs):
            raise serializers.ValidationError("name either the version or the upgrade")
        return attrs


class TargetIn(serializers.Serializer):
    """The version to go back to, and who makes the queries for what was written since."""

    version = serializers.IntegerField(**NUMBER)
    dual_query = serializers.BooleanField(
        default=False, help_text="let each version go on to query its own vectors"
    )


class RollbackIn(ReasonIn, TargetIn):
    """The version to go back to, and how many items that may make unsearchable."""

    confirm_unsearchable = serializers.IntegerField(default=0, min_value=0, max_value=2**62)


class PlannedSegmentOut(serializers.Serializer):
    """Whether one segment would still be searched."""

    segment = serializers.IntegerField(help_text="its number")
    producer = serializers.CharField()
    live_items = serializers.IntegerField()
    searchable = serializers.BooleanField()
    evidence = serializers.CharField(help_text="`twins`: the target has embedded them as well")
    unsearchable_items = serializers.IntegerField(help_text="that no query would reach at once")
    returning_items = serializers.IntegerField(help_text="of them, embedded again afterwards")


class PlannedGalleryOut(serializers.Serializer):
    """What going back would mean for one gallery."""

    gallery = serializers.CharField()
    unsearchable_items = serializers.IntegerField()
    returning_items = serializers.IntegerField(help_text="of them, embedded again afterwards")
    segments = PlannedSegmentOut(many=True)


class RollbackPlanOut(serializers.Serializer):
    """What going back would mean: the number to confirm is ``unsearchable_items``."""

    alias = serializers.CharField()
    target = serializers.CharField()
    unsearchable_items = serializers.IntegerField()
    returning_items = serializers.IntegerField(help_text="of them, embedded again afterwards")
    galleries = PlannedGalleryOut(many=True)


@operation(scope=Scope.READ, answers=MoveOut, pages=True, refuses=["unknown_alias"])
def list_alias_moves(request: Request, model: str, alias: str) -> Response:
    """List the moves of an alias, newest first."""
    return page(request, moves_of(alias_named(model, alias)), MoveOut, by="-epoch")


@operation(
    scope=Scope.PROMOTE,
    takes=AliasPromotionIn,
    answers=PromotionOut,
    once=True,
    refuses=["unknown_alias", "unknown_upgrade", *GATE_REFUSALS],
)
def promote_alias(request: Request, model: str, alias: str) -> Response:
    """Move the alias to a candidate, and every gallery that follows it."""
    given = checked(AliasPromotionIn, request.data)
    found = alias_named(model, alias)
    upgrade_id = _upgrade_id(found, given)
    how = {key: given[key] for key in ("reason", "dry_run", "dual_query")}
    return promoted(request, upgrade_id, **how)


@operation(
    scope=Scope.READ,
    answers=RollbackPlanOut,
    query=[
        OpenApiParameter("version", int, required=True, description="to go back to"),
        OpenApiParameter("dual_query", bool, description="let each version query its own vectors"),
    ],
    refuses=["unknown_alias", "unknown_version", "already_serving", "never_promoted"],
)
def read_rollback_plan(request: Request, model: str, alias: str) -> Response:
    """Read what rolling back would mean, before it is done."""
    given = checked(TargetIn, request.query_params)
    found = alias_named(model, alias)
    plan = plan_rollback(
        alias=found,
        target=version_numbered(model, given["version"]),
        dual_query=given["dual_query"],
    )
    return Response(RollbackPlanOut(_plan(found, plan)).data)


@operation(
    scope=Scope.PROMOTE,
    takes=RollbackIn,
    answers=PromotionOut,
    once=True,
    refuses=[
        "unknown_alias",
        "unknown_version",
        "already_serving",
        "never_promoted",
        "unsearchable_items",
        "alias_moved",
        "epoch_moved",
        "illegal_transition",
    ],
)
def roll_back_alias(request: Request, model: str, alias: str) -> Response:
    """Move the alias back to a version that served before, and every gallery with it."""
    given = checked(RollbackIn, request.data)
    found, target = alias_named(model, alias), version_numbered(model, given["version"])

    def act() -> Response:
        movement = roll_back(
            alias=found,
            target=target,
            actor=request.user,
            reason=given["reason"],
            confirm_unsearchable=given["confirm_unsearchable"],
            dual_query=given["dual_query"],
        )
        return Response(PromotionOut(movement).data)

    return once(request, act)


def _upgrade_id(alias: Alias, given: dict[str, Any]) -> int:
    if "version" in given:
        return upgrade_to(alias, given["version"]).pk
    if not alias.upgrades.filter(pk=given["upgrade"]).exists():
        raise UnknownObjectError(
            f"no upgrade {given['upgrade']} of {alias}", code="unknown_upgrade"
        )
    return given["upgrade"]


def _plan(alias: Alias, plan: RollbackPlan) -> dict[str, Any]:
    return {
        "alias": alias,
        "target": plan.target,
        "unsearchable_items": plan.unsearchable_items,
        "returning_items": plan.returning_items,
        "galleries": [
            {
                "gallery": gallery,
                "unsearchable_items": cutover.unsearchable_items,
                "returning_items": cutover.returning_items,
                "segments": _segments(cutover),
            }
            for gallery, cutover in plan.galleries
        ],
    }


def _segments(plan: CutoverPlan) -> list[dict[str, Any]]:
    segments = segments_by_id(planned.segment for planned in plan.segments)
    return [
        {
            "segment": segments[planned.segment].number,
            "producer": segments[planned.segment].producer,
            "live_items": planned.live_items,
            "searchable": planned.searchable,
            "evidence": planned.evidence,
            "unsearchable_items": planned.lost_items,
            "returning_items": planned.returning_items,
        }
        for planned in plan.segments
    ]
