"""Policies: what is set where, each revision in words and as text, and the editor."""

from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404, render
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from compat.policy import Level, Task
from compat.policy_documents import parts_of
from registry.upgrades.models import Policy, PolicyChoice
from registry.upgrades.policy_scopes import Place
from registry.upgrades.policy_text import write_policy_text
from registry.upgrades.selectors import (
    newest_policy_revision,
    policy_choices,
    policy_revision,
)
from registry.upgrades.services.policies import add_policy_revision
from registry.upgrades.services.policy_scopes import choose_policy, inherit_policy
from registry.web.attempt import attempt
from registry.web.policy_diff import changed_lines
from registry.web.policy_draft import look_at
from registry.web.policy_forms import PolicyTextForm, SetPolicyForm
from registry.web.policy_places import page_of_choice
from registry.web.policy_rows import asked_parts, asked_rules
from registry.web.policy_starts import STARTS
from registry.web.rendering import page_of, posted, see_other

WIDEST_FIRST = list(PolicyChoice.Scope)


@login_required
@require_GET
def index(request: HttpRequest) -> HttpResponse:
    policies = Policy.objects.prefetch_related("revisions")
    context = {
        "page": page_of(request, policies, 30),
        "choices": _choices_by_task(),
    }
    return render(request, "policies/index.html", context)


@login_required
@require_GET
def revision(request: HttpRequest, name: str, number: int) -> HttpResponse:
    found = policy_revision(name, number)
    parts = parts_of(found.document)
    is_layer = "inherits" in found.document
    if not is_layer:
        parts = {"level": Level.BACKWARD, **parts}
    before = found.policy.revisions.filter(number__lt=number).first()
    context = {
        "revision": found,
        "policy": found.policy,
        "is_layer": is_layer,
        "rules": asked_rules(parts),
        "parts": asked_parts(parts),
        "without": found.document.get("without", ()),
        "text": _text_of(found),
        "is_written": bool(found.text),
        "before": before,
        "changes": changed_lines(_text_of(before), _text_of(found)) if before else [],
        "choices": policy_choices().filter(policy_revision=found),
        "set_form": SetPolicyForm(found.policy.task),
        "others": found.policy.revisions.exclude(pk=found.pk),
    }
    return render(request, "policies/revision.html", context)


@login_required
@require_http_methods(["GET", "POST"])
def create(request: HttpRequest) -> HttpResponse:
    start = STARTS.get(request.GET.get("from", ""), next(iter(STARTS.values())))
    return _edit(request, start.text, None)


@login_required
@require_http_methods(["GET", "POST"])
def edit(request: HttpRequest, name: str) -> HttpResponse:
    newest = newest_policy_revision(name)
    return _edit(request, _text_of(newest), newest)


@login_required
@require_POST
def set_revision(request: HttpRequest, name: str, number: int) -> HttpResponse:
    found = policy_revision(name, number)
    form = SetPolicyForm(found.policy.task, request.POST)
    if form.is_valid():
        place = form.cleaned_data["place"]
        with attempt(request):
            choose_policy(place=place, revision=found, actor=request.user)
            messages.success(request, f"{found} is set for {place}.")
    else:
        messages.error(request, "Choose where to set it.")
    return see_other(request, "policy_revision", name, number, fragment="set")


@login_required
@require_POST
def unset(request: HttpRequest, choice_id: int) -> HttpResponse:
    choice = get_object_or_404(policy_choices(), pk=choice_id)
    with attempt(request):
        inherit_policy(place=Place.of_choice(choice), actor=request.user)
        messages.success(request, f"Nothing is set for {choice.where} any more: it inherits.")
    return HttpResponseRedirect(page_of_choice(choice), status=303)


def _edit(request: HttpRequest, text: str, newest: Any) -> HttpResponse:
    policy = newest.policy if newest else None
    name, task = (policy.name, policy.task) if policy else ("", "")
    form = PolicyTextForm(name, task, posted(request), initial={"text": text})
    draft, status = look_at(text, None), 200
    if request.method == "POST":
        is_valid = form.is_valid()
        given = form.cleaned_data
        draft = look_at(given.get("text", ""), given.get("place"))
        if request.htmx:
            return render(request, "policies/_draft.html", {"draft": draft})
        if request.POST.get("act") == "save":
            status = 422
            if is_valid and not draft.problems:
                with attempt(request) as tried:
                    made = add_policy_revision(
                        name=name or given["name"], text=given["text"], actor=request.user
                    )
                    messages.success(request, f"{made} is kept. It is set nowhere yet.")
                    return see_other(request, "policy_revision", made.policy.name, made.number)
                status = tried.status
    context = {
        "form": form,
        "draft": draft,
        "newest": newest,
        "starts": STARTS.values(),
    }
    return render(request, "policies/edit.html", context, status=status)


def _choices_by_task() -> list[tuple[str, list[PolicyChoice]]]:
    """Return what is set where, widest first, for each task that something is set for."""
    found = sorted(policy_choices(), key=lambda c: (WIDEST_FIRST.index(c.scope), c.where))
    by_task = ((task, [choice for choice in found if choice.task == task]) for task in Task)
    return [(task, choices) for task, choices in by_task if choices]


def _text_of(revision: Any) -> str:
    return revision.text or write_policy_text(revision.document)
