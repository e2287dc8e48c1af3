"""What people decide about a candidate: approve, reject, waive a rule, have it evaluated again."""

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.views.decorators.http import require_POST

from registry.upgrades.models import Waiver
from registry.upgrades.selectors import fresh_upgrade
from registry.upgrades.services.decide import approve, reject
from registry.upgrades.services.evaluate_again import evaluate_again
from registry.upgrades.services.waivers import grant_waiver, request_waiver
from registry.web.attempt import attempt
from registry.web.rendering import see_other
from registry.web.rule_rows import blocking_rules
from registry.web.upgrade_forms import DecisionForm, WaiverForm


@login_required
@require_POST
def decide(request: HttpRequest, upgrade_id: int) -> HttpResponse:
    form = DecisionForm(request.POST)
    if not form.is_valid():
        messages.error(request, "Approve or reject.")
        return see_other(request, "upgrade", upgrade_id)
    comment = form.cleaned_data["comment"]
    with attempt(request):
        if form.cleaned_data["decision"] == "approve":
            approve(upgrade_id=upgrade_id, actor=request.user, comment=comment)
            messages.success(request, "Your approval is in the ledger.")
        else:
            reject(upgrade_id=upgrade_id, actor=request.user, comment=comment)
            messages.success(request, "The candidate is rejected.")
    return see_other(request, "upgrade", upgrade_id)


@login_required
@require_POST
def ask_waiver(request: HttpRequest, upgrade_id: int) -> HttpResponse:
    upgrade = fresh_upgrade(upgrade_id)
    form = WaiverForm(blocking_rules(upgrade.verdict), request.POST)
    if form.is_valid():
        with attempt(request):
            request_waiver(upgrade_id=upgrade_id, actor=request.user, **form.cleaned_data)
            messages.success(request, "The waiver counts once another person grants it.")
    else:
        for error in form.errors.values():
            messages.error(request, f"Waiver: {error[0]}")
    return see_other(request, "upgrade", upgrade_id, fragment="waivers")


@login_required
@require_POST
def give_waiver(request: HttpRequest, waiver_id: int) -> HttpResponse:
    waiver = get_object_or_404(Waiver, pk=waiver_id)
    with attempt(request):
        grant_waiver(waiver_id=waiver_id, actor=request.user)
        messages.success(request, "The waiver is granted.")
    return see_other(request, "upgrade", waiver.upgrade_id, fragment="waivers")


@login_required
@require_POST
def again(request: HttpRequest, upgrade_id: int) -> HttpResponse:
    with attempt(request):
        evaluate_again(upgrade_id=upgrade_id, actor=request.user)
        messages.success(request, "What failed is tried again; the rest is judged anew.")
    return see_other(request, "upgrade", upgrade_id)
