"""The first page: what waits for somebody, what serves where, what happened last."""

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET

from registry.audit.selectors import entries
from registry.catalog.models import RegisteredModel
from registry.catalog.selectors import aliases_serving
from registry.evaluation.models import EvaluationSet
from registry.galleries.canaries import standing_alarms
from registry.galleries.models import DriftAlarm
from registry.upgrades.safeguards import refused_now
from registry.upgrades.selectors import upgrades
from registry.upgrades.states import OPEN

SHOWN = 10
DRIFTS_SHOWN = 5
REFUSED_SHOWN = 5


@login_required
@require_GET
def home(request: HttpRequest) -> HttpResponse:
    waiting = upgrades().filter(state__in=OPEN)
    serving = aliases_serving()
    context = {
        "waiting": waiting[:SHOWN],
        "waiting_count": waiting.count(),
        "serving": serving[:SHOWN],
        "serving_count": serving.count(),
        "entries": entries()[:SHOWN],
        "drifts": standing_alarms().filter(state=DriftAlarm.State.OPEN)[:DRIFTS_SHOWN],
        "refused": refused_now()[:REFUSED_SHOWN],
        "has_model": RegisteredModel.objects.exists(),
        "has_set": EvaluationSet.objects.exists(),
    }
    return render(request, "home/home.html", context)
