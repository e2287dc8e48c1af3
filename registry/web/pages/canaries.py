"""Canaries of a gallery: what they say, handing them in, checking now, acknowledging drift."""

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_http_methods, require_POST

from registry.catalog.services.store_artifact import Upload, store_artifact
from registry.galleries.canaries import alarm_of, checks_of, sets_of
from registry.galleries.selectors import gallery_named
from registry.galleries.services.check_canaries import request_check
from registry.galleries.services.drift_alarm import acknowledge_drift
from registry.galleries.services.hand_in_canaries import hand_in_canaries
from registry.web.attempt import attempt
from registry.web.canary_rows import canary_card, check_rows
from registry.web.gallery_forms import AcknowledgementForm, CanariesForm
from registry.web.rendering import page_of, page_or_fragment, see_other


@login_required
@require_http_methods(["GET", "POST"])
def overview(request: HttpRequest, name: str) -> HttpResponse:
    """Show the canaries of a gallery; a post hands some in."""
    gallery = gallery_named(name)
    form = CanariesForm(gallery)
    status = 200
    if request.method == "POST":
        form, status = CanariesForm(gallery, request.POST, request.FILES), 422
        if form.is_valid():
            with attempt(request) as tried:
                upload = store_artifact(form.cleaned_data["file"].chunks(), kind=Upload.TABLE)
                hand_in_canaries(
                    gallery=gallery,
                    number=form.cleaned_data["segment"],
                    upload=upload,
                    tolerance=form.cleaned_data["tolerance"],
                    actor=request.user,
                )
                messages.success(request, "A worker looks into the canaries.")
                return see_other(request, "gallery_canaries", name)
            status = tried.status
    card = canary_card(request, gallery)
    context = {
        "gallery": gallery,
        "card": card,
        "drift": alarm_of(name),
        "form": form,
        "acknowledgement_form": AcknowledgementForm(),
        "checks": check_rows(page_of(request, checks_of(gallery), 10, name="checks")),
        "sets": page_of(request, sets_of(gallery), 10, name="sets"),
    }
    response = page_or_fragment(
        request,
        "galleries/canaries.html",
        "galleries/_canaries.html",
        context,
        final=not card.at_work,
    )
    if status != 200:
        response.status_code = status
    return response


@login_required
@require_POST
def check_now(request: HttpRequest, name: str) -> HttpResponse:
    gallery = gallery_named(name)
    with attempt(request):
        request_check(gallery=gallery, actor=request.user)
        messages.success(request, "The canaries will be checked now.")
    return see_other(request, "gallery", name, fragment="canaries")


@login_required
@require_POST
def acknowledge(request: HttpRequest, name: str) -> HttpResponse:
    gallery = gallery_named(name)
    form = AcknowledgementForm(request.POST)
    if form.is_valid():
        with attempt(request):
            acknowledge_drift(
                gallery=gallery, reason=form.cleaned_data["reason"], actor=request.user
            )
            messages.success(request, "The drift is acknowledged; promotions may go on.")
    else:
        messages.error(request, "Say why the drift is no harm, in at most 500 characters.")
    return see_other(request, "gallery_canaries", name)
