"""Where policies are set: for everything of a task, a group of models, a model, or an alias."""

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from compat.policy import Task
from registry.accounts.models import Scope
from registry.api.endpoint import checked, operation
from registry.api.gates import GateOut, PolicyChoiceIn
from registry.api.pagination import page
from registry.api.policies import EffectivePolicyOut
from registry.catalog.selectors import alias_named, model_named
from registry.core.errors import InvalidInputError
from registry.upgrades.effective_policies import effective_policy
from registry.upgrades.models import PolicyChoice
from registry.upgrades.policy_scopes import Place
from registry.upgrades.selectors import gate_of, policy_choices, policy_referred
from registry.upgrades.services.policy_scopes import choose_policy, inherit_policy

SETTING = [
    "unknown_policy",
    "invalid_reference",
    "task_mismatch",
    "invalid_policy",
]
"""What a policy is refused with where it would be set."""


class PolicyScopeOut(serializers.Serializer):
    """What is set for one scope."""

    scope = serializers.ChoiceField(choices=PolicyChoice.Scope.values)
    where = serializers.CharField(help_text="the scope in words, such as `model digits`")
    task = serializers.ChoiceField(choices=list(Task))
    group = serializers.CharField(allow_blank=True)
    model = serializers.CharField(source="model.name", default=None, allow_null=True)
    alias = serializers.CharField(allow_null=True, help_text="such as `digits@production`")
    policy = serializers.SerializerMethodField()

    @extend_schema_field(
        serializers.CharField(allow_null=True, help_text="null: it inherits what is wider")
    )
    def get_policy(self, choice: PolicyChoice) -> str | None:
        return str(choice.policy_revision) if choice.policy_revision_id else None


@operation(scope=Scope.READ, answers=PolicyScopeOut, pages=True)
def list_policy_choices(request: Request) -> Response:
    """List what is set where, in the order in which the scopes were first set."""
    return page(request, policy_choices(), PolicyScopeOut, by="pk")


@operation(
    scope=Scope.PROMOTE,
    takes=PolicyChoiceIn,
    answers=PolicyScopeOut,
    refuses=["unknown_task", *SETTING],
)
def set_policy_for_everything(request: Request, task: str) -> Response:
    """Set the policy that every model of a task inherits."""
    return _set(request, Place.everything(_task(task)))


@operation(scope=Scope.PROMOTE, answers=PolicyScopeOut, refuses=["unknown_task", "nothing_wider"])
def unset_policy_for_everything(request: Request, task: str) -> Response:
    """Refuse to leave a task without a policy; set another one in its place."""
    return _unset(request, Place.everything(_task(task)))


@operation(
    scope=Scope.PROMOTE,
    takes=PolicyChoiceIn,
    answers=PolicyScopeOut,
    refuses=["unknown_task", "invalid_name", *SETTING],
)
def set_policy_for_group(request: Request, task: str, group: str) -> Response:
    """Set the policy that the models of a group inherit."""
    return _set(request, Place.of_group(_task(task), group))


@operation(
    scope=Scope.PROMOTE,
    answers=PolicyScopeOut,
    refuses=["unknown_task", "policy_not_set", "invalid_policy"],
)
def unset_policy_for_group(request: Request, task: str, group: str) -> Response:
    """Let a group inherit again."""
    return _unset(request, Place.of_group(_task(task), group))


@operation(
    scope=Scope.PROMOTE,
    takes=PolicyChoiceIn,
    answers=PolicyScopeOut,
    refuses=["unknown_model", *SETTING],
)
def set_policy_for_model(request: Request, model: str) -> Response:
    """Set the policy that the aliases of a model inherit."""
    return _set(request, Place.of_model(model_named(model)))


@operation(
    scope=Scope.PROMOTE,
    answers=PolicyScopeOut,
    refuses=["unknown_model", "policy_not_set", "invalid_policy"],
)
def unset_policy_for_model(request: Request, model: str) -> Response:
    """Let a model inherit again."""
    return _unset(request, Place.of_model(model_named(model)))


@operation(
    scope=Scope.PROMOTE,
    answers=GateOut,
    refuses=["unknown_alias", "policy_not_set", "invalid_policy", "policy_conflict"],
)
def unset_policy_for_alias(request: Request, model: str, alias: str) -> Response:
    """Let an alias inherit again."""
    found = alias_named(model, alias)
    inherit_policy(place=Place.of_alias(found), actor=request.user)
    return Response(GateOut(gate_of(found)).data)


@operation(
    scope=Scope.READ, answers=EffectivePolicyOut, refuses=["unknown_alias", "policy_conflict"]
)
def read_effective_policy(request: Request, model: str, alias: str) -> Response:
    """Read what guards an alias after inheritance, and where each rule comes from."""
    return Response(EffectivePolicyOut(effective_policy(alias_named(model, alias))).data)


def _set(request: Request, place: Place) -> Response:
    revision = policy_referred(checked(PolicyChoiceIn, request.data)["policy"])
    choice = choose_policy(place=place, revision=revision, actor=request.user)
    return Response(PolicyScopeOut(choice).data)


def _unset(request: Request, place: Place) -> Response:
    inherit_policy(place=place, actor=request.user)
    return Response(PolicyScopeOut(PolicyChoice(**place.key)).data)


def _task(name: Any) -> str:
    if name not in list(Task):
        raise InvalidInputError(f"a task is one of {', '.join(Task)}", code="unknown_task")
    return name
