"""Registered models: list, creation, one line with its versions and lineage."""

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.safestring import SafeString
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from registry.catalog.models import RegisteredModel
from registry.catalog.selectors import lineage_of, model_named, models_found
from registry.catalog.services.register_model import register_model
from registry.galleries.models import Gallery
from registry.upgrades.effective_policies import effective_policies
from registry.upgrades.owed import owed_by
from registry.upgrades.selectors import policy_choices, versions_with_upgrades
from registry.upgrades.services.policy_scopes import set_group
from registry.web.attempt import attempt
from registry.web.drawings.lineage import Edge, Node, draw_lineage
from registry.web.policy_forms import GroupForm, groups_of
from registry.web.rendering import page_of, posted, see_other
from registry.web.version_forms import ModelForm

VERSIONS_A_PAGE = 25
DRAWN_VERSIONS = 24
"""Above so many the graph no longer helps; the rest is in the table."""


@login_required
@require_GET
def index(request: HttpRequest) -> HttpResponse:
    search = request.GET.get("q", "").strip()
    page = page_of(request, models_found(search), 30)
    return render(request, "models/index.html", {"page": page, "search": search})


@login_required
@require_http_methods(["GET", "POST"])
def create(request: HttpRequest) -> HttpResponse:
    form = ModelForm(posted(request))
    status = 200
    if request.method == "POST":
        status = 422
        if form.is_valid():
            with attempt(request) as tried:
                model = register_model(**form.cleaned_data, actor=request.user)
                return see_other(request, "model", model.name)
            status = tried.status
    return render(request, "models/create.html", {"form": form}, status=status)


@login_required
@require_GET
def detail(request: HttpRequest, name: str) -> HttpResponse:
    model = model_named(name)
    aliases = (
        model.aliases.select_related("version", "gate")
        .prefetch_related("gate__pins__set_revision__evaluation_set")
        .order_by("name")
    )
    policies = effective_policies(model)
    for alias in aliases:
        alias.policy = policies[alias.pk]
    page = page_of(request, versions_with_upgrades(model), VERSIONS_A_PAGE)
    context = {
        "model": model,
        "aliases": aliases,
        "owed": [waiver for waivers in owed_by(aliases).values() for waiver in waivers],
        "page": page,
        "lineage": _draw(model),
        "galleries": Gallery.objects.select_related("alias").filter(alias__model=model),
        "drawn_versions": DRAWN_VERSIONS,
        "group_form": GroupForm(initial={"group": model.group}),
        "groups": groups_of(model.task),
        "set_policy": policy_choices().filter(scope="model", model=model).first(),
    }
    return render(request, "models/detail.html", context)


@login_required
@require_POST
def change_group(request: HttpRequest, name: str) -> HttpResponse:
    model = model_named(name)
    form = GroupForm(request.POST)
    if form.is_valid():
        group = form.cleaned_data["group"]
        with attempt(request):
            set_group(model=model, group=group, actor=request.user)
            messages.success(request, _joined(model, group))
    else:
        messages.error(request, "The name of a group is too long.")
    return see_other(request, "model", name)


def _joined(model: RegisteredModel, group: str) -> str:
    return f"{model} belongs to {group} now." if group else f"{model} belongs to no group now."


def _draw(model: RegisteredModel) -> SafeString | None:
    """Draw how the newest versions came from each other; None where nothing was declared."""
    edges = lineage_of(model, DRAWN_VERSIONS)
    if not edges:
        return None
    aliases: dict[int, list[str]] = {}
    for alias in model.aliases.exclude(version=None):
        aliases.setdefault(alias.version_id, []).append(alias.name)
    versions = {v.pk: v for edge in edges for v in (edge.parent, edge.child)}
    nodes = [
        Node(
            version.pk,
            f"#{version.number}" if version.model_id == model.pk else str(version),
            reverse("version", args=[version.model.name, version.number]),
            ", ".join(aliases.get(version.pk, [])),
            version.pk in aliases,
        )
        for version in sorted(versions.values(), key=lambda v: (v.model_id != model.pk, -v.number))
    ]
    return draw_lineage(nodes, [Edge(e.parent_id, e.child_id, e.relation) for e in edges])
