"""Aliases: what serves, what served, what guards it, promote and roll back."""

from datetime import datetime
from typing import Any

from django.utils import timezone
from drf_spectacular.utils import OpenApiParameter, extend_schema_field
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from compat.plan import CutoverPlan
from registry.accounts.models import Scope
from registry.api.endpoint import checked, operation
from registry.api.evaluation_sets import RevisionOut
from registry.api.idempotency import once
from registry.api.pagination import page
from registry.api.policies import EffectivePolicyOut, PolicyRevisionOut
from registry.api.upgrades import (
    GATE_REFUSALS,
    MoveOut,
    PromotionIn,
    PromotionOut,
    ReasonIn,
    promoted,
)
from registry.api.waivers import WaiverOut
from registry.catalog.models import Alias, AliasMove
from registry.catalog.selectors import (
    alias_at,
    alias_named,
    aliases_of,
    model_named,
    moves_of,
    version_numbered,
)
from registry.core.errors import InvalidInputError, UnknownObjectError
from registry.evaluation.selectors import revision_referred
from registry.galleries.selectors import segments_by_id
from registry.upgrades.models import AliasGate
from registry.upgrades.owed import waivers_owed
from registry.upgrades.selectors import gate_of, pin_of, policy_referred, upgrade_to
from registry.upgrades.services.gates import ensure_alias, pin_set, unpin_set
from registry.upgrades.services.policies import EffectivePolicy, effective_policy, set_policy
from registry.upgrades.services.roll_back import RollbackPlan, plan_rollback, roll_back

NUMBER = {"min_value": 1, "max_value": 999_999_999}


class AliasIn(serializers.Serializer):
    """A new alias of a model."""

    name = serializers.SlugField(max_length=50)


class AliasOut(serializers.Serializer):
    """A movable name."""

    alias = serializers.CharField(source="__str__", help_text="such as `name@production`")
    name = serializers.CharField()
    epoch = serializers.IntegerField(help_text="counts its moves")
    version = serializers.CharField(allow_null=True, help_text="null before the first promotion")


class MomentIn(serializers.Serializer):
    """When the alias is looked at."""

    at = serializers.CharField(default="")


class StandingOut(serializers.Serializer):
    """What an alias names, or named at a moment, and how that came about."""

    alias = serializers.CharField()
    name = serializers.CharField()
    at = serializers.DateTimeField()
    epoch = serializers.IntegerField()
    version = serializers.CharField(allow_null=True)
    digest = serializers.CharField(allow_null=True)
    move = MoveOut(allow_null=True, help_text="who moved it there, why, on what evidence")
    waivers_owed = WaiverOut(
        many=True, help_text="under which it serves, until a promotion needs none"
    )


class PinOut(serializers.Serializer):
    """An evaluation-set revision that judges the candidates."""

    evaluation_set = serializers.CharField(source="set_revision", help_text="such as `name:1`")
    revision = RevisionOut(source="set_revision")


class GateOut(serializers.Serializer):
    """What guards an alias."""

    alias = serializers.CharField()
    policy = serializers.SerializerMethodField()
    effective_policy = serializers.SerializerMethodField()
    pins = serializers.SerializerMethodField()

    @extend_schema_field(PolicyRevisionOut(help_text="the most specific one that is set"))
    def get_policy(self, gate: AliasGate) -> Any:
        return PolicyRevisionOut(self._effective(gate).revision).data

    @extend_schema_field(EffectivePolicyOut)
    def get_effective_policy(self, gate: AliasGate) -> Any:
        return EffectivePolicyOut(self._effective(gate)).data

    def _effective(self, gate: AliasGate) -> EffectivePolicy:
        if not hasattr(self, "_read"):
            self._read = effective_policy(gate.alias)
        return self._read

    @extend_schema_field(PinOut(many=True))
    def get_pins(self, gate: AliasGate) -> Any:
        pins = gate.pins.select_related("set_revision__evaluation_set", "set_revision__created_by")
        return PinOut(pins, many=True).data


class PolicyChoiceIn(serializers.Serializer):
    """The policy revision that shall be set."""

    policy = serializers.CharField(help_text="such as `name:1`")


class PinIn(serializers.Serializer):
    """The evaluation-set revision that shall judge."""

    evaluation_set = serializers.CharField(help_text="such as `name:1`")


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


