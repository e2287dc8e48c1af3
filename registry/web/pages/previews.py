"""Try a query under the old and the new encoder, and let the new one shadow the old."""

from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from compat.policy import Task
from registry.evaluation.models import SetRevision
from registry.galleries.models import Gallery
from registry.galleries.selectors import gallery_named
from registry.galleries.services.search import preview, preview_samples
from registry.upgrades.models import EvaluationPin, Upgrade
from registry.upgrades.selectors import fresh_upgrade
from registry.upgrades.services.start_shadow import start_shadow
from registry.upgrades.services.stop_shadow import stop_shadow
from registry.upgrades.states import OPEN, State
from registry.web.attempt import attempt
from registry.web.preview_forms import ShadowForm, TryForm
from registry.web.rendering import page_or_fragment, see_other
from registry.web.shadow_rows import shadow_rows
from registry.web.try_rows import compared, sampled

LABELLED_SETS = 50
"""Offered to look labels up in, the newest first (chosen)."""


@login_required
@require_GET
def try_query(request: HttpRequest, upgrade_id: int) -> HttpResponse:
    upgrade = fresh_upgrade(upgrade_id)
    here = try_of(upgrade)
    context: dict[str, Any] = {"upgrade": upgrade} | here
    status = 200
    if here["may_try"]:
        asked = {name: request.GET[name] for name in TryForm.base_fields if name in request.GET}
        form = TryForm(here["try_galleries"], _pinned(upgrade), _labelled(), asked or None)
        context["form"] = form
        if asked and form.is_valid():
            with attempt(request) as tried:
                context |= _answered(upgrade, form)
            status = tried.status
        elif asked:
            status = 422
    return render(request, "previews/try.html", context, status=status)


@login_required
@require_http_methods(["GET", "POST"])
def shadow(request: HttpRequest, upgrade_id: int) -> HttpResponse:
    upgrade = fresh_upgrade(upgrade_id)
    if request.method == "POST":
        return _start(request, upgrade)
    context = {"upgrade": upgrade} | shadow_of(upgrade)
    final = not context["shadow_is_running"]
    return page_or_fragment(
        request, "previews/shadow.html", "previews/_shadow.html", context, final=final
    )


@login_required
@require_POST
def end_shadow(request: HttpRequest, upgrade_id: int) -> HttpResponse:
    with attempt(request):
        stop_shadow(upgrade_id=upgrade_id, actor=request.user)
        messages.success(request, "The shadow is stopped; what it has counted stays.")
    return see_other(request, "upgrade", upgrade_id, fragment="shadow")


def try_of(upgrade: Upgrade) -> dict[str, Any]:
    """Return whether a query can be tried, and why not."""
    galleries = Gallery.objects.filter(alias=upgrade.alias_id).order_by("name")
    here = [g for g in galleries if not g.is_attached]
    candidate = upgrade.candidate
    why_not = ""
    if upgrade.state not in OPEN:
        why_not = f"the upgrade is {State(upgrade.state).replace('_', ' ')}"
    elif candidate.is_recorded:
        why_not = "the candidate has recorded outputs and no weights: it can encode nothing new"
    elif candidate.state != candidate.State.READY:
        why_not = "the candidate is not inspected yet"
    elif not here:
        why_not = f"no gallery that is searched here follows {upgrade.alias}"
    return {
        "may_try": not why_not,
        "why_not_try": why_not,
        "try_galleries": here,
        "offers_trial": candidate.model.task == Task.EMBEDDING and bool(here),
    }


def shadow_of(upgrade: Upgrade) -> dict[str, Any]:
    """Return what a page shows of the shadows of an upgrade."""
    rows = shadow_rows(upgrade)
    running = any(row.is_running for row in rows)
    may_start = upgrade.state == State.JUDGED and try_of(upgrade)["may_try"] and not running
    return {
        "shadows": rows,
        "shadow_is_running": running,
        "shadow_form": ShadowForm() if may_start else None,
    }


def _answered(upgrade: Upgrade, form: TryForm) -> dict[str, Any]:
    asked = form.cleaned_data
    gallery = gallery_named(asked["gallery"])
    body: dict[str, Any] = {"upgrade": upgrade.pk}
    if asked["labels_from"]:
        body["labels_from"] = asked["labels_from"]
    if asked["item_id"]:
        return {"answer": compared(preview(gallery, body | {"item_id": asked["item_id"]}))}
    named = asked["evaluation_set"]
    if asked["row"] is not None:
        sample = {"evaluation_set": named, "row": asked["row"]}
        return {"answer": compared(preview(gallery, body | {"sample": sample}))}
    drawn = {"evaluation_set": named, "seed": asked["seed"] or 0}
    return {"draw": sampled(preview_samples(gallery, body | drawn))}


def _start(request: HttpRequest, upgrade: Upgrade) -> HttpResponse:
    form = ShadowForm(request.POST)
    if form.is_valid():
        with attempt(request):
            start_shadow(
                upgrade_id=upgrade.pk,
                share=form.cleaned_data["percent"] / 100,
                ends_at=form.ends_at(),
                most_queries=form.cleaned_data["most_queries"],
                actor=request.user,
            )
            messages.success(request, "The candidate shadows live queries; users see none of it.")
    else:
        problems = [
            f"{form[name].label}: {e}" for name, found in form.errors.items() for e in found
        ]
        messages.error(request, " ".join(problems))
    return see_other(request, "upgrade", upgrade.pk, fragment="shadow")


def _pinned(upgrade: Upgrade) -> list[str]:
    """Return the sets whose queries can be asked: those with inputs."""
    pins = EvaluationPin.objects.filter(gate__alias=upgrade.alias_id)
    revisions = [pin.set_revision for pin in pins.select_related("set_revision__evaluation_set")]
    return [str(revision) for revision in revisions if revision.summary.get("input")]


def _labelled() -> list[str]:
    ready = SetRevision.objects.select_related("evaluation_set").filter(
        state=SetRevision.State.READY, evaluation_set__task=Task.EMBEDDING
    )
    return [str(revision) for revision in ready.order_by("-pk")[:LABELLED_SETS]]
