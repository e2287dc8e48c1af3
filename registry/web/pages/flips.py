"""The flip browser: which samples turned, with what they were and what they became."""

from django.contrib.auth.decorators import login_required
from django.http import FileResponse, Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.views.decorators.http import require_GET

from registry.core.data import artifact_store
from registry.core.errors import UnknownObjectError
from registry.evaluation.models import Comparison
from registry.upgrades.selectors import upgrades
from registry.web.flip_choice import choose_flips
from registry.web.pages.upgrades import comparisons_of
from registry.web.rendering import page_of

FLIPS_A_PAGE = 60


@login_required
@require_GET
def browse(request: HttpRequest, upgrade_id: int, comparison_id: int) -> HttpResponse:
    upgrade = upgrades().filter(pk=upgrade_id).first()
    verdict = upgrade.verdict if upgrade else None
    found = comparisons_of(verdict) if verdict else []
    comparison = next((c for c in found if c.pk == comparison_id), None)
    if comparison is None:
        raise UnknownObjectError("no such comparison", code="unknown_comparison")
    choice = choose_flips(comparison.flips, request.GET)
    context = {
        "upgrade": upgrade,
        "comparison": comparison,
        "revision": comparison.old_outputs.set_revision,
        "others": [c for c in found if c.pk != comparison.pk],
        "choice": choice,
        "page": page_of(request, choice.flips, FLIPS_A_PAGE),
    }
    return render(request, "flips/browse.html", context)


@login_required
@require_GET
def picture(request: HttpRequest, comparison_id: int, row: int) -> HttpResponse | FileResponse:
    """Serve the picture of one flipped sample; only what a worker drew is ever served."""
    comparison = get_object_or_404(Comparison.objects.only("flips"), pk=comparison_id)
    digest = next((f.get("thumbnail") for f in comparison.flips if f["row"] == row), None)
    if not isinstance(digest, str):
        raise Http404("there is no picture of this sample")
    path = artifact_store().path(digest)
    return FileResponse(
        path.open("rb"),
        content_type="image/png",
        headers={
            "Cache-Control": "private, max-age=86400, immutable",
            "Content-Security-Policy": "default-src 'none'; sandbox",
            "X-Content-Type-Options": "nosniff",
        },
    )
