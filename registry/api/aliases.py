"""Aliases: what they name, and what they named at a moment."""

from datetime import datetime
from typing import Any

from django.utils import timezone
from drf_spectacular.utils import OpenApiParameter
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from registry.accounts.models import Scope
from registry.api.endpoint import checked, operation
from registry.api.idempotency import once
from registry.api.pagination import page
from registry.api.upgrades import MoveOut
from registry.api.waivers import WaiverOut
from registry.catalog.models import Alias, AliasMove
from registry.catalog.selectors import alias_at, alias_named, aliases_of, model_named
from registry.core.errors import InvalidInputError
from registry.upgrades.owed import waivers_owed
from registry.upgrades.services.gates import ensure_alias


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
