"""Upgrades: list, and one upgrade with its verdict, its evidence and what may be done now."""

from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from compat.verdict import Outcome
from registry.audit.selectors import entries
from registry.catalog.models import ModelVersion
from registry.core.errors import GateNotPassedError, RegistryError
from registry.evaluation.models import Comparison
from registry.upgrades.models import Upgrade, Verdict
from registry.upgrades.previews import galleries_after, steps_of
from registry.upgrades.selectors import fresh_upgrade, gate_of, upgrades
from registry.upgrades.services.decide import approvals_of
from registry.upgrades.services.promote import promote
from registry.upgrades.services.supersede import supersede
from registry.upgrades.services.waivers import outcome_now, standing_waivers
from registry.upgrades.services.withdraw import withdraw
from registry.upgrades.states import OPEN, State
from registry.web.attempt import attempt
from registry.web.forms import ReasonForm
from registry.web.pages.adapters import repair_of, rewriting_of
from registry.web.pages.previews import shadow_of, try_of
from registry.web.pages.rivals import rivals_of
from registry.web.plan_rows import plan_rows
from registry.web.rendering import page_of, page_or_fragment, posted, see_other
from registry.web.rule_rows import blocking_rules, coverage_rows, null_rows, rule_rows, why
from registry.web.set_reports import SetReport, report_on
from registry.web.staging_forms import LaterForm
from registry.web.staging_rows import schedule_of
from registry.web.standings import is_open
from registry.web.upgrade_forms import DecisionForm, SupersedeForm, WaiverForm

SHOWN_FLIPS = 24
SHOWN_SLICES = 20
SHOWN_ENTRIES = 20


@login_required
@require_GET
def index(request: HttpRequest) -> HttpResponse:
    found = upgrades()
    chosen = {key: request.GET.get(key, "") for key in ("state", "outcome", "model")}
    if chosen["state"] == "open":
        found = found.filter(state__in=OPEN)
    elif chosen["state"]:
        found = found.filter(state=chosen["state"])
    if chosen["outcome"]:
        found = found.filter(verdict__outcome=chosen["outcome"])
    if chosen["model"]:
        found = found.filter(alias__model__name=chosen["model"])
    context = {
        "page": page_of(request, found, 30),
        "chosen": chosen,
        "states": ["open", *State],
        "outcomes": list(Outcome),
    }
    return render(request, "upgrades/index.html", context)


@login_required
@require_GET
def detail(request: HttpRequest, upgrade_id: int) -> HttpResponse:
    upgrade = fresh_upgrade(upgrade_id)
    final = upgrade.state != State.EVALUATING
    context = {"upgrade": upgrade, "incumbent": _incumbent(upgrade)} | schedule_of(upgrade)
    context |= rewriting_of(upgrade)
    if not final or upgrade.state == State.REFUSED:
        context["steps"] = _steps(upgrade)
    if not (request.htmx and not final):
        context |= _evidence(upgrade)
    return page_or_fragment(
        request, "upgrades/detail.html", "upgrades/_progress.html", context, final=final
    )


@login_required
@require_http_methods(["GET", "POST"])
def promotion(request: HttpRequest, upgrade_id: int) -> HttpResponse:
    form = ReasonForm(posted(request))
    status = 200
    if request.method == "POST" and form.is_valid():
        with attempt(request) as tried:
            promoted = promote(
                upgrade_id=upgrade_id,
                actor=request.user,
                reason=form.cleaned_data["reason"],
                dual_query="dual_query" in request.POST,
            )
            messages.success(request, f"{promoted.upgrade.alias} names {promoted.move.to_version}.")
            return see_other(request, "upgrade", upgrade_id)
        status = tried.status
    return promotion_page(request, upgrade_id, form=form, status=status)


def promotion_page(
    request: HttpRequest,
    upgrade_id: int,
    *,
    form: ReasonForm | None = None,
    later: LaterForm | None = None,
    status: int = 200,
) -> HttpResponse:
    """Show what a promotion would move, with the forms to do it now or later."""
    upgrade = fresh_upgrade(upgrade_id)
    blocked = _blocked(upgrade, request)
    dual_query_helps = blocked and _blocked(upgrade, request, dual_query=True) is None
    context = {
        "upgrade": upgrade,
        "incumbent": upgrade.alias.version,
        "form": form or ReasonForm(),
        "later": later or LaterForm(prefix="later"),
        "blocked": blocked,
        "dual_query_helps": dual_query_helps,
        "may_schedule": not blocked or dual_query_helps or blocked.code == "approvals_missing",
        "galleries": [(p, plan_rows(p.cutover)) for p in galleries_after(upgrade)],
    } | (schedule_of(upgrade) | rewriting_of(upgrade))
    return render(request, "upgrades/promote.html", context, status=status)


@login_required
@require_POST
def withdrawal(request: HttpRequest, upgrade_id: int) -> HttpResponse:
    form = ReasonForm(request.POST)
    with attempt(request):
        reason = form.cleaned_data["reason"] if form.is_valid() else ""
        withdraw(upgrade_id=upgrade_id, actor=request.user, reason=reason)
        messages.success(request, "The upgrade is withdrawn.")
    return see_other(request, "upgrade", upgrade_id)


