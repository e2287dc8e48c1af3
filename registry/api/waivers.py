"""Waivers: exceptions for one candidate, asked for by one person and granted by another."""

from django.utils import timezone
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from registry.accounts.models import Scope
from registry.api.endpoint import checked, operation
from registry.api.idempotency import once
from registry.api.pagination import page
from registry.api.upgrades import ReasonIn
from registry.catalog.selectors import alias_named
from registry.upgrades.models import Waiver
from registry.upgrades.selectors import waivers
from registry.upgrades.services.waivers import grant_waiver, request_waiver

MOST_NAMED = 10_000
"""Samples that one waiver may name (chosen)."""


class WaiverIn(serializers.Serializer):
    """An exception to named rules for one candidate."""

    rules = serializers.ListField(child=serializers.CharField(), max_length=100)
    sample_ids = serializers.ListField(
        child=serializers.CharField(),
        default=list,
        max_length=MOST_NAMED,
        help_text="it then holds only while no other sample flips",
    )
    reason = serializers.CharField(allow_blank=True)
    expires_at = serializers.DateTimeField()


class WaiverOut(serializers.Serializer):
    """A waiver; it counts once another person granted it, until it expires."""

    id = serializers.IntegerField()
    upgrade = serializers.IntegerField(source="upgrade_id")
    candidate = serializers.CharField(source="upgrade.candidate")
    rules = serializers.ListField(child=serializers.CharField())
    sample_ids = serializers.ListField(child=serializers.CharField())
    reason = serializers.CharField()
    requested_by = serializers.CharField(source="requested_by.username")
    requested_at = serializers.DateTimeField()
    granted_by = serializers.CharField(source="granted_by.username", default=None, allow_null=True)
    granted_at = serializers.DateTimeField(allow_null=True)
    expires_at = serializers.DateTimeField()
    expired = serializers.SerializerMethodField()

    @extend_schema_field(serializers.BooleanField(help_text="its end is in the past"))
    def get_expired(self, waiver: Waiver) -> bool:
        return waiver.expires_at <= timezone.now()


@operation(scope=Scope.READ, answers=WaiverOut, pages=True, refuses=["unknown_alias"])
def list_waivers(request: Request, model: str, alias: str) -> Response:
    """List the waivers that were asked for at an alias, newest first."""
    found = waivers().filter(upgrade__alias=alias_named(model, alias))
    return page(request, found, WaiverOut)


@operation(
    scope=Scope.WRITE,
    takes=WaiverIn,
    status=201,
    answers=WaiverOut,
    once=True,
    refuses=[
        "unknown_upgrade",
        "not_judged",
        "reason_missing",
        "rules_missing",
        "unknown_rule",
        "rule_not_blocking",
        "not_waivable",
        "not_flipped",
        "waiver_expired",
        "waiver_too_long",
    ],
)
def ask_for_waiver(request: Request, upgrade: int) -> Response:
    """Ask that named rules shall not block a candidate; another person grants it."""
    given = checked(WaiverIn, request.data)

    def act() -> Response:
        waiver: Waiver = request_waiver(upgrade_id=upgrade, actor=request.user, **given)
        return Response(WaiverOut(waiver).data, status=201)

    return once(request, act)


@operation(
    scope=Scope.PROMOTE,
    takes=ReasonIn,
    answers=WaiverOut,
    once=True,
    refuses=[
        "unknown_waiver",
        "own_waiver",
        "own_candidate",
        "not_approver",
        "waiver_granted",
        "waiver_expired",
    ],
)
def grant(request: Request, waiver: int) -> Response:
    """Grant a waiver that somebody else asked for."""
    checked(ReasonIn, request.data)

    def act() -> Response:
        return Response(WaiverOut(grant_waiver(waiver_id=waiver, actor=request.user)).data)

    return once(request, act)
