"""Safeguards of aliases, and the signals that monitoring sends for them."""

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from registry.accounts.models import Scope
from registry.api.endpoint import checked, operation
from registry.api.pagination import page, slice_of
from registry.api.upgrades import ReasonIn
from registry.catalog.models import Alias
from registry.catalog.selectors import alias_named
from registry.upgrades.models import Safeguard, Signal
from registry.upgrades.safeguards import STATES, Guarded, guarded, live_safeguards, signals_of
from registry.upgrades.services.safeguards import (
    LONGEST_H,
    MOST_ITEMS,
    declare,
    declared,
    withdraw_safeguard,
)
from registry.upgrades.services.signals import receive


class SafeguardIn(ReasonIn):
    """For how long after a promotion, and what may be lost by going back."""

    armed_hours = serializers.IntegerField(min_value=1, max_value=LONGEST_H)
    at_most_unsearchable = serializers.IntegerField(
        default=0, min_value=0, max_value=MOST_ITEMS, help_text="items that going back may cost"
    )
    dual_query = serializers.BooleanField(
        default=False,
        help_text="where going back would cost items, let each version query its own vectors",
    )


class SignalIn(serializers.Serializer):
    """What monitoring has to say."""

    signal = serializers.SlugField(max_length=64)
    firing = serializers.BooleanField()
    detail = serializers.CharField(default="", allow_blank=True, max_length=2000)
    observed_at = serializers.DateTimeField(
        default=None, allow_null=True, help_text="what was observed before the promotion is not it"
    )
    epoch = serializers.IntegerField(
        default=None,
        allow_null=True,
        min_value=0,
        max_value=2**31 - 1,
        help_text="of the alias, where the sender knows what it observed",
    )


class SignalOut(serializers.Serializer):
    """A signal as it was received, and what it came to."""

    id = serializers.IntegerField()
    alias = serializers.CharField()
    signal = serializers.CharField(source="safeguard.signal")
    firing = serializers.BooleanField()
    detail = serializers.CharField()
    observed_at = serializers.DateTimeField(allow_null=True)
    received_at = serializers.DateTimeField()
    sent_by = serializers.CharField(source="sent_by.username", default=None, allow_null=True)
    epoch = serializers.IntegerField(help_text="of the alias when it came")
    reaction = serializers.ChoiceField(choices=Signal.Reaction.values)
    code = serializers.CharField(help_text="why it was not rolled back; empty otherwise")
    explanation = serializers.CharField()
    version = serializers.CharField(
        source="move.to_version",
        default=None,
        allow_null=True,
        help_text="that the alias was rolled back to",
    )


class WayBackOut(serializers.Serializer):
    """What the signal would do now."""

    version = serializers.CharField(source="plan.target", help_text="to go back to")
    unsearchable_items = serializers.IntegerField(source="plan.unsearchable_items")
    dual_query = serializers.BooleanField()
    would_be_refused = serializers.BooleanField(
        source="would_refuse", help_text="more items would become unsearchable than are allowed"
    )


class SafeguardOut(serializers.Serializer):
    """A declared signal, where it stands, and what it would do now."""

    alias = serializers.CharField(source="safeguard.alias")
    signal = serializers.CharField(source="safeguard.signal")
    state = serializers.ChoiceField(
        choices=STATES, help_text="refused and rolled back: for the last promotion"
    )
    armed_hours = serializers.IntegerField(source="safeguard.armed_hours")
    armed_until = serializers.DateTimeField(
        source="until", allow_null=True, help_text="null where there is nothing to go back to"
    )
    at_most_unsearchable = serializers.IntegerField(source="safeguard.at_most_unsearchable")
    dual_query = serializers.BooleanField(source="safeguard.dual_query")
    reason = serializers.CharField(source="safeguard.reason")
    declared_by = serializers.CharField(source="safeguard.declared_by.username")
    declared_at = serializers.DateTimeField(source="safeguard.declared_at")
    way_back = serializers.SerializerMethodField()
    explanation = serializers.SerializerMethodField()

    @extend_schema_field(WayBackOut(allow_null=True, help_text="null where there is none"))
    def get_way_back(self, found: Guarded) -> Any:
        return WayBackOut(found).data if found.plan else None

    @extend_schema_field(serializers.CharField(help_text="of a refused rollback"))
    def get_explanation(self, found: Guarded) -> str:
        return found.last.explanation if found.last and found.state == "refused" else ""


class WithdrawnOut(serializers.Serializer):
    """Which signal rolls nothing back any more."""

    alias = serializers.CharField()
    signal = serializers.CharField()


@operation(scope=Scope.READ, answers=SafeguardOut, pages=True, refuses=["unknown_alias"])
def list_safeguards(request: Request, model: str, alias: str) -> Response:
    """List the signals that roll an alias back, and what each would do now."""
    found = alias_named(model, alias)
    rows, token = slice_of(request, list(live_safeguards(found)))
    out = SafeguardOut(guarded(found, rows), many=True).data
    return Response({"results": out, "next_page_token": token})


@operation(scope=Scope.READ, answers=SafeguardOut, refuses=["unknown_alias", "unknown_safeguard"])
def read_safeguard(request: Request, model: str, alias: str, signal: str) -> Response:
    """Read where a safeguard stands, and what it would do now."""
    found = alias_named(model, alias)
    return Response(_out(found, declared(found, signal)))


@operation(
    scope=Scope.PROMOTE,
    takes=SafeguardIn,
    answers=SafeguardOut,
    refuses=["unknown_alias", "invalid_safeguard"],
)
def declare_safeguard(request: Request, model: str, alias: str, signal: str) -> Response:
    """Let a signal roll the alias back while it fires soon after a promotion; again is the same."""
    given = checked(SafeguardIn, request.data)
    found = alias_named(model, alias)
    held = declare(alias=found, signal=signal, actor=request.user, **given)
    return Response(_out(found, held))


@operation(
    scope=Scope.PROMOTE, answers=WithdrawnOut, refuses=["unknown_alias", "unknown_safeguard"]
)
def remove_safeguard(request: Request, model: str, alias: str, signal: str) -> Response:
    """Let a signal roll nothing back any more."""
    found = alias_named(model, alias)
    withdraw_safeguard(alias=found, signal=signal, actor=request.user)
    return Response(WithdrawnOut({"alias": found, "signal": signal}).data)


@operation(scope=Scope.READ, answers=SignalOut, pages=True, refuses=["unknown_alias"])
def list_signals(request: Request, model: str, alias: str) -> Response:
    """List the signals that came for an alias, newest first, and what each came to."""
    return page(request, signals_of(alias_named(model, alias)), SignalOut)


@operation(
    scope=Scope.SIGNAL,
    takes=SignalIn,
    status=201,
    answers=SignalOut,
    refuses=["unknown_alias", "unknown_safeguard", "observed_in_future"],
)
def send_signal(request: Request, model: str, alias: str) -> Response:
    """Say that a declared signal fires or no longer does; a guarded promotion is rolled back once.

    Whatever it comes to, it is kept, and the answer says what was done. Sent again it does nothing
    more, so it takes no key.
    """
    given = checked(SignalIn, request.data)
    said = receive(alias=alias_named(model, alias), actor=request.user, **given)
    return Response(SignalOut(signals_of(said.alias).get(pk=said.pk)).data, status=201)


def _out(alias: Alias, held: Safeguard) -> Any:
    (found,) = guarded(alias, [held])
    return SafeguardOut(found).data
