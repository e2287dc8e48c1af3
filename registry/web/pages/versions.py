"""One version: what it is, what was measured of it, and the upload of a new one."""

from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from registry.catalog.models import ModelVersion, RegisteredModel
from registry.catalog.selectors import model_named, version_numbered
from registry.catalog.services.store_artifact import Upload, store_artifact
from registry.core.errors import InvalidInputError
from registry.core.leases import WorkState
from registry.evaluation.models import Outputs
from registry.evaluation.services.outputs import retry, upload_recording
from registry.upgrades.selectors import upgrades
from registry.upgrades.services.gates import DEFAULT_ALIAS
from registry.upgrades.services.propose import register_and_propose
from registry.web.attempt import attempt
from registry.web.manifest_templates import recorded_example, starting_manifest
from registry.web.rendering import form_page, page_of, page_or_fragment, see_other
from registry.web.version_forms import CandidateForm, ParentFormSet, RecordingForm


@login_required
@require_GET
def detail(request: HttpRequest, name: str, number: int) -> HttpResponse:
    version = version_numbered(name, number)
    outputs = Outputs.objects.select_related("set_revision__evaluation_set").filter(version=version)
    at_work = outputs.filter(work_state__in=[WorkState.QUEUED, WorkState.RUNNING]).exists()
    context = {
        "version": version,
        "model": version.model,
        "outputs": page_of(request, outputs.order_by("-pk"), 25),
        "upgrades": upgrades().filter(candidate=version),
        "aliases": version.aliases.select_related("model").order_by("name"),
        "parents": version.parent_edges.select_related("parent__model"),
        "children": version.child_edges.select_related("child__model")[:50],
        "recording_form": RecordingForm(version) if version.is_recorded else None,
    }
    final = version.state != ModelVersion.State.INSPECTING and not at_work
    return page_or_fragment(
        request, "versions/detail.html", "versions/_work.html", context, final=final
    )


@login_required
@require_http_methods(["GET", "POST"])
def upload(request: HttpRequest, name: str) -> HttpResponse:
    model = model_named(name)
    posted = request.method == "POST"
    form = CandidateForm(
        request.POST if posted else None,
        request.FILES if posted else None,
        initial={"manifest": starting_manifest(model)},
    )
    parents = ParentFormSet(request.POST if posted else None, prefix="parents")
    status = 200
    if posted:
        status = 422
        if form.is_valid() and parents.is_valid():
            with attempt(request) as tried:
                upgrade = register_and_propose(
                    model_name=model.name,
                    manifest=form.cleaned_data["manifest"],
                    artifact=_stored(request, form.cleaned_data["manifest"]),
                    file_name=_file_name(request),
                    parents=parents.parents(),
                    card=form.cleaned_data["card"],
                    alias_name=DEFAULT_ALIAS,
                    actor=request.user,
                )
                return see_other(request, "upgrade", upgrade.pk)
            status = tried.status
    context = _upload_context(model, form, parents)
    return form_page(request, "versions/upload.html", "versions/_upload_form.html", context, status)


@login_required
@require_POST
def record(request: HttpRequest, name: str, number: int) -> HttpResponse:
    version = version_numbered(name, number)
    form = RecordingForm(version, request.POST, request.FILES)
    if not form.is_valid():
        messages.error(request, "Choose an evaluation set and a file.")
        return see_other(request, "version", name, number)
    with attempt(request):
        artifact = store_artifact(form.cleaned_data["file"].chunks(), kind=Upload.TABLE)
        upload_recording(
            version=version,
            revision=form.cleaned_data["revision"],
            artifact=artifact,
            actor=request.user,
        )
    return see_other(request, "version", name, number, fragment="outputs")


@login_required
@require_POST
def retry_outputs(request: HttpRequest, outputs_id: int) -> HttpResponse:
    outputs = get_object_or_404(
        Outputs.objects.select_related("version__model", "set_revision__evaluation_set"),
        pk=outputs_id,
    )
    with attempt(request) as tried:
        retry(outputs=outputs, actor=request.user)
    if tried.error is None:
        messages.success(request, f"{outputs} will be computed again.")
    upgrade = request.POST.get("upgrade", "")
    if upgrade.isdigit():
        return see_other(request, "upgrade", int(upgrade))
    version = outputs.version
    return see_other(request, "version", version.model.name, version.number, fragment="outputs")


def _stored(request: HttpRequest, manifest: dict[str, Any]) -> Any:
    """Store the uploaded graph; recorded outputs come without one."""
    file = request.FILES.get("file")
    if file is None:
        if manifest.get("format") != "recorded":
            raise InvalidInputError("choose an ONNX file", code="manifest_mismatch")
        return None
    if manifest.get("format") == "recorded":
        raise InvalidInputError(
            "format recorded goes without a file, every other format with one",
            code="manifest_mismatch",
        )
    return store_artifact(file.chunks(), kind=Upload.MODEL)


def _file_name(request: HttpRequest) -> str:
    file = request.FILES.get("file")
    return file.name if file else ""


def _upload_context(model: RegisteredModel, form: Any, parents: Any) -> dict[str, Any]:
    return {
        "model": model,
        "form": form,
        "parents": parents,
        "alias": DEFAULT_ALIAS,
        "recorded_example": recorded_example(model.task),
        "known_versions": model.versions.order_by("-number")[:50],
    }
