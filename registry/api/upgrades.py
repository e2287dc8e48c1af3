"""Upgrades: proposals to move an alias, how they were judged, what they wait for."""

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from compat.verdict import Outcome
from registry.accounts.models import Scope
from registry.api.endpoint import checked, operation
from registry.api.fields import DocumentField, ErrorOfWorkOut, error_of, text_filter
from registry.api.idempotency import once
from registry.api.pagination import page
from registry.catalog.selectors import alias_named, version_numbered
from registry.upgrades.models import Verdict
from registry.upgrades.previews import Step, steps_of
from registry.upgrades.selectors import fresh_upgrade, upgrades, verdict_is_stale
from registry.upgrades.services.gates import DEFAULT_ALIAS
from registry.upgrades.services.promote import Promotion, promote
from registry.upgrades.services.propose import propose
from registry.upgrades.services.supersede import supersede
from registry.upgrades.services.withdraw import withdraw
from registry.upgrades.states import State

OUTCOMES = [outcome.value for outcome in Outcome]

GATE_REFUSALS = (
    "gate_not_passed",
    "verdict_stale",
    "gallery_not_covered",
    "gallery_drifted",
    "approvals_missing",
    "illegal_transition",
    "alias_moved",
    "epoch_moved",
)


class ProposalIn(serializers.Serializer):
    """A registered version for an alias of its model."""

    model = serializers.CharField()
    version = serializers.IntegerField(min_value=1, max_value=999_999_999)
    alias = serializers.CharField(default=DEFAULT_ALIAS)


class FiltersIn(serializers.Serializer):
    """What a list of upgrades is narrowed by."""

    model = serializers.CharField(default="")
    alias = serializers.CharField(default="")
    state = serializers.ChoiceField(choices=list(State), default="")


class ReasonIn(serializers.Serializer):
    """Why it is done."""

    reason = serializers.CharField(default="", allow_blank=True)


class SupersedeIn(ReasonIn):
    """The open upgrade of the same alias that takes its place."""

    by = serializers.IntegerField(min_value=1, max_value=2**62, help_text="id of that upgrade")


class PromotionIn(ReasonIn):
    """Why, and whether only to try: a dry run does it all and rolls back."""

    dry_run = serializers.BooleanField(default=False)
    dual_query = serializers.BooleanField(
        default=False, help_text="let each version go on to query its own vectors"
    )


class RuleResultOut(serializers.Serializer):
    """How one rule came out on one evaluation set, with every number that was used."""

    rule = serializers.CharField()
    evaluation_set = serializers.CharField()
    outcome = serializers.ChoiceField(choices=OUTCOMES)
    reason = serializers.CharField()
    advisory = serializers.BooleanField()
    measurement = serializers.CharField()
    bound = serializers.CharField()
    threshold = serializers.FloatField(allow_null=True)
    value = serializers.FloatField(allow_null=True)
    lower = serializers.FloatField(allow_null=True)
    upper = serializers.FloatField(allow_null=True)
    support = serializers.IntegerField()
    settles_at = serializers.IntegerField(
        allow_null=True, help_text="the sample size that would settle it"
    )
    direction = serializers.CharField()
    rationale = serializers.CharField()
    slice = serializers.CharField(
        default="", help_text="`column=value`; empty where the whole set is meant"
    )


class CoverageOut(serializers.Serializer):
    """Whether the candidate may meet one producer's vectors."""

    producer = serializers.CharField()
    producer_digest = serializers.CharField()
    outcome = serializers.ChoiceField(choices=OUTCOMES)
    results = RuleResultOut(many=True)


class VerdictOut(serializers.Serializer):
    """One judgement, with every number that it used."""

    number = serializers.IntegerField()
    kind = serializers.ChoiceField(choices=Verdict.Kind.values)
    outcome = serializers.ChoiceField(choices=OUTCOMES)
    incumbent = serializers.CharField(allow_null=True)
    policy = serializers.CharField(source="policy_revision")
    results = RuleResultOut(many=True)
    coverage = CoverageOut(many=True)
    comparisons = serializers.ListField(child=serializers.IntegerField())
    fingerprint = DocumentField()
    fingerprint_sha256 = serializers.CharField()
    created_at = serializers.DateTimeField()


