"""Shadows: a candidate answers a share of live queries, for nobody to see."""

import math
from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from registry.accounts.models import Scope
from registry.api.backfills import FiniteField
from registry.api.endpoint import checked, operation
from registry.api.idempotency import once
from registry.api.pagination import page
from registry.api.upgrades import ReasonIn
from registry.upgrades.latencies import BOUNDS_MS
from registry.upgrades.models import Shadow
from registry.upgrades.selectors import fresh_upgrade
from registry.upgrades.services.start_shadow import MOST_QUERIES, start_shadow
from registry.upgrades.services.stop_shadow import stop_shadow
from registry.upgrades.shadows import result_of, shadows_of


class ShadowIn(serializers.Serializer):
    """How much is sampled, and until when."""

    share = FiniteField(help_text="of the queries, above 0 and at most 1")
    ends_at = serializers.DateTimeField(default=None, allow_null=True)
    most_queries = serializers.IntegerField(
        default=None, allow_null=True, min_value=1, max_value=MOST_QUERIES
    )


class LatencyOut(serializers.Serializer):
    """A histogram; quantiles are upper bounds of buckets."""

    p50_ms_at_most = serializers.FloatField(allow_null=True)
    p95_ms_at_most = serializers.FloatField(
        allow_null=True, help_text="null beyond the last bound, and where nothing was measured"
    )
    bounds_ms = serializers.ListField(
        child=serializers.IntegerField(), help_text="of the buckets; the last one has none"
    )
    counts = serializers.ListField(child=serializers.IntegerField())


class ShadowOut(serializers.Serializer):
    """A shadow; what it has measured is about the queries that were compared."""

    id = serializers.IntegerField()
    upgrade = serializers.IntegerField(source="upgrade_id")
    state = serializers.ChoiceField(choices=Shadow.State.values)
    end = serializers.ChoiceField(
        choices=Shadow.End.values, allow_blank=True, help_text="why it is over"
    )
    share = serializers.FloatField()
    ends_at = serializers.DateTimeField(allow_null=True)
    most_queries = serializers.IntegerField(allow_null=True)
    queries = serializers.IntegerField(help_text="that were sampled")
    compared = serializers.IntegerField()
    not_comparable = serializers.IntegerField(
        help_text="vectors, items without a stored input, and what met another epoch"
    )
    failed = serializers.IntegerField(help_text="the candidate did not answer")
    dropped = serializers.IntegerField(help_text="there was no time for")
    last_failure = serializers.CharField()
    mean_overlap_at_10 = serializers.SerializerMethodField()
    overlap_lower = serializers.SerializerMethodField()
    overlap_upper = serializers.SerializerMethodField()
    top1_changed = serializers.IntegerField()
    live_latency = serializers.SerializerMethodField()
    candidate_latency = serializers.SerializerMethodField()
    started_by = serializers.CharField(source="started_by.username")
    started_at = serializers.DateTimeField()
    ended_at = serializers.DateTimeField(allow_null=True)

    @extend_schema_field(serializers.FloatField(allow_null=True))
    def get_mean_overlap_at_10(self, shadow: Shadow) -> float | None:
        return result_of(shadow).mean_overlap

    @extend_schema_field(
        serializers.FloatField(allow_null=True, help_text="of the 95 % interval of the mean")
    )
    def get_overlap_lower(self, shadow: Shadow) -> float | None:
        return result_of(shadow).overlap_lower

    @extend_schema_field(serializers.FloatField(allow_null=True))
    def get_overlap_upper(self, shadow: Shadow) -> float | None:
        return result_of(shadow).overlap_upper

    @extend_schema_field(LatencyOut())
    def get_live_latency(self, shadow: Shadow) -> Any:
        result = result_of(shadow)
        return _latency(result.live_p50_ms, result.live_p95_ms, shadow.live_latency)

    @extend_schema_field(LatencyOut())
    def get_candidate_latency(self, shadow: Shadow) -> Any:
        result = result_of(shadow)
        return _latency(result.candidate_p50_ms, result.candidate_p95_ms, shadow.candidate_latency)


@operation(
    scope=Scope.WRITE,
    takes=ShadowIn,
    status=201,
    answers=ShadowOut,
    once=True,
    refuses=[
        "unknown_upgrade",
        "invalid_share",
        "invalid_end",
        "illegal_transition",
        "not_an_encoder",
        "encoder_without_weights",
        "version_not_ready",
        "no_gallery",
        "shadow_running",
    ],
)
def open_shadow(request: Request, upgrade: int) -> Response:
    """Start a shadow: the candidate answers a share of live queries, for nobody to see."""
    given = checked(ShadowIn, request.data)

    def act() -> Response:
        shadow = start_shadow(upgrade_id=upgrade, actor=request.user, **given)
        return Response(_out(shadow), status=201)

    return once(request, act)


@operation(scope=Scope.READ, answers=ShadowOut, pages=True, refuses=["unknown_upgrade"])
def list_shadows(request: Request, upgrade: int) -> Response:
    """List the shadows of an upgrade, newest first, with what they have measured."""
    return page(request, shadows_of(fresh_upgrade(upgrade)), ShadowOut, by="-pk")


@operation(
    scope=Scope.WRITE,
    takes=ReasonIn,
    answers=ShadowOut,
    once=True,
    refuses=["unknown_upgrade", "no_shadow"],
)
def end_shadow(request: Request, upgrade: int) -> Response:
    """Stop the running shadow; what it has counted stays."""
    given = checked(ReasonIn, request.data)

    def act() -> Response:
        return Response(_out(stop_shadow(upgrade_id=upgrade, actor=request.user, **given)))

    return once(request, act)


def _out(shadow: Shadow) -> Any:
    return ShadowOut(shadows_of(shadow.upgrade).get(pk=shadow.pk)).data


def _latency(p50: float | None, p95: float | None, counts: list[int]) -> dict[str, Any]:
    return {
        "p50_ms_at_most": _finite(p50),
        "p95_ms_at_most": _finite(p95),
        "bounds_ms": BOUNDS_MS,
        "counts": counts,
    }


def _finite(bound: float | None) -> float | None:
    return bound if bound is not None and math.isfinite(bound) else None