@login_required
@require_POST
def supersession(request: HttpRequest, upgrade_id: int) -> HttpResponse:
    form = SupersedeForm(fresh_upgrade(upgrade_id), request.POST)
    if form.is_valid():
        by = form.cleaned_data["by"]
        with attempt(request):
            supersede(
                upgrade_id=upgrade_id,
                by_upgrade_id=by.pk,
                actor=request.user,
                reason=form.cleaned_data["reason"],
            )
            messages.success(request, f"Closed in favour of upgrade #{by.pk}.")
    else:
        messages.error(request, "Choose an open upgrade of the same alias.")
    return see_other(request, "upgrade", upgrade_id)


def comparisons_of(verdict: Verdict) -> list[Comparison]:
    """Return the comparisons of candidate and incumbent that a verdict rests on, set by set."""
    found = (
        Comparison.objects.select_related(
            "old_outputs__version__model",
            "new_outputs__version__model",
            "old_outputs__set_revision__evaluation_set",
        )
        .filter(pk__in=verdict.comparisons, producer_digest="")
        .order_by("old_outputs__set_revision__evaluation_set__name")
    )
    candidate = verdict.fingerprint["candidate"]
    incumbent = verdict.fingerprint["incumbent"] or candidate
    return [c for c in found if (c.old_digest, c.new_digest) == (incumbent, candidate)]


def _incumbent(upgrade: Upgrade) -> ModelVersion | None:
    """Return what the candidate is held against: what the verdict saw, else what serves now."""
    if upgrade.verdict is not None:
        return upgrade.verdict.incumbent
    return upgrade.alias.version


def _steps(upgrade: Upgrade) -> list[Any]:
    if upgrade.candidate.state != ModelVersion.State.READY:
        return []
    return steps_of(upgrade)


def _evidence(upgrade: Upgrade) -> dict[str, Any]:
    """Return what the page shows of the present verdict, and of those before it."""
    context: dict[str, Any] = {
        "entries": entries(subject=f"upgrade:{upgrade.pk}")[:SHOWN_ENTRIES],
        "is_open": is_open(upgrade),
        "withdraw_form": ReasonForm(auto_id="withdraw_%s", label="Why it is withdrawn"),
        "supersede_form": SupersedeForm(upgrade, auto_id="supersede_%s"),
    } | repair_of(upgrade)
    context |= try_of(upgrade) | shadow_of(upgrade)
    verdict = upgrade.verdict
    if verdict is None:
        return context
    confidence = (verdict.policy.get("document") or verdict.policy_revision.document)["confidence"]
    reports = [report_on(c, confidence) for c in comparisons_of(verdict)]
    others = upgrade.verdicts.select_related("incumbent__model", "policy_revision__policy")
    stands = upgrade.state == State.JUDGED
    opens = stands and outcome_now(upgrade) == Outcome.PASSED
    return (
        context
        | _decisions(upgrade, verdict)
        | {
            "verdict": verdict,
            "why": why(verdict),
            "rules": rule_rows(verdict.results),
            "null_tests": null_rows(verdict.results),
            "coverage": coverage_rows(verdict.coverage),
            "reports": [(report, _some_flips(report)) for report in reports],
            "shown_slices": SHOWN_SLICES,
            "earlier": [v for v in others if v.pk != verdict.pk],
            "confidence": f"{confidence * 100:g}",
            "stands": stands,
            "may_promote": opens,
            "rivals": rivals_of(upgrade) if verdict.incumbent and is_open(upgrade) else [],
            "is_waived": opens and verdict.outcome != Outcome.PASSED,
        }
    )


def _decisions(upgrade: Upgrade, verdict: Verdict) -> dict[str, Any]:
    """Return what people decided, and the forms to decide with."""
    rules = blocking_rules(verdict)
    return {
        "decisions": upgrade.decisions.select_related("person", "verdict").order_by("-pk"),
        "approvals": approvals_of(upgrade),
        "approvals_needed": gate_of(upgrade.alias).approvals_needed,
        "decision_form": DecisionForm(),
        "waivers": upgrade.waivers.select_related("requested_by", "granted_by").order_by("-pk"),
        "counting": {waiver.pk for waiver in standing_waivers(upgrade)},
        "waiver_form": WaiverForm(rules) if rules else None,
    }


def _some_flips(report: SetReport) -> list[dict[str, Any]]:
    return report.comparison.flips[:SHOWN_FLIPS]


def _blocked(
    upgrade: Upgrade, request: HttpRequest, *, dual_query: bool = False
) -> RegistryError | None:
    """Return why the promotion would be refused now, by doing all of it without keeping it."""
    if upgrade.state != State.JUDGED:
        return GateNotPassedError(f"the upgrade is {upgrade.state}", code="illegal_transition")
    try:
        promote(upgrade_id=upgrade.pk, actor=request.user, dry_run=True, dual_query=dual_query)
    except RegistryError as exc:
        return exc
    return None