class UpgradeOut(serializers.Serializer):
    """An upgrade as a list shows it."""

    id = serializers.IntegerField()
    state = serializers.ChoiceField(choices=list(State))
    outcome = serializers.ChoiceField(
        source="verdict.outcome",
        choices=OUTCOMES,
        default=None,
        allow_null=True,
        help_text="of the last verdict",
    )
    model = serializers.CharField(source="alias.model")
    alias = serializers.CharField(source="alias.name")
    candidate = serializers.CharField()
    incumbent = serializers.CharField(
        source="verdict.incumbent",
        default=None,
        allow_null=True,
        help_text="that the last verdict compares with",
    )
    superseded_by = serializers.IntegerField(
        source="superseded_by_id",
        allow_null=True,
        help_text="the upgrade in favour of which it was closed",
    )
    created_by = serializers.CharField(source="created_by.username")
    created_at = serializers.DateTimeField()
    changed_at = serializers.DateTimeField()


class StepOut(serializers.Serializer):
    """One piece of work that the verdict needs."""

    work = serializers.SerializerMethodField()
    evaluation_set = serializers.CharField(source="revision")
    version = serializers.CharField(
        source="of", allow_null=True, help_text="null where the work is the comparison"
    )
    state = serializers.ChoiceField(choices=["missing", "queued", "running", "done", "failed"])
    progress_done = serializers.IntegerField(source="work.progress_done", default=0)
    progress_total = serializers.IntegerField(source="work.progress_total", default=0)
    error = serializers.SerializerMethodField()

    @extend_schema_field(serializers.ChoiceField(choices=["outputs", "comparison"]))
    def get_work(self, step: Step) -> str:
        return "outputs" if step.of else "comparison"

    @extend_schema_field(ErrorOfWorkOut(allow_null=True))
    def get_error(self, step: Step) -> dict[str, str] | None:
        return error_of(step.work) if step.work else None


class UpgradeDetailOut(UpgradeOut):
    """An upgrade with its verdict, whether that still stands, and the work behind it."""

    stale = serializers.SerializerMethodField()
    refusal = serializers.SerializerMethodField()
    verdict = VerdictOut(allow_null=True)
    progress = serializers.SerializerMethodField()

    @extend_schema_field(
        serializers.BooleanField(help_text="the verdict was made for another situation")
    )
    def get_stale(self, upgrade: Any) -> bool:
        return verdict_is_stale(upgrade)

    @extend_schema_field(ErrorOfWorkOut(allow_null=True, help_text="of the candidate's upload"))
    def get_refusal(self, upgrade: Any) -> dict[str, str] | None:
        return error_of(upgrade.candidate)

    @extend_schema_field(StepOut(many=True))
    def get_progress(self, upgrade: Any) -> Any:
        return StepOut(steps_of(upgrade), many=True).data


class CutoverOut(serializers.Serializer):
    """One gallery that was cut over in the same transaction."""

    gallery = serializers.CharField()
    epoch = serializers.IntegerField()
    unsearchable_items = serializers.IntegerField()


class MoveOut(serializers.Serializer):
    """One move of an alias."""

    alias = serializers.CharField()
    epoch = serializers.IntegerField()
    kind = serializers.ChoiceField(choices=["promote", "roll_back"])
    before = serializers.CharField(source="from_version", allow_null=True)
    version = serializers.CharField(source="to_version")
    digest = serializers.CharField(source="to_version.digest")
    reason = serializers.CharField()
    evidence = serializers.CharField(help_text="such as `verdict:12`")
    actor = serializers.CharField(source="actor.username")
    at = serializers.DateTimeField()


class PromotionOut(serializers.Serializer):
    """What was moved, or in a dry run would be."""

    upgrade = serializers.IntegerField(source="upgrade.pk")
    dry_run = serializers.SerializerMethodField()
    move = MoveOut()
    cutovers = CutoverOut(many=True)

    def get_dry_run(self, promotion: Promotion) -> bool:
        return bool(self.context.get("dry_run"))


