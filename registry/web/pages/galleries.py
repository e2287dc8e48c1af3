"""Galleries: list, creation, one gallery with its live pointer, segments and search."""

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.db.models import Sum
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from registry.catalog.selectors import alias_named, aliases_serving, ready_versions
from registry.catalog.services.store_artifact import Upload, store_artifact
from registry.core.leases import WorkState
from registry.galleries.canaries import alarm_of, is_drifted
from registry.galleries.models import Gallery
from registry.galleries.selectors import acknowledgements_of, gallery_named, twin_counts
from registry.galleries.services.attach import MOST_ITEMS, Attachment, declare_items
from registry.galleries.services.create_gallery import create_gallery
from registry.galleries.services.insert import submit_inputs
from registry.galleries.services.search import search as ask_search_process
from registry.galleries.services.twins import LONGEST_PROBATION_HOURS, set_probation
from registry.web.attempt import attempt
from registry.web.backfill_forms import ProbationForm
from registry.web.canary_rows import canary_card
from registry.web.gallery_forms import DeclaredForm, GalleryForm, HeldFormSet, ItemsForm, SearchForm
from registry.web.rendering import form_page, page_of, page_or_fragment, posted, see_other

VERSIONS_OFFERED = 100
"""Suggestions beside a field; any other version may be typed."""


@login_required
@require_GET
def index(request: HttpRequest) -> HttpResponse:
    search = request.GET.get("q", "").strip()
    found = (
        Gallery.objects.select_related("alias__model", "live_view__encoder__model")
        .annotate(live_items=Sum("segments__live_items"), drifted=is_drifted())
        .order_by("name")
    )
    if search:
        found = found.filter(name__icontains=search)
    context = {"page": page_of(request, found, 30), "search": search}
    return render(request, "galleries/index.html", context)


@login_required
@require_http_methods(["GET", "POST"])
def create(request: HttpRequest) -> HttpResponse:
    names = [str(a) for a in aliases_serving().filter(model__task="embedding")]
    initial = {"alias": request.GET.get("alias", "")}
    form = GalleryForm(names, posted(request), initial=initial)
    held = HeldFormSet(posted(request), prefix="held")
    status = 200
    if request.method == "POST":
        status = 422
        if form.is_valid() and (not form.is_attached or held.is_valid()):
            model, _, alias = form.cleaned_data["alias"].partition("@")
            with attempt(request) as tried:
                gallery = create_gallery(
                    name=form.cleaned_data["name"],
                    description=form.cleaned_data["description"],
                    alias=alias_named(model, alias),
                    actor=request.user,
                    attachment=Attachment(form.cleaned_data["location"], held.held())
                    if form.is_attached
                    else None,
                    engine=form.chosen_engine,
                )
                return see_other(request, "gallery", gallery.name)
            status = tried.status
    context = {
        "form": form,
        "held": held,
        "has_alias": bool(names),
        "versions": ready_versions(task="embedding")[:VERSIONS_OFFERED],
    }
    return render(request, "galleries/create.html", context, status=status)


@login_required
@require_GET
def detail(request: HttpRequest, name: str) -> HttpResponse:
    gallery = gallery_named(name)
    batches = gallery.batches.select_related("segment", "created_by", "upload").order_by("-pk")
    at_work = batches.filter(work_state__in=[WorkState.QUEUED, WorkState.RUNNING]).exists()
    segments = gallery.segments.select_related("producer__model").order_by("-number")
    live = gallery.live_view
    cutovers = gallery.cutovers.select_related(
        "from_view__encoder__model", "to_view__encoder__model"
    )
    consumers = acknowledgements_of(gallery)
    context = {
        "gallery": gallery,
        "entries": {e.segment_id: e for e in live.entries.select_related("encoder__model")},
        "segments": page_of(request, segments, 25, name="segments"),
        "live_items": gallery.segments.aggregate(total=Sum("live_items"))["total"] or 0,
        **_held_elsewhere(gallery),
        "consumers": page_of(request, consumers, 25, name="consumers"),
        "lagging": consumers.filter(behind__gt=0).count(),
        "cutovers": page_of(request, cutovers, 25, name="cutovers"),
        "batches": page_of(request, batches, 10),
        "items_form": ItemsForm(),
        "declared_form": DeclaredForm(gallery) if gallery.is_attached else None,
        "twins": twin_counts(gallery),
        "probation_form": ProbationForm(initial={"hours": gallery.probation_hours}),
        "search_form": SearchForm(),
        "card": canary_card(request, gallery),
        "drift": alarm_of(name),
    }
    return page_or_fragment(
        request, "galleries/detail.html", "galleries/_work.html", context, final=not at_work
    )


@login_required
@require_POST
def add_items(request: HttpRequest, name: str) -> HttpResponse:
    gallery = gallery_named(name)
    form = ItemsForm(request.POST, request.FILES)
    if not form.is_valid():
        messages.error(request, "Choose an NPZ or Parquet file.")
        return see_other(request, "gallery", name)
    with attempt(request):
        upload = store_artifact(form.cleaned_data["file"].chunks(), kind=Upload.TABLE)
        submit_inputs(gallery=gallery, upload=upload, actor=request.user)
        messages.success(request, "The items are queued for the live encoder.")
    return see_other(request, "gallery", name, fragment="batches")


@login_required
@require_POST
def declare(request: HttpRequest, name: str) -> HttpResponse:
    gallery = gallery_named(name)
    form = DeclaredForm(gallery, request.POST)
    if form.is_valid():
        number, items = form.cleaned_data["segment"], form.cleaned_data["items"]
        with attempt(request):
            declare_items(gallery=gallery, number=number, items=items, actor=request.user)
            messages.success(request, f"Segment {number} holds {items:,} items.")
    else:
        messages.error(request, f"Choose a segment, and say how many items: 0 to {MOST_ITEMS:,}.")
    return see_other(request, "gallery", name, fragment="segments")


@login_required
@require_POST
def change_probation(request: HttpRequest, name: str) -> HttpResponse:
    gallery = gallery_named(name)
    form = ProbationForm(request.POST)
    if form.is_valid():
        with attempt(request):
            set_probation(gallery=gallery, hours=form.cleaned_data["hours"], actor=request.user)
            messages.success(request, "The probation has changed.")
    else:
        messages.error(request, f"Hours are a whole number from 0 to {LONGEST_PROBATION_HOURS:,}.")
    return see_other(request, "gallery", name, fragment="probation")


@login_required
@require_http_methods(["GET", "POST"])
def search(request: HttpRequest, name: str) -> HttpResponse:
    gallery = gallery_named(name)
    form = SearchForm(posted(request))
    answer, status = None, 422 if form.is_bound else 200
    if form.is_valid():
        with attempt(request) as tried:
            answer = ask_search_process(gallery, form.body())
        status = tried.status
    context = {"gallery": gallery, "search_form": form, "answer": answer}
    return form_page(request, "galleries/search.html", "galleries/_hits.html", context, status)


def _held_elsewhere(gallery: Gallery) -> dict[str, int]:
    """Return how many items are of other versions, and how many of them nothing searches."""
    others = gallery.segments.exclude(producer=gallery.live_view.encoder_id)
    searched = gallery.live_view.entries.filter(searchable=True).values("segment")
    unsearched = others.exclude(pk__in=searched)
    return {
        "other_items": others.aggregate(total=Sum("live_items"))["total"] or 0,
        "waiting_items": unsearched.aggregate(total=Sum("live_items"))["total"] or 0,
    }
