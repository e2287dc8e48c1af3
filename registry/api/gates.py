"""What guards an alias: its policy and the sets that judge its candidates."""

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from registry.accounts.models import Scope
from registry.api.endpoint import checked, operation
from registry.api.evaluation_sets import RevisionOut
from registry.api.idempotency import once
from registry.api.policies import EffectivePolicyOut, PolicyRevisionOut
from registry.catalog.selectors import alias_named
from registry.evaluation.selectors import revision_referred
from registry.upgrades.effective_policies import EffectivePolicy, effective_policy
from registry.upgrades.models import AliasGate
from registry.upgrades.selectors import gate_of, pin_of, policy_referred
from registry.upgrades.services.gates import pin_set, unpin_set
from registry.upgrades.services.policy_scopes import set_policy


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
