"""Promotions that are done later, and safeguards: forms of the upgrade's and the alias's pages."""

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.utils import timezone
from django.views.decorators.http import require_POST

from registry.catalog.selectors import alias_named
from registry.upgrades.models import ScheduledPromotion
from registry.upgrades.services.safeguards import declare, withdraw_safeguard
from registry.upgrades.services.schedule import cancel, schedule
from registry.web.attempt import attempt
from registry.web.forms import ReasonForm
from registry.web.pages.aliases import alias_page
from registry.web.pages.upgrades import promotion_page
from registry.web.rendering import see_other
from registry.web.staging_forms import LaterForm, SafeguardForm


@login_required
@require_POST
def promote_later(request: HttpRequest, upgrade_id: int) -> HttpResponse:
    form = LaterForm(request.POST, prefix="later")
    status = 422
    if form.is_valid():
        with attempt(request) as tried:
            schedule(
                upgrade_id=upgrade_id,
                actor=request.user,
                dual_query="dual_query" in request.POST,
                **form.asked(timezone.now()),
            )
            messages.success(request, "The promotion is scheduled.")
            return see_other(request, "upgrade", upgrade_id, fragment="schedule")
        status = tried.status
    return promotion_page(request, upgrade_id, later=form, status=status)


@login_required
@require_POST
def cancel_promotion(request: HttpRequest, schedule_id: int) -> HttpResponse:
    held = get_object_or_404(ScheduledPromotion, pk=schedule_id)
    form = ReasonForm(request.POST)
    with attempt(request):
        reason = form.cleaned_data["reason"] if form.is_valid() else ""
        cancel(schedule_id=schedule_id, actor=request.user, reason=reason)
        messages.success(request, "The scheduled promotion is cancelled.")
    return see_other(request, "upgrade", held.upgrade_id)


@login_required
@require_POST
def declare_safeguard(request: HttpRequest, name: str, alias: str) -> HttpResponse:
    found = alias_named(name, alias)
    form = SafeguardForm(request.POST, prefix="safeguard")
    status = 422
    if form.is_valid():
        with attempt(request) as tried:
            held = declare(alias=found, actor=request.user, **form.cleaned_data)
            messages.success(request, f"The signal {held.signal} rolls {found} back.")
            return see_other(request, "alias", name, alias, fragment="safeguards")
        status = tried.status
    return alias_page(request, found, safeguard_form=form, status=status)


@login_required
@require_POST
def remove_safeguard(request: HttpRequest, name: str, alias: str, signal: str) -> HttpResponse:
    found = alias_named(name, alias)
    with attempt(request):
        withdraw_safeguard(alias=found, signal=signal, actor=request.user)
        messages.success(request, f"The signal {signal} rolls nothing back any more.")
    return see_other(request, "alias", name, alias, fragment="safeguards")
