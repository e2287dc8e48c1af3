"""Backfills of a gallery: what one would take, how far it has come; and what it is worth."""

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from registry.catalog.models import ModelVersion
from registry.galleries.economics import compared_versions, economics_of
from registry.galleries.estimates import backfill_plan, progress_of
from registry.galleries.models import Backfill
from registry.galleries.selectors import backfill_numbered, backfills_of, gallery_named
from registry.galleries.services.start_backfill import start_backfill
from registry.galleries.services.steer_backfill import (
    pause_backfill,
    resume_backfill,
    stop_backfill,
)
from registry.web.attempt import attempt
from registry.web.backfill_forms import BackfillForm, EconomicsForm, PriceForm
from registry.web.economics_rows import economics_rows, reason
from registry.web.rendering import page_of, page_or_fragment, posted, see_other

VERBS = {"pause": pause_backfill, "resume": resume_backfill, "stop": stop_backfill}


@login_required
@require_http_methods(["GET", "POST"])
def overview(request: HttpRequest, name: str) -> HttpResponse:
    """Show the backfills of a gallery; a post starts one."""
    gallery = gallery_named(name)
    form = BackfillForm(posted(request))
    if request.method == "POST" and form.is_valid():
        with attempt(request):
            start_backfill(gallery=gallery, actor=request.user, **form.cleaned_data)
            messages.success(request, "The backfill is queued.")
        return see_other(request, "gallery_backfill", name)
    prices = PriceForm(request.GET)
    price = prices.cleaned_data["price_per_hour"] if prices.is_valid() else None
    newest = backfills_of(gallery).first()
    running = newest is not None and newest.state == Backfill.State.RUNNING
    polled = bool(request.htmx)
    context = {
        "gallery": gallery,
        "backfill": newest,
        "progress": progress_of(newest, now=timezone.now(), price_per_hour=price)
        if newest
        else None,
        "price": price,
        "prices": prices,
        "form": form,
    }
    if not polled:
        context["plan"] = backfill_plan(gallery, price_per_hour=price)
        context["earlier"] = page_of(request, backfills_of(gallery), 10)
    response = page_or_fragment(
        request, "backfills/overview.html", "backfills/_progress.html", context, final=not running
    )
    if request.method == "POST":
        response.status_code = 422
    return response


@login_required
@require_POST
def steer(request: HttpRequest, name: str, backfill_id: int) -> HttpResponse:
    """Pause, resume or stop a backfill."""
    backfill = backfill_numbered(gallery_named(name), backfill_id)
    verb = VERBS.get(request.POST.get("verb", ""))
    if verb is None:
        raise Http404
    with attempt(request):
        verb(backfill=backfill, actor=request.user)
    return see_other(request, "gallery_backfill", name)


@login_required
@require_GET
def economics(request: HttpRequest, name: str) -> HttpResponse:
    """Show what staying compatible costs, and from when a backfill pays."""
    gallery = gallery_named(name)
    first = economics_of(gallery, backfill_plan(gallery))
    form = EconomicsForm(compared_versions(first), request.GET)
    given = form.cleaned_data if form.is_valid() else {}
    paragon: ModelVersion | None = given.get("paragon")
    plan = backfill_plan(gallery, price_per_hour=given.get("price_per_hour"))
    found = economics_of(
        gallery, plan, paragon=paragon, value_per_point_month=given.get("value_per_point_month")
    )
    context = {
        "gallery": gallery,
        "form": form,
        "plan": plan,
        "economics": found,
        "rows": economics_rows(found),
        "payback_reason": reason(found.payback_months.undefined),
    }
    return render(request, "backfills/economics.html", context)
