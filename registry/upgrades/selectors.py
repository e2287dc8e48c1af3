"""Reads of upgrades, verdicts and gates."""

from django.db.models import Prefetch, QuerySet

from registry.catalog.models import Alias, ModelVersion, RegisteredModel
from registry.catalog.selectors import versions_of
from registry.core.errors import UnknownObjectError
from registry.core.references import split_numbered
from registry.upgrades.models import (
    AliasGate,
    Check,
    EvaluationPin,
    PolicyChoice,
    PolicyRevision,
    ScheduledPromotion,
    Upgrade,
    Waiver,
)
from registry.upgrades.services.advance import advance, is_stale
from registry.upgrades.services.situation import situation_of
from registry.upgrades.states import OPEN, State


def upgrades() -> QuerySet[Upgrade]:
    """Return upgrades with what a list shows of them, newest first."""
    return Upgrade.objects.select_related(
        "alias__model", "candidate__model", "verdict__incumbent__model", "created_by"
    ).order_by("-pk")


def fresh_upgrade(upgrade_id: int) -> Upgrade:
    """Return an upgrade after its verdict was held against the present situation.

    Staleness is pulled: reading is one of the places that recomputes the fingerprint.

    Raises:
        UnknownObjectError: there is no such upgrade.
    """
    found = upgrades().filter(pk=upgrade_id).first()
    if found is None:
        raise UnknownObjectError(f"no upgrade {upgrade_id}", code="unknown_upgrade")
    if found.state == State.JUDGED and is_stale(found, situation_of(found)):
        advance(upgrade_id=upgrade_id)
        found = upgrades().get(pk=upgrade_id)
    return found


def upgrade_to(alias: Alias, number: int) -> Upgrade:
    """Return the upgrade of ``alias`` to the version of that number, or raise UnknownObjectError.

    There is at most one: a candidate that is proposed again reopens it.
    """
    found = upgrades().filter(alias=alias, candidate__number=number).first()
    if found is None:
        raise UnknownObjectError(f"no upgrade of {alias} to {number}", code="unknown_upgrade")
    return found


def other_open_upgrades(upgrade: Upgrade) -> QuerySet[Upgrade]:
    """Return the open upgrades of the same alias to other candidates, newest first."""
    return upgrades().filter(alias=upgrade.alias_id, state__in=OPEN).exclude(pk=upgrade.pk)


def waivers() -> QuerySet[Waiver]:
    """Return waivers with what is shown of them, oldest first."""
    return Waiver.objects.select_related(
        "upgrade__candidate__model", "upgrade__alias__model", "requested_by", "granted_by"
    ).order_by("pk")


def verdict_is_stale(upgrade: Upgrade) -> bool:
    """Whether an open upgrade has a verdict that was made for another situation."""
    has_verdict = upgrade.state in OPEN and upgrade.verdict is not None
    return has_verdict and is_stale(upgrade, situation_of(upgrade))


def pin_of(alias: Alias, set_name: str) -> EvaluationPin:
    """Return the pin of a set at an alias, or raise UnknownObjectError."""
    found = (
        EvaluationPin.objects.select_related("set_revision__evaluation_set")
        .filter(gate__alias=alias, evaluation_set__name=set_name)
        .first()
    )
    if found is None:
        raise UnknownObjectError(f"{set_name} does not judge {alias}", code="unknown_pin")
    return found


def gate_of(alias: Alias) -> AliasGate:
    """Return what guards an alias."""
    return AliasGate.objects.select_related("alias__model").get(alias=alias)


def policy_revision(name: str, number: int) -> PolicyRevision:
    """Return one revision of a policy, or raise UnknownObjectError."""
    found = (
        PolicyRevision.objects.select_related("policy")
        .filter(policy__name=name, number=number)
        .first()
    )
    if found is None:
        raise UnknownObjectError(f"no policy {name}:{number}", code="unknown_policy")
    return found


def newest_policy_revision(name: str) -> PolicyRevision:
    """Return the newest revision of a policy, or raise UnknownObjectError."""
    found = PolicyRevision.objects.select_related("policy").filter(policy__name=name)
    newest = found.order_by("-number").first()
    if newest is None:
        raise UnknownObjectError(f"no policy {name}", code="unknown_policy")
    return newest


def policy_referred(reference: str) -> PolicyRevision:
    """Return the policy revision that ``name:3`` names.

    Raises:
        InvalidInputError: the reference has another form.
        UnknownObjectError: it names nothing.
    """
    return policy_revision(*split_numbered(reference))


def policy_choices() -> QuerySet[PolicyChoice]:
    """Return what is set for every scope, with its policy."""
    return PolicyChoice.objects.select_related("policy_revision__policy", "model", "alias__model")


def versions_with_upgrades(model: RegisteredModel) -> QuerySet[ModelVersion]:
    """Return the line's versions, newest first, with how their upgrades came out."""
    found = Upgrade.objects.select_related("alias", "verdict")
    return versions_of(model).prefetch_related(Prefetch("upgrades", queryset=found))


def checks() -> QuerySet[Check]:
    """Return checks with what they are about, newest first."""
    return Check.objects.select_related(
        "alias__model",
        "alias__version__model",
        "set_revision__evaluation_set",
        "incumbent__model",
        "policy_revision__policy",
        "created_by",
        "upload",
    ).order_by("-pk")


def check_numbered(check_id: int) -> Check:
    """Return a check, or raise UnknownObjectError."""
    found = checks().filter(pk=check_id).first()
    if found is None:
        raise UnknownObjectError(f"no check {check_id}", code="unknown_check")
    return found


def schedules() -> QuerySet[ScheduledPromotion]:
    """Return schedules with what is shown of them, newest first."""
    return ScheduledPromotion.objects.select_related(
        "upgrade__alias__model", "upgrade__candidate__model", "created_by", "move"
    ).order_by("-pk")


def schedule_numbered(schedule_id: int) -> ScheduledPromotion:
    """Return a schedule, or raise UnknownObjectError."""
    found = schedules().filter(pk=schedule_id).first()
    if found is None:
        raise UnknownObjectError(f"no schedule {schedule_id}", code="unknown_schedule")
    return found
