"""The repair of a candidate that does not understand the old vectors."""

from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_GET, require_http_methods

from registry.upgrades.models import AdapterFit, Upgrade
from registry.upgrades.repairs import may_be_repaired
from registry.upgrades.rewritings import items_out_of_reach, preparations_of, rewritable_items
from registry.upgrades.selectors import fresh_upgrade
from registry.upgrades.services.adapters import request_adapter
from registry.web.attempt import attempt
from registry.web.rendering import page_or_fragment, see_other
from registry.web.repair_rows import repair_rows
from registry.web.upgrade_forms import AdapterForm


@login_required
@require_http_methods(["GET", "POST"])
def repair(request: HttpRequest, upgrade_id: int) -> HttpResponse:
    upgrade = fresh_upgrade(upgrade_id)
    if request.method == "POST":
        return _fit(request, upgrade)
    context = {"upgrade": upgrade} | repair_of(upgrade)
    final = not context["repair_is_under_way"]
    return page_or_fragment(
        request, "upgrades/repair.html", "upgrades/_repair.html", context, final=final
    )


def repair_of(upgrade: Upgrade) -> dict[str, Any]:
    """Return what a page shows of the repair of a candidate."""
    rows = repair_rows(upgrade)
    return {
        "repairs": rows,
        "repair_form": AdapterForm(upgrade) if may_be_repaired(upgrade) else None,
        "repair_is_under_way": any(row.is_under_way for row in rows),
        "rewritable_items": rewritable_items(upgrade),
        "items_out_of_reach": items_out_of_reach(upgrade),
    }


@login_required
@require_GET
def rewriting(request: HttpRequest, upgrade_id: int) -> HttpResponse:
    """Show how far the galleries are rewritten for the candidate."""
    upgrade = fresh_upgrade(upgrade_id)
    context = {"upgrade": upgrade} | rewriting_of(upgrade)
    final = not context["is_rewriting"]
    return page_or_fragment(
        request, "upgrades/rewriting.html", "upgrades/_rewriting.html", context, final=final
    )


def rewriting_of(upgrade: Upgrade) -> dict[str, Any]:
    """Return what a page shows of galleries that are rewritten for a candidate."""
    found = preparations_of(upgrade)
    return {
        "preparations": found,
        "is_rewriting": any(one.is_under_way for one in found),
        "is_fully_rewritten": all(not one.waiting for one in found),
        "is_out_of_reach": any(one.gallery.is_attached and one.waiting for one in found),
    }


def _fit(request: HttpRequest, upgrade: Upgrade) -> HttpResponse:
    form = AdapterForm(upgrade, request.POST)
    if form.is_valid():
        with attempt(request):
            request_adapter(
                upgrade_id=upgrade.pk,
                revision=form.cleaned_data["revision"],
                actor=request.user,
                side=form.cleaned_data["side"] or AdapterFit.Side.QUERY,
            )
            messages.success(request, "An adapter is fitted; its version gets an upgrade.")
    else:
        messages.error(request, "Choose a set that does not judge this alias.")
    return see_other(request, "upgrade", upgrade.pk, fragment="repair")
