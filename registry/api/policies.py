"""Policies: versioned sets of rules."""

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
from registry.core.errors import InvalidInputError
from registry.upgrades.models import Policy
from registry.upgrades.selectors import policy_revision
from registry.upgrades.services.policies import add_policy_revision, require_policy


class PolicyIn(serializers.Serializer):
    """A policy document; it becomes a revision of the name."""

    name = serializers.CharField(help_text="1 to 100 letters, digits, hyphens or underscores")
    document = DocumentField(help_text="see `policies/defaults`")


class DocumentIn(serializers.Serializer):
    """A document that may be a policy."""

    document = DocumentField()


class VerifiedPolicyOut(serializers.Serializer):
    """Whether a document is a policy, and if not, why."""

    verified = serializers.BooleanField()
    task = serializers.ChoiceField(choices=list(Task), allow_null=True)
    code = serializers.CharField(allow_blank=True)
    detail = serializers.CharField(allow_blank=True)


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
    policy = serializers.CharField(source="policy_revision")


class EffectivePolicyOut(serializers.Serializer):
    """What guards an alias after inheritance."""

    level = serializers.ChoiceField(source="rules.level", choices=list(Level))
    document = DocumentField(help_text="the whole of it")
    origins = serializers.DictField(
        child=serializers.CharField(), help_text="part of the document to the scope that set it"
    )
    layers = LayerOut(many=True, help_text="widest first")
    digest = serializers.CharField()


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


@operation(scope=Scope.READ, takes=DocumentIn, answers=VerifiedPolicyOut)
def verify_policy(request: Request) -> Response:
    """Read whether a document is a policy; nothing is kept."""
    given = checked(DocumentIn, request.data)
    try:
        task = require_policy(given["document"])
    except InvalidInputError as exc:
        return Response({"verified": False, "task": None, "code": exc.code, "detail": str(exc)})
    return Response({"verified": True, "task": task, "code": "", "detail": ""})


@operation(scope=Scope.READ, answers=PolicyRevisionOut, refuses=["unknown_policy"])
def read_policy_revision(request: Request, policy: str, revision: int) -> Response:
    """Read one revision of a policy."""
    return Response(PolicyRevisionOut(policy_revision(policy, revision)).data)


@operation(scope=Scope.READ, answers=DefaultsOut)
def read_default_policies(request: Request) -> Response:
    """Read the policies that new aliases get."""
    return Response({task.value: document for task, document in DEFAULTS.items()})
