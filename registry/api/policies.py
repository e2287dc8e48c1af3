"""Policies: versioned sets of rules, as documents and as text."""

from typing import Any

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from compat.policy import Level, Task
from compat.policy_defaults import DEFAULTS
from registry.accounts.models import Scope
from registry.api.endpoint import checked, operation
from registry.api.fields import DocumentField
from registry.api.idempotency import once
from registry.api.pagination import page
from registry.catalog.selectors import alias_named, model_named
from registry.core.errors import InvalidInputError
from registry.upgrades.effective_policies import EffectivePolicy, policy_if_set
from registry.upgrades.effective_rules import Effect, effective_rules
from registry.upgrades.models import Policy, PolicyChoice
from registry.upgrades.policy_problems import require_policy, schema
from registry.upgrades.policy_scopes import Place
from registry.upgrades.policy_text import read_written
from registry.upgrades.selectors import policy_revision
from registry.upgrades.services.policies import add_policy_revision


class WrittenIn(serializers.Serializer):
    """What may be a policy: a document, or the same as text."""

    document = DocumentField(required=False, help_text="see `policies/schema`")
    text = serializers.CharField(
        required=False,
        allow_blank=True,
        trim_whitespace=False,
        help_text="YAML or JSON, kept as it is; errors name its lines",
    )

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if ("document" in attrs) == ("text" in attrs):
            raise serializers.ValidationError("give either the document or the text")
        return attrs


class PolicyIn(WrittenIn):
    """A policy; it becomes a revision of the name."""

    name = serializers.CharField(help_text="1 to 100 letters, digits, hyphens or underscores")


class VerifyPolicyIn(WrittenIn):
    """What may be a policy, and where it might be set."""

    model = serializers.CharField(required=False)
    alias = serializers.CharField(required=False, help_text="of that model")

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if "alias" in attrs and "model" not in attrs:
            raise serializers.ValidationError("an alias goes with its model")
        return super().validate(attrs)


class PolicyOut(serializers.Serializer):
    """A named policy."""

    name = serializers.CharField()
    task = serializers.ChoiceField(choices=list(Task))
    last_number = serializers.SerializerMethodField()
    created_at = serializers.DateTimeField()

    def get_last_number(self, policy: Policy) -> int:
        return policy.next_number - 1


class PolicyRevisionOut(serializers.Serializer):
    """One immutable revision of a policy."""

    policy = serializers.CharField(source="__str__", help_text="such as `name:1`")
    number = serializers.IntegerField()
    document = DocumentField()
    text = serializers.CharField(help_text="as it was written; empty where it came as a document")
    digest = serializers.CharField()
    created_by = serializers.CharField(
        source="created_by.username",
        default=None,
        allow_null=True,
        help_text="null where the registry made it",
    )
    created_at = serializers.DateTimeField()


class LayerOut(serializers.Serializer):
    """What one scope sets."""

    scope = serializers.CharField(source="where", help_text="such as `model digits`")
    policy = serializers.SerializerMethodField()

    @extend_schema_field(serializers.CharField(allow_null=True, help_text="null: what is verified"))
    def get_policy(self, choice: PolicyChoice) -> str | None:
        return str(choice.policy_revision) if choice.policy_revision.pk else None


class EffectiveRuleOut(serializers.Serializer):
    """One rule after inheritance."""

    part = serializers.CharField(help_text="`rules` or `first_version`")
    name = serializers.CharField(source="rule.name")
    effect = serializers.ChoiceField(choices=list(Effect))
    scope = serializers.CharField(source="source.where", help_text="where it comes from")


class EffectivePolicyOut(serializers.Serializer):
    """What guards an alias after inheritance."""

    level = serializers.ChoiceField(source="rules.level", choices=list(Level))
    document = DocumentField(help_text="the whole of it")
    origins = serializers.DictField(
        child=serializers.CharField(), help_text="part of the document to the scope that set it"
    )
    rules = serializers.SerializerMethodField()
    layers = LayerOut(many=True, help_text="widest first")
    digest = serializers.CharField()

    @extend_schema_field(EffectiveRuleOut(many=True))
    def get_rules(self, policy: EffectivePolicy) -> Any:
        return EffectiveRuleOut(effective_rules(policy), many=True).data


