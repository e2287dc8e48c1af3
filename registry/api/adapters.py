"""Adapters: a repair for a candidate that does not understand the vectors of the incumbent."""

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from registry.accounts.models import Scope
from registry.api.comparisons import MeasurementOut
from registry.api.endpoint import checked, operation
from registry.api.fields import WorkOut
from registry.api.idempotency import once
from registry.api.pagination import page
from registry.evaluation.selectors import revision_referred
from registry.upgrades.models import AdapterFit
from registry.upgrades.repairs import adapter_fits, figures_of, upgrade_made
from registry.upgrades.rewritings import preparations
from registry.upgrades.selectors import fresh_upgrade
from registry.upgrades.services.adapted_versions import METHOD_NAMES
from registry.upgrades.services.adapters import request_adapter

METHODS = [name for name in METHOD_NAMES if name != "stay_old"]


class AdapterIn(serializers.Serializer):
    """What the adapter is fitted on, and what it maps."""

    evaluation_set = serializers.CharField(
        help_text="such as `pool:1`; it must not judge the alias, and its labels are not used"
    )
    side = serializers.ChoiceField(
        choices=AdapterFit.Side.choices,
        default=AdapterFit.Side.QUERY,
        help_text="query: new queries into the old space; gallery: stored vectors into the new one",
    )


class HeldOutOut(serializers.Serializer):
    """What one way of asking was worth on items that nothing was fitted on."""

    name = serializers.ChoiceField(choices=list(METHOD_NAMES))
    retained = serializers.FloatField(
        help_text="share of the ten nearest items of a full re-embedding that are found"
    )
    cosine = serializers.FloatField(help_text="mean cosine with the vector that it should be")


class FittedOut(serializers.Serializer):
    """How the adapter was chosen; the figures are of held-out items of the fitting set."""

    method = serializers.ChoiceField(choices=METHODS)
    tried = HeldOutOut(many=True)
    stay_old = HeldOutOut()
    fitted = serializers.IntegerField(help_text="pairs that the methods were fitted on")
    held_out = serializers.IntegerField(help_text="pairs that chose between them")
    parameters = serializers.IntegerField()
    difference = serializers.FloatField(
        help_text="between the graph and the fitted map, in units of the vector's length"
    )


class RepairFiguresOut(serializers.Serializer):
    """One measure on one judging set, under each way of moving; null where not measured yet."""

    evaluation_set = serializers.CharField()
    measure = serializers.CharField()
    old_old = MeasurementOut(allow_null=True, help_text="what users have today")
    untouched = MeasurementOut(allow_null=True, help_text="the candidate on the old gallery")
    adapted = MeasurementOut(allow_null=True, help_text="the adapted version on the old gallery")
    gain = MeasurementOut(allow_null=True, help_text="adapted minus old_old, paired by query")
    re_embedded = MeasurementOut(
        allow_null=True, help_text="the candidate on a gallery that is embedded anew"
    )


class PreparationOut(serializers.Serializer):
    """How far the vectors of one gallery are rewritten for the version."""

    gallery = serializers.CharField(source="gallery.name")
    items = serializers.IntegerField(help_text="live items whose vectors it meets rewritten")
    rewritten = serializers.IntegerField(help_text="those that are: all, before it is promoted")
    is_wanted = serializers.BooleanField(help_text="whether what is missing is being made")
    failed_batches = serializers.IntegerField()
    reason = serializers.CharField(help_text="why the last of them failed")


class AdapterOut(WorkOut):
    """An adapter that was asked for: queued, running, done with a version, or failed."""

    id = serializers.IntegerField()
    upgrade = serializers.IntegerField(source="upgrade_id")
    candidate = serializers.CharField(source="upgrade.candidate")
    incumbent = serializers.CharField()
    evaluation_set = serializers.CharField(source="set_revision")
    side = serializers.ChoiceField(choices=AdapterFit.Side.choices)
    result = serializers.SerializerMethodField()
    version = serializers.CharField(source="made", allow_null=True, help_text="that was made")
    rewriter = serializers.CharField(
        allow_null=True, help_text="on the gallery side: the version whose vectors it meets"
    )
    version_upgrade = serializers.SerializerMethodField()
    preparations = serializers.SerializerMethodField()
    figures = serializers.SerializerMethodField()
    requested_by = serializers.CharField(source="requested_by.username")
    created_at = serializers.DateTimeField()
    finished_at = serializers.DateTimeField(allow_null=True)

    @extend_schema_field(FittedOut(allow_null=True))
    def get_result(self, fit: AdapterFit) -> Any:
        return FittedOut(fit.result).data if fit.result else None

    @extend_schema_field(
        serializers.IntegerField(allow_null=True, help_text="the upgrade that judges the version")
    )
    def get_version_upgrade(self, fit: AdapterFit) -> int | None:
        made = upgrade_made(fit)
        return made.pk if made else None

    @extend_schema_field(PreparationOut(many=True))
    def get_preparations(self, fit: AdapterFit) -> Any:
        return PreparationOut(preparations(fit), many=True).data

    @extend_schema_field(RepairFiguresOut(many=True))
    def get_figures(self, fit: AdapterFit) -> Any:
        return RepairFiguresOut(figures_of(fit), many=True).data


@operation(
    scope=Scope.WRITE,
    takes=AdapterIn,
    status=202,
    answers=AdapterOut,
    once=True,
    refuses=[
        "unknown_upgrade",
        "unknown_evaluation_set",
        "invalid_reference",
        "illegal_transition",
        "not_an_encoder",
        "encoder_without_weights",
        "distances_differ",
        "already_repaired",
        "version_not_ready",
        "alias_empty",
        "task_mismatch",
        "set_not_ready",
        "set_judges_the_alias",
    ],
)
def fit_adapter(request: Request, upgrade: int) -> Response:
    """Fit an adapter for the candidate and propose the adapted version; asked twice, made once."""
    given = checked(AdapterIn, request.data)
    revision = revision_referred(given["evaluation_set"])

    def act() -> Response:
        fit = request_adapter(
            upgrade_id=upgrade, revision=revision, actor=request.user, side=given["side"]
        )
        return Response(AdapterOut(adapter_fits(fit.upgrade).get(pk=fit.pk)).data, status=202)

    return once(request, act)


@operation(scope=Scope.READ, answers=AdapterOut, pages=True, refuses=["unknown_upgrade"])
def list_adapters(request: Request, upgrade: int) -> Response:
    """List the adapters that were asked for, newest first, with what was measured of each."""
    return page(request, adapter_fits(fresh_upgrade(upgrade)), AdapterOut)
