"""An alias: what it names, what guards it, where it has been, and the way back."""

from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from registry.catalog.models import Alias, ModelVersion
from registry.catalog.selectors import alias_named, version_numbered
from registry.core.errors import RegistryError
from registry.galleries.canaries import standing_alarms
from registry.galleries.models import Gallery
from registry.upgrades.effective_policies import effective_policy
from registry.upgrades.models import EvaluationPin
from registry.upgrades.owed import waivers_owed
from registry.upgrades.selectors import gate_of
from registry.upgrades.services.gates import pin_set, set_approvals, unpin_set
from registry.upgrades.services.policy_scopes import set_policy
from registry.upgrades.services.propose import propose
from registry.upgrades.services.roll_back import RollbackPlan, plan_rollback, roll_back
from registry.web.alias_forms import ApprovalsForm, PinForm, PolicyChoiceForm, RollBackForm
from registry.web.attempt import attempt
from registry.web.plan_rows import plan_rows
from registry.web.policy_rows import effective_part_rows, effective_rows
from registry.web.rendering import page_of, posted, see_other
from registry.web.staging_forms import SafeguardForm
from registry.web.staging_rows import safeguards_of

OFFERED_TARGETS = 10
DRIFTS_SHOWN = 5


@login_required
@require_GET
def detail(request: HttpRequest, name: str, alias: str) -> HttpResponse:
    return alias_page(request, alias_named(name, alias))


def alias_page(
    request: HttpRequest,
    found: Alias,
    *,
    safeguard_form: SafeguardForm | None = None,
    status: int = 200,
) -> HttpResponse:
    """Show an alias, with a form that is to be filled in again where one is given."""
    gate = gate_of(found)
    policy = effective_policy(found)
    moves = found.moves.select_related("from_version__model", "to_version__model", "actor")
    context = {
        "alias": found,
        "model": found.model,
        "gate": gate,
        "policy": policy,
        "own_policy": policy.layers[-1] if policy.layers[-1].alias_id else None,
        "asked": effective_rows(policy),
        "parts": effective_part_rows(policy),
        "pins": gate.pins.select_related("set_revision__evaluation_set"),
        "policy_form": PolicyChoiceForm(
            found.model, initial={"policy": policy.revision.pk}, prefix="policy"
        ),
        "pin_form": PinForm(found.model, prefix="pin"),
        "approvers": gate.approvers.order_by("username"),
        "approvals_form": ApprovalsForm(
            initial={
                "needed": gate.approvals_needed,
                "approvers": gate.approvers.all(),
                "uploader_may_approve": gate.uploader_may_approve,
            }
        ),
        "moves": page_of(request, moves, 25),
        "galleries": Gallery.objects.filter(alias=found),
        "owed": waivers_owed(found),
        "drifts": standing_alarms().filter(gallery__alias=found)[:DRIFTS_SHOWN],
        "can_roll_back": bool(_earlier(found)),
    } | safeguards_of(found, safeguard_form)
    return render(request, "aliases/detail.html", context, status=status)


@login_required
@require_POST
def change_policy(request: HttpRequest, name: str, alias: str) -> HttpResponse:
    found = alias_named(name, alias)
    form = PolicyChoiceForm(found.model, request.POST, prefix="policy")
    if form.is_valid():
        with attempt(request):
            set_policy(alias=found, revision=form.cleaned_data["policy"], actor=request.user)
            messages.success(request, f"{found} is guarded by {form.cleaned_data['policy']}.")
    else:
        messages.error(request, "Choose a policy.")
    return see_other(request, "alias", name, alias)


@login_required
@require_POST
def change_approvals(request: HttpRequest, name: str, alias: str) -> HttpResponse:
    found = alias_named(name, alias)
    form = ApprovalsForm(request.POST)
    if form.is_valid():
        with attempt(request):
            set_approvals(alias=found, actor=request.user, **form.cleaned_data)
            messages.success(request, f"Who approves for {found} has changed.")
    else:
        messages.error(request, "Say how many approvals are needed.")
    return see_other(request, "alias", name, alias)


@login_required
@require_POST
def pin(request: HttpRequest, name: str, alias: str) -> HttpResponse:
    found = alias_named(name, alias)
    form = PinForm(found.model, request.POST, prefix="pin")
    if form.is_valid():
        with attempt(request):
            pin_set(alias=found, revision=form.cleaned_data["revision"], actor=request.user)
            messages.success(request, f"{form.cleaned_data['revision']} judges {found} now.")
    else:
        messages.error(request, "Choose an evaluation set.")
    return see_other(request, "alias", name, alias)


@login_required
@require_POST
def unpin(request: HttpRequest, name: str, alias: str, pin_id: int) -> HttpResponse:
    found = alias_named(name, alias)
    held = get_object_or_404(EvaluationPin, pk=pin_id, gate__alias=found)
    with attempt(request):
        unpin_set(alias=found, pin=held, actor=request.user)
        messages.success(request, f"{held.set_revision} no longer judges {found}.")
    return see_other(request, "alias", name, alias)


@login_required
@require_POST
def propose_version(request: HttpRequest, name: str, number: int) -> HttpResponse:
    version = version_numbered(name, number)
    found = alias_named(name, request.POST.get("alias", ""))
    with attempt(request):
        upgrade = propose(alias=found, candidate=version, actor=request.user)
        return see_other(request, "upgrade", upgrade.pk)
    return see_other(request, "version", name, number)


@login_required
@require_http_methods(["GET", "POST"])
def go_back(request: HttpRequest, name: str, alias: str) -> HttpResponse:
    found = alias_named(name, alias)
    earlier = _earlier(found)
    number = (request.POST or request.GET).get("to", "")
    target = next((v for v in earlier if str(v.number) == number), None)
    form = RollBackForm(posted(request))
    status = 200
    if request.method == "POST" and target is not None:
        status = 422
        if form.is_valid():
            with attempt(request) as tried:
                roll_back(alias=found, target=target, actor=request.user, **form.cleaned_data)
                messages.success(request, f"{found} names {target} again.")
                return see_other(request, "alias", name, alias)
            status = tried.status
            found = alias_named(name, alias)
    context = {
        "alias": found,
        "model": found.model,
        "targets": [(v, _plan(found, v)) for v in earlier[:OFFERED_TARGETS]],
        "target": target,
        "form": form,
        **(_plan_context(found, target) if target else {}),
    }
    return render(request, "aliases/roll_back.html", context, status=status)


def _earlier(alias: Alias) -> list[ModelVersion]:
    """Return the versions that the alias has named before, the latest first."""
    moves = alias.moves.select_related("to_version__model").exclude(to_version=alias.version_id)
    return list({move.to_version_id: move.to_version for move in moves}.values())


def _plan(alias: Alias, target: ModelVersion) -> RollbackPlan | None:
    try:
        return plan_rollback(alias=alias, target=target)
    except RegistryError:
        return None


def _plan_context(alias: Alias, target: ModelVersion) -> dict[str, Any]:
    plan = _plan(alias, target)
    if plan is None:
        return {"plan": None}
    return {
        "plan": plan,
        "plan_tables": [(gallery, p, plan_rows(p)) for gallery, p in plan.galleries],
    }
