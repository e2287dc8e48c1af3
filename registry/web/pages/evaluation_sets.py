"""Evaluation sets: list, upload, what one revision holds and whom it judges."""

from django.contrib.auth.decorators import login_required
from django.db.models import Count, Max, Sum
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET, require_http_methods

from registry.catalog.services.store_artifact import Upload, store_artifact
from registry.evaluation.models import EvaluationSet, Outputs, SetRevision
from registry.evaluation.selectors import revision_numbered, set_named
from registry.evaluation.services.add_revision import add_revision
from registry.upgrades.models import EvaluationPin
from registry.web.attempt import attempt
from registry.web.evaluation_forms import EvaluationSetForm
from registry.web.rendering import form_page, page_of, page_or_fragment, see_other

SHOWN_CLASSES = 200


@login_required
@require_GET
def index(request: HttpRequest) -> HttpResponse:
    search = request.GET.get("q", "").strip()
    found = EvaluationSet.objects.annotate(
        revision_count=Count("revisions"),
        newest=Max("revisions__number"),
        judged=Sum("revisions__times_judged"),
    ).order_by("name")
    if search:
        found = found.filter(name__icontains=search)
    context = {"page": page_of(request, found, 30), "search": search}
    return render(request, "evaluation_sets/index.html", context)


@login_required
@require_http_methods(["GET", "POST"])
def upload(request: HttpRequest) -> HttpResponse:
    posted = request.method == "POST"
    form = EvaluationSetForm(
        request.POST if posted else None,
        request.FILES if posted else None,
        initial={"name": request.GET.get("name", ""), "task": request.GET.get("task", "")},
    )
    status = 200
    if posted:
        status = 422
        if form.is_valid():
            given = form.cleaned_data
            with attempt(request) as tried:
                revision = add_revision(
                    name=given["name"],
                    task=given["task"],
                    description=given["description"],
                    artifact=store_artifact(given["file"].chunks(), kind=Upload.TABLE),
                    file_name=given["file"].name,
                    actor=request.user,
                )
                return see_other(
                    request,
                    "evaluation_set_revision",
                    revision.evaluation_set.name,
                    revision.number,
                )
            status = tried.status
    return form_page(
        request,
        "evaluation_sets/upload.html",
        "evaluation_sets/_upload_form.html",
        {"form": form},
        status,
    )


@login_required
@require_GET
def detail(request: HttpRequest, name: str) -> HttpResponse:
    found = set_named(name)
    revisions = found.revisions.select_related("created_by", "artifact")
    context = {"set": found, "page": page_of(request, revisions, 25)}
    return render(request, "evaluation_sets/detail.html", context)


@login_required
@require_GET
def revision(request: HttpRequest, name: str, number: int) -> HttpResponse:
    found = revision_numbered(name, number)
    pins = EvaluationPin.objects.select_related("gate__alias__model", "set_revision")
    outputs = Outputs.objects.select_related("version__model").filter(set_revision=found)
    classes = found.summary.get("classes", [])
    context = {
        "revision": found,
        "set": found.evaluation_set,
        "pins": pins.filter(set_revision=found),
        "outputs": page_of(request, outputs.order_by("-pk"), 25),
        "classes": classes[:SHOWN_CLASSES],
        "more_classes": max(len(classes) - SHOWN_CLASSES, 0),
        "class_count": len(classes),
        "slices": found.summary.get("slices", {}),
    }
    return page_or_fragment(
        request,
        "evaluation_sets/revision.html",
        "evaluation_sets/_state.html",
        context,
        final=found.state != SetRevision.State.INSPECTING,
    )