@operation(scope=Scope.READ, answers=AliasOut, pages=True, refuses=["unknown_model"])
def list_aliases(request: Request, model: str) -> Response:
    """List the aliases of a model by name."""
    return page(request, aliases_of(model_named(model)), AliasOut, by="name")


@operation(
    scope=Scope.WRITE,
    takes=AliasIn,
    status=201,
    answers=AliasOut,
    once=True,
    refuses=["unknown_model"],
)
def open_alias(request: Request, model: str) -> Response:
    """Open an alias with the default policy of the model's task; an existing one is returned."""
    given = checked(AliasIn, request.data)
    line = model_named(model)

    def act() -> Response:
        return Response(AliasOut(ensure_alias(model=line, **given)).data, status=201)

    return once(request, act)


@operation(
    scope=Scope.READ,
    answers=StandingOut,
    query=[OpenApiParameter("at", datetime, description="a moment in the past; now unless given")],
    refuses=["unknown_alias", "invalid_moment"],
)
def read_alias(request: Request, model: str, alias: str) -> Response:
    """Read what an alias names, or named at a moment, who moved it there and on what evidence."""
    found = alias_named(model, alias)
    at = _moment(checked(MomentIn, request.query_params)["at"])
    return Response(StandingOut(_standing(found, at)).data)


@operation(scope=Scope.READ, answers=MoveOut, pages=True, refuses=["unknown_alias"])
def list_alias_moves(request: Request, model: str, alias: str) -> Response:
    """List the moves of an alias, newest first."""
    return page(request, moves_of(alias_named(model, alias)), MoveOut, by="-epoch")


@operation(scope=Scope.READ, answers=GateOut, refuses=["unknown_alias", "policy_conflict"])
def read_gate(request: Request, model: str, alias: str) -> Response:
    """Read what guards an alias."""
    return Response(GateOut(gate_of(alias_named(model, alias))).data)


@operation(
    scope=Scope.PROMOTE,
    takes=PolicyChoiceIn,
    answers=GateOut,
    refuses=[
        "unknown_alias",
        "unknown_policy",
        "invalid_reference",
        "task_mismatch",
        "invalid_policy",
        "policy_conflict",
    ],
)
def choose_policy(request: Request, model: str, alias: str) -> Response:
    """Let a policy revision guard the alias; verdicts made under another one become stale."""
    given = checked(PolicyChoiceIn, request.data)
    found = alias_named(model, alias)
    set_policy(alias=found, revision=policy_referred(given["policy"]), actor=request.user)
    return Response(GateOut(gate_of(found)).data)


@operation(
    scope=Scope.PROMOTE,
    takes=PinIn,
    answers=GateOut,
    once=True,
    refuses=[
        "unknown_alias",
        "unknown_evaluation_set",
        "invalid_reference",
        "task_mismatch",
        "set_not_ready",
        "set_was_fitted_on",
    ],
)
def pin_evaluation_set(request: Request, model: str, alias: str) -> Response:
    """Let an evaluation-set revision judge the candidates, in place of another one of its set."""
    given = checked(PinIn, request.data)
    found, revision = alias_named(model, alias), revision_referred(given["evaluation_set"])

    def act() -> Response:
        pin_set(alias=found, revision=revision, actor=request.user)
        return Response(GateOut(gate_of(found)).data)

    return once(request, act)


@operation(scope=Scope.PROMOTE, answers=GateOut, refuses=["unknown_alias", "unknown_pin"])
def unpin_evaluation_set(request: Request, model: str, alias: str, evaluation_set: str) -> Response:
    """Let a set no longer judge the candidates."""
    found = alias_named(model, alias)
    unpin_set(alias=found, pin=pin_of(found, evaluation_set), actor=request.user)
    return Response(GateOut(gate_of(found)).data)


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


def _moment(given: str) -> datetime:
    if not given:
        return timezone.now()
    try:
        moment = datetime.fromisoformat(given)
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise InvalidInputError(
            "at is an ISO 8601 time with its offset, such as 2030-01-31T12:00:00Z",
            code="invalid_moment",
        )
    return moment


def _standing(alias: Alias, at: datetime) -> dict[str, Any]:
    move: AliasMove | None = alias_at(alias, at)
    epoch = move.epoch if move else 0
    return {
        "alias": str(alias),
        "name": alias.name,
        "at": at,
        "epoch": epoch,
        "version": move.to_version if move else None,
        "digest": move.to_version.digest if move else None,
        "move": move,
        "waivers_owed": waivers_owed(alias, epoch=epoch),
    }


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