@operation(
    scope=Scope.READ,
    answers=UpgradeOut,
    pages=True,
    query=[
        text_filter("model", "name of the model"),
        text_filter("alias", "name of the alias"),
        text_filter("state", f"one of {', '.join(State)}"),
    ],
)
def list_upgrades(request: Request) -> Response:
    """List upgrades, newest first."""
    given = checked(FiltersIn, request.query_params)
    named = {"alias__model__name": "model", "alias__name": "alias", "state": "state"}
    wanted = {column: given[key] for column, key in named.items() if given[key]}
    return page(request, upgrades().filter(**wanted), UpgradeOut)


@operation(
    scope=Scope.WRITE,
    takes=ProposalIn,
    status=201,
    answers=UpgradeDetailOut,
    once=True,
    refuses=[
        "unknown_version",
        "unknown_alias",
        "version_refused",
        "already_serving",
        "only_rewrites",
    ],
)
def open_upgrade(request: Request) -> Response:
    """Open the upgrade of an alias to a registered version, or open it again."""
    given = checked(ProposalIn, request.data)
    candidate = version_numbered(given["model"], given["version"])
    alias = alias_named(given["model"], given["alias"])

    def act() -> Response:
        upgrade = propose(alias=alias, candidate=candidate, actor=request.user)
        return Response(UpgradeDetailOut(upgrade).data, status=201)

    return once(request, act)


@operation(scope=Scope.READ, answers=UpgradeDetailOut, refuses=["unknown_upgrade"])
def read_upgrade(request: Request, upgrade: int) -> Response:
    """Read an upgrade, its verdict, and the work that it waits for.

    A verdict that no longer stands is found out here: the upgrade is then evaluated again.
    """
    return Response(UpgradeDetailOut(fresh_upgrade(upgrade)).data)


@operation(
    scope=Scope.PROMOTE,
    takes=PromotionIn,
    answers=PromotionOut,
    once=True,
    refuses=["unknown_upgrade", *GATE_REFUSALS],
)
def promote_upgrade(request: Request, upgrade: int) -> Response:
    """Move the alias to the candidate, and every gallery that follows it."""
    given = checked(PromotionIn, request.data)
    return promoted(request, upgrade, **given)


@operation(
    scope=Scope.WRITE,
    takes=ReasonIn,
    answers=UpgradeDetailOut,
    once=True,
    refuses=["unknown_upgrade", "illegal_transition"],
)
def withdraw_upgrade(request: Request, upgrade: int) -> Response:
    """Close an upgrade that nobody wants any more."""
    given = checked(ReasonIn, request.data)

    def act() -> Response:
        withdraw(upgrade_id=upgrade, actor=request.user, **given)
        return Response(UpgradeDetailOut(upgrades().get(pk=upgrade)).data)

    return once(request, act)


@operation(
    scope=Scope.WRITE,
    takes=SupersedeIn,
    answers=UpgradeDetailOut,
    once=True,
    refuses=["unknown_upgrade", "illegal_transition", "same_upgrade", "other_alias", "not_open"],
)
def supersede_upgrade(request: Request, upgrade: int) -> Response:
    """Close an upgrade in favour of another open one of its alias."""
    given = checked(SupersedeIn, request.data)

    def act() -> Response:
        supersede(
            upgrade_id=upgrade,
            by_upgrade_id=given["by"],
            actor=request.user,
            reason=given["reason"],
        )
        return Response(UpgradeDetailOut(upgrades().get(pk=upgrade)).data)

    return once(request, act)


def promoted(
    request: Request, upgrade_id: int, *, reason: str, dry_run: bool, dual_query: bool
) -> Response:
    """Promote, or try it; a dry run is no act, so it keeps no idempotency key."""

    def act() -> Response:
        promotion = promote(
            upgrade_id=upgrade_id,
            actor=request.user,
            reason=reason,
            dry_run=dry_run,
            dual_query=dual_query,
        )
        return Response(PromotionOut(promotion, context={"dry_run": dry_run}).data)

    return act() if dry_run else once(request, act)
