"""Registered models: named lines of versions."""

from typing import Any

from django.db.models import prefetch_related_objects
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from compat.policy import Task
from registry.accounts.models import Scope
from registry.api.endpoint import checked, operation
from registry.api.fields import text_filter
from registry.api.idempotency import once
from registry.api.pagination import page
from registry.api.waivers import WaiverOut
from registry.catalog.models import RegisteredModel
from registry.catalog.selectors import model_named, models_found
from registry.catalog.services.register_model import register_model
from registry.upgrades.owed import owed_by
from registry.upgrades.services.policy_scopes import set_group


class ModelIn(serializers.Serializer):
    """A new line of versions."""

    name = serializers.CharField(help_text="1 to 100 letters, digits, hyphens or underscores")
    task = serializers.CharField(help_text=f"one of {', '.join(Task)}")
    description = serializers.CharField(default="", allow_blank=True, max_length=300)
    card = serializers.CharField(
        default="", allow_blank=True, trim_whitespace=False, help_text="Markdown"
    )


class GroupIn(serializers.Serializer):
    """The group that a model shall belong to."""

    group = serializers.CharField(allow_blank=True, help_text="empty: none")


class ServingOut(serializers.Serializer):
    """An alias and the number of the version that it names."""

    name = serializers.CharField()
    version = serializers.IntegerField(source="version.number", default=None, allow_null=True)
    epoch = serializers.IntegerField()


class ModelOut(serializers.Serializer):
    """A registered model and what serves."""

    name = serializers.CharField()
    task = serializers.ChoiceField(choices=list(Task))
    group = serializers.CharField(help_text="whose policy it inherits; empty where it has none")
    description = serializers.CharField()
    last_number = serializers.SerializerMethodField()
    aliases = ServingOut(many=True)
    created_at = serializers.DateTimeField()

    @extend_schema_field(serializers.IntegerField(help_text="of its versions; 0 before the first"))
    def get_last_number(self, model: RegisteredModel) -> int:
        return model.next_number - 1


class OwedOut(WaiverOut):
    """A waiver under which an alias serves."""

    alias = serializers.CharField(source="upgrade.alias.name")


class ModelDetailOut(ModelOut):
    """A registered model with its card, and the waivers under which its aliases serve."""

    card = serializers.CharField()
    created_by = serializers.CharField(source="created_by.username")
    waivers_owed = serializers.SerializerMethodField()

    @extend_schema_field(OwedOut(many=True))
    def get_waivers_owed(self, model: RegisteredModel) -> Any:
        owed = owed_by(model.aliases.all())
        return OwedOut([waiver for waivers in owed.values() for waiver in waivers], many=True).data


@operation(
    scope=Scope.READ,
    answers=ModelOut,
    pages=True,
    query=[text_filter("search", "part of the name or the description")],
)
def list_models(request: Request) -> Response:
    """List registered models by name."""
    given = checked(SearchIn, request.query_params)
    return page(request, models_found(given["search"]), ModelOut, by="name")


@operation(
    scope=Scope.WRITE,
    takes=ModelIn,
    status=201,
    answers=ModelDetailOut,
    once=True,
    refuses=["invalid_name", "unknown_task", "duplicate_model"],
)
def register(request: Request) -> Response:
    """Register a model."""
    given = checked(ModelIn, request.data)

    def act() -> Response:
        model = register_model(actor=request.user, **given)
        return Response(ModelDetailOut(model).data, status=201)

    return once(request, act)


@operation(scope=Scope.READ, answers=ModelDetailOut, refuses=["unknown_model"])
def read_model(request: Request, model: str) -> Response:
    """Read a registered model."""
    return _detail(model_named(model))


@operation(
    scope=Scope.PROMOTE,
    takes=GroupIn,
    answers=ModelDetailOut,
    refuses=["unknown_model", "invalid_name", "invalid_policy"],
)
def choose_group(request: Request, model: str) -> Response:
    """Let a model belong to a group, and inherit its policy; or to none."""
    found = model_named(model)
    group = checked(GroupIn, request.data)["group"]
    return _detail(set_group(model=found, group=group, actor=request.user))


class SearchIn(serializers.Serializer):
    """What a list of names is narrowed by."""

    search = serializers.CharField(default="", allow_blank=True)


def _detail(model: RegisteredModel) -> Response:
    prefetch_related_objects([model], "aliases__version")
    return Response(ModelDetailOut(model).data)
