"""Checks: outputs judged as a candidate would be, of which nothing is registered."""

from typing import Any

from django.contrib.auth.decorators import login_required
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET, require_http_methods

from compat.measurement import Measurement
from compat.verdict import Outcome
from registry.catalog.models import ModelVersion
from registry.catalog.services.store_artifact import Upload, store_artifact
from registry.core.leases import WorkState
from registry.evaluation.models import Outputs
from registry.upgrades.effective_policies import effective_policy
from registry.upgrades.models import AliasGate, Check
from registry.upgrades.selectors import check_numbered, checks
from registry.upgrades.services.checks import request_check
from registry.web.attempt import attempt
from registry.web.evaluation_forms import CheckForm, judging_pins
from registry.web.flip_choice import choose_flips
from registry.web.manifest_templates import recorded_example
from registry.web.remedies import remedy
from registry.web.rendering import form_page, page_of, page_or_fragment, posted, see_other
from registry.web.rule_rows import null_rows, reason_of, rule_rows
from registry.web.set_reports import numbers_of, show

FLIPS_A_PAGE = 60
SHOWN_FLIPS = 24
AT_WORK = (WorkState.QUEUED, WorkState.RUNNING)
BULKY = ("results", "measurements", "flips", "manifest")
"""Columns that a list has no use for."""


@login_required
@require_GET
def index(request: HttpRequest) -> HttpResponse:
    chosen = {key: request.GET.get(key, "").strip() for key in ("outcome", "model")}
    found = _with_outcome(checks().defer(*BULKY), chosen["outcome"])
    if chosen["model"]:
        found = found.filter(alias__model__name=chosen["model"])
    context = {
        "page": page_of(request, found, 30),
        "chosen": chosen,
        "outcomes": ["pending", *Outcome],
    }
    return render(request, "checks/index.html", context)


@login_required
@require_http_methods(["GET", "POST"])
def create(request: HttpRequest) -> HttpResponse:
    form = CheckForm(posted(request), request.FILES or None, initial={"pin": _asked_pin(request)})
    status = 200
    if request.method == "POST":
        status = 422
        if form.is_valid():
            given = form.cleaned_data
            with attempt(request) as tried:
                check = request_check(
                    alias=given["pin"].gate.alias,
                    revision=given["pin"].set_revision,
                    upload=store_artifact(given["file"].chunks(), kind=Upload.TABLE),
                    actor=request.user,
                    manifest=given["manifest"],
                )
                return see_other(request, "check", check.pk)
            status = tried.status
    context = {
        "form": form,
        "has_pins": judging_pins().exists(),
        "shows_manifest": bool(form.errors or status != 200),
        "examples": [(task, recorded_example(task)) for task in ("classification", "embedding")],
    }
    return form_page(request, "checks/new.html", "checks/_upload_form.html", context, status)


@login_required
@require_GET
def detail(request: HttpRequest, check_id: int) -> HttpResponse:
    check = check_numbered(check_id)
    final = check.work_state not in AT_WORK
    context: dict[str, Any] = {"check": check}
    if not final:
        context["awaited"] = _awaited(check)
    elif check.work_state == WorkState.FAILED:
        context["remedy"] = remedy(check.error_code)
    else:
        context |= _judgement(check)
    return page_or_fragment(
        request, "checks/detail.html", "checks/_state.html", context, final=final
    )


@login_required
@require_GET
def flips(request: HttpRequest, check_id: int) -> HttpResponse:
    check = check_numbered(check_id)
    choice = choose_flips(check.flips, request.GET)
    context = {
        "check": check,
        "choice": choice,
        "page": page_of(request, choice.flips, FLIPS_A_PAGE),
    }
    return render(request, "checks/flips.html", context)


def _with_outcome(found: QuerySet[Check], wanted: str) -> QuerySet[Check]:
    """Narrow to one outcome; what could not be judged is an error, as everywhere."""
    if wanted == "pending":
        return found.filter(work_state__in=AT_WORK)
    if wanted == Outcome.ERRORED:
        return found.filter(Q(work_state=WorkState.FAILED) | Q(outcome=wanted))
    return found.filter(outcome=wanted) if wanted else found


def _asked_pin(request: HttpRequest) -> int | None:
    """Return the first pin of the alias that the query string names, or the only pin there is."""
    model, _, alias = request.GET.get("alias", "").partition("@")
    pins = judging_pins()
    if model:
        pins = pins.filter(gate__alias__model__name=model, gate__alias__name=alias)
    found = list(pins.values_list("pk", flat=True)[:2])
    return found[0] if found and (model or len(found) == 1) else None


def _awaited(check: Check) -> Outputs | None:
    """Return outputs of an earlier version that a check waits for, if it does."""
    earlier = ModelVersion.objects.filter(
        pk__in=[check.incumbent_id, *check.chain, *check.standing]
    )
    return (
        Outputs.objects.select_related("version__model")
        .filter(
            version_digest__in=earlier.values("digest"),
            set_digest=check.set_revision.digest,
            work_state__in=AT_WORK,
        )
        .first()
    )


def _judgement(check: Check) -> dict[str, Any]:
    """Return what the page shows of a check that was judged."""
    confidence = check.policy["document"]["confidence"]
    measured = [Measurement.from_json(plain) for plain in check.measurements]
    listed = sum(flip["kind"] == "negative" for flip in check.flips)
    return {
        "why": reason_of(check.outcome, check.results),
        "moved": _moved(check),
        "confidence": f"{confidence * 100:g}",
        "rules": rule_rows(check.results),
        "null_tests": null_rows(check.results),
        "numbers": numbers_of(measured, confidence, is_first=check.incumbent_id is None),
        "measured": [(m, show(m, confidence)) for m in measured if not m.slice],
        "flips": check.flips[:SHOWN_FLIPS],
        "negative": _counted(measured, {"nfr", "retrieval_nfr"}, listed),
        "positive": _counted(measured, {"pfr", "retrieval_pfr"}, len(check.flips) - listed),
        "listed": len(check.flips),
    }


def _counted(measured: list[Measurement], names: set[str], listed: int) -> int:
    """Return how many samples flipped, which a list that was cut short does not tell."""
    counts = [
        round(m.value * m.support)
        for m in measured
        if m.name in names and not m.slice and m.value is not None
    ]
    return max(counts, default=listed)


def _moved(check: Check) -> list[str]:
    """Return what has changed since: another check might come out otherwise."""
    gate, policy = AliasGate.objects.get(alias=check.alias), effective_policy(check.alias)
    moved = []
    if check.alias.version_id != check.incumbent_id:
        moved.append(f"{check.alias} names {check.alias.version or 'no version'} now")
    if policy.document != check.policy["document"]:
        moved.append(f"{policy.revision} guards it now")
    if not gate.pins.filter(set_revision=check.set_revision_id).exists():
        moved.append(f"{check.set_revision} no longer judges it")
    return moved