class ProblemOut(serializers.Serializer):
    """One thing that is wrong with a policy."""

    line = serializers.IntegerField(allow_null=True, help_text="of the text, from 1")
    column = serializers.IntegerField(allow_null=True)
    path = serializers.CharField(allow_blank=True, help_text="such as `rules[1].threshold`")
    detail = serializers.CharField()


class VerifiedPolicyOut(serializers.Serializer):
    """Whether it is a policy, and if not, why; line and path are those of the first problem."""

    verified = serializers.BooleanField()
    task = serializers.ChoiceField(choices=list(Task), allow_null=True)
    code = serializers.CharField(allow_blank=True)
    detail = serializers.CharField(allow_blank=True)
    line = serializers.IntegerField(allow_null=True)
    path = serializers.CharField(allow_blank=True)
    problems = ProblemOut(many=True)
    document = DocumentField(allow_null=True, help_text="what the text says; null if not verified")
    effective_policy = EffectivePolicyOut(
        allow_null=True, help_text="what would hold for the alias or model, were it set there"
    )


class DefaultsOut(serializers.Serializer):
    """The default policy of each task."""

    classification = DocumentField()
    embedding = DocumentField()


@operation(scope=Scope.READ, answers=PolicyOut, pages=True)
def list_policies(request: Request) -> Response:
    """List policies by name."""
    return page(request, Policy.objects.all(), PolicyOut, by="name")


@operation(
    scope=Scope.WRITE,
    takes=PolicyIn,
    status=201,
    answers=PolicyRevisionOut,
    once=True,
    refuses=["invalid_name", "invalid_policy", "task_mismatch", "duplicate_policy"],
)
def add_policy(request: Request) -> Response:
    """Add a revision of a policy; it guards no alias by itself."""
    given = checked(PolicyIn, request.data)

    def act() -> Response:
        revision = add_policy_revision(actor=request.user, **given)
        return Response(PolicyRevisionOut(revision).data, status=201)

    return once(request, act)


@operation(
    scope=Scope.READ,
    takes=VerifyPolicyIn,
    answers=VerifiedPolicyOut,
    refuses=["unknown_model", "unknown_alias"],
)
def verify_policy(request: Request) -> Response:
    """Read whether something is a policy, and what would hold were it set; nothing is kept."""
    given = checked(VerifyPolicyIn, request.data)
    place = _place(given)
    try:
        found = _verified(given, place)
    except InvalidInputError as exc:
        found = _not_verified(exc)
    return Response(VerifiedPolicyOut(found).data)


@operation(scope=None, answers=OpenApiTypes.OBJECT)
def read_policy_schema(request: Request) -> Response:
    """Read the JSON schema of policies."""
    return Response(schema())


@operation(scope=Scope.READ, answers=PolicyRevisionOut, refuses=["unknown_policy"])
def read_policy_revision(request: Request, policy: str, revision: int) -> Response:
    """Read one revision of a policy."""
    return Response(PolicyRevisionOut(policy_revision(policy, revision)).data)


@operation(scope=Scope.READ, answers=DefaultsOut)
def read_default_policies(request: Request) -> Response:
    """Read the policies that new aliases get."""
    return Response({task.value: document for task, document in DEFAULTS.items()})


def _place(given: dict[str, Any]) -> Place | None:
    if "alias" in given:
        return Place.of_alias(alias_named(given["model"], given["alias"]))
    return Place.of_model(model_named(given["model"])) if "model" in given else None


def _verified(given: dict[str, Any], place: Place | None) -> dict[str, Any]:
    written = read_written(given["text"]) if "text" in given else None
    document = written.document if written else given["document"]
    task = require_policy(document, written)
    effective = policy_if_set(place=place, document=document, places=written) if place else None
    return {
        "verified": True,
        "task": task,
        "code": "",
        "detail": "",
        "line": None,
        "path": "",
        "problems": [],
        "document": document,
        "effective_policy": effective,
    }


def _not_verified(exc: InvalidInputError) -> dict[str, Any]:
    problems = getattr(exc, "problems", ())
    return {
        "verified": False,
        "task": None,
        "code": exc.code,
        "detail": str(exc),
        "line": problems[0].line if problems else None,
        "path": problems[0].path if problems else "",
        "problems": problems,
        "document": None,
        "effective_policy": None,
    }
