"""What people decide on a candidate: approvals, rejections, another evaluation."""

from django.contrib.auth import get_user_model
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from compat.verdict import Outcome
from registry.accounts.models import Scope
from registry.api.endpoint import checked, operation
from registry.api.idempotency import once
from registry.api.upgrades import ReasonIn, UpgradeDetailOut
from registry.api.waivers import WaiverOut
from registry.catalog.selectors import alias_named
from registry.core.errors import InvalidInputError, Refusal
from registry.upgrades.models import AliasGate, Decision
from registry.upgrades.rivals import broken_by
from registry.upgrades.selectors import fresh_upgrade, upgrades, waivers
from registry.upgrades.services.decide import approve, reject
from registry.upgrades.services.evaluate_again import evaluate_again
from registry.upgrades.services.gates import set_approvals
from registry.upgrades.services.waivers import outcome_now, standing_waivers


class CommentIn(serializers.Serializer):
    """What the person says about it."""

    comment = serializers.CharField(default="", allow_blank=True)


class ApprovalsIn(serializers.Serializer):
    """How many people approve the candidates of an alias, and who may."""

    needed = serializers.IntegerField(min_value=0, max_value=100)
    approvers = serializers.ListField(
        child=serializers.CharField(), default=list, help_text="account names; none: every account"
    )
    uploader_may_approve = serializers.BooleanField(default=False)


class DecisionOut(serializers.Serializer):
    """A person's yes or no, bound to the verdict that it was given on."""

    kind = serializers.ChoiceField(choices=Decision.Kind.values)
    person = serializers.CharField(source="person.username")
    verdict = serializers.IntegerField(source="verdict.number")
    comment = serializers.CharField()
    at = serializers.DateTimeField()


class DecisionsOut(serializers.Serializer):
    """Everything that people decided on a candidate, and what it comes to now."""

    outcome = serializers.ChoiceField(
        choices=[o.value for o in Outcome], help_text="of the verdict, before any waiver"
    )
    outcome_with_waivers = serializers.ChoiceField(choices=[o.value for o in Outcome])
    approvals = serializers.IntegerField(help_text="of the present verdict")
    approvals_needed = serializers.IntegerField()
    decisions = DecisionOut(many=True)
    waivers = WaiverOut(many=True)
    waivers_in_force = serializers.ListField(child=serializers.IntegerField())


class ApprovalsOut(serializers.Serializer):
    """How many people approve the candidates of an alias, and who may."""

    needed = serializers.IntegerField(source="approvals_needed")
    approvers = serializers.SerializerMethodField()
    uploader_may_approve = serializers.BooleanField()

    @extend_schema_field(serializers.ListField(child=serializers.CharField()))
    def get_approvers(self, gate: AliasGate) -> list[str]:
        return sorted(person.get_username() for person in gate.approvers.all())


class BrokenOut(serializers.Serializer):
    """Samples that the incumbent gets right and a candidate does not, on one evaluation set."""

    evaluation_set = serializers.CharField()
    only_first = serializers.ListField(child=serializers.CharField())
    only_second = serializers.ListField(child=serializers.CharField())
    both = serializers.ListField(child=serializers.CharField())
    is_complete = serializers.BooleanField(
        help_text="false where a comparison lists only the first of its flips"
    )


class BrokenOnAllSetsOut(serializers.Serializer):
    """What two candidates break, on each set that judges their alias."""

    results = BrokenOut(many=True)


OF_DECISIONS = (
    "unknown_upgrade",
    "illegal_transition",
    "not_approver",
    "own_candidate",
    "duplicate_decision",
)


@operation(scope=Scope.READ, answers=DecisionsOut, refuses=["unknown_upgrade"])
def read_decisions(request: Request, upgrade: int) -> Response:
    """Read what people decided on a candidate, and what waivers make of its verdict."""
    found = fresh_upgrade(upgrade)
    decisions = found.decisions.select_related("person", "verdict")
    present = [
        d for d in decisions if d.verdict_id == found.verdict_id and d.kind == Decision.Kind.APPROVE
    ]
    answer = {
        "outcome": found.verdict.outcome if found.verdict else Outcome.INCONCLUSIVE,
        "outcome_with_waivers": outcome_now(found),
        "approvals": len(present),
        "approvals_needed": AliasGate.objects.get(alias=found.alias_id).approvals_needed,
        "decisions": decisions,
        "waivers": waivers().filter(upgrade=found),
        "waivers_in_force": [w.pk for w in standing_waivers(found)] if found.verdict else [],
    }
    return Response(DecisionsOut(answer).data)


@operation(
    scope=Scope.READ,
    answers=BrokenOnAllSetsOut,
    refuses=["unknown_upgrade", "other_alias", "alias_empty", "not_compared"],
)
def compare_candidates(request: Request, upgrade: int, other: int) -> Response:
    """Read which of two candidates breaks whom, against the same incumbent."""
    broken = broken_by(fresh_upgrade(upgrade), fresh_upgrade(other))
    return Response(BrokenOnAllSetsOut({"results": broken}).data)


@operation(
    scope=Scope.PROMOTE,
    takes=CommentIn,
    status=201,
    answers=DecisionOut,
    once=True,
    refuses=[*OF_DECISIONS, "gate_not_passed", "verdict_stale"],
)
def approve_upgrade(request: Request, upgrade: int) -> Response:
    """Say yes to a candidate; void when its evidence changes."""
    given = checked(CommentIn, request.data)

    def act() -> Response:
        made = approve(upgrade_id=upgrade, actor=request.user, **given)
        return Response(DecisionOut(made).data, status=201)

    return once(request, act)


@operation(
    scope=Scope.PROMOTE,
    takes=CommentIn,
    status=201,
    answers=DecisionOut,
    once=True,
    refuses=[*OF_DECISIONS, "comment_missing"],
)
def reject_upgrade(request: Request, upgrade: int) -> Response:
    """Say no to a candidate, and why."""
    given = checked(CommentIn, request.data)

    def act() -> Response:
        made = reject(upgrade_id=upgrade, actor=request.user, **given)
        return Response(DecisionOut(made).data, status=201)

    return once(request, act)


@operation(
    scope=Scope.WRITE,
    takes=ReasonIn,
    answers=UpgradeDetailOut,
    once=True,
    refuses=["unknown_upgrade", "illegal_transition"],
)
def evaluate_upgrade(request: Request, upgrade: int) -> Response:
    """Evaluate a candidate again: what failed is tried again, what is stored is not."""
    checked(ReasonIn, request.data)

    def act() -> Response:
        evaluate_again(upgrade_id=upgrade, actor=request.user)
        return Response(UpgradeDetailOut(upgrades().get(pk=upgrade)).data)

    return once(request, act)


@operation(
    scope=Scope.PROMOTE,
    takes=ApprovalsIn,
    answers=ApprovalsOut,
    refuses=["unknown_alias", "unknown_account", "invalid_quorum"],
)
def choose_approvals(request: Request, model: str, alias: str) -> Response:
    """Say how many people approve the candidates of an alias, and who may."""
    given = checked(ApprovalsIn, request.data)
    found, names = alias_named(model, alias), set(given.pop("approvers"))
    people = list(get_user_model().objects.filter(username__in=names, is_active=True))
    unknown = sorted(names - {person.get_username() for person in people})
    if unknown:
        raise InvalidInputError(
            f"there is no account {unknown[0]}",
            code="unknown_account",
            refusal=Refusal("alias.set_approvals", f"alias:{found}"),
        )
    gate = set_approvals(alias=found, approvers=people, actor=request.user, **given)
    return Response(ApprovalsOut(gate).data)
