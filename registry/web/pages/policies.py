"""Policies: read only; each revision with its rules in words."""

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET

from compat.policy_documents import parse_policy
from registry.upgrades.models import Policy
from registry.upgrades.selectors import policy_revision
from registry.web import figures
from registry.web.rendering import page_of
from registry.web.rule_rows import asked_rules


@login_required
@require_GET
def index(request: HttpRequest) -> HttpResponse:
    policies = Policy.objects.prefetch_related("revisions")
    return render(request, "policies/index.html", {"page": page_of(request, policies, 30)})


@login_required
@require_GET
def revision(request: HttpRequest, name: str, number: int) -> HttpResponse:
    found = policy_revision(name, number)
    policy = parse_policy(found.document)
    coverage = policy.coverage
    context = {
        "revision": found,
        "policy": found.policy,
        "rules": asked_rules(policy.rules, policy.confidence),
        "first_version": asked_rules(policy.first_version, policy.confidence),
        "coverage": coverage,
        "coverage_measure": figures.name_of(coverage.measure) if coverage else "",
        "coverage_margin": (
            figures.number(coverage.measure, coverage.margin, 1000) if coverage else ""
        ),
        "confidence": f"{policy.confidence * 100:g}{figures.SPACE}%",
        "guards": found.choices.select_related("model", "alias__model"),
        "others": found.policy.revisions.exclude(pk=found.pk),
    }
    return render(request, "policies/revision.html", context)
