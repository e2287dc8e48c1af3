"""Two candidates for one alias: which one breaks whom, and how each was judged."""

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_GET

from registry.core.errors import ConflictError, InvalidInputError, UnknownObjectError
from registry.upgrades.models import Upgrade
from registry.upgrades.rivals import broken_by
from registry.upgrades.selectors import fresh_upgrade, other_open_upgrades
from registry.web.attempt import STATUS
from registry.web.broken_rows import set_of_broken
from registry.web.rule_rows import paired_rows


@login_required
@require_GET
def choose(request: HttpRequest, upgrade_id: int) -> HttpResponse:
    """Lead from the choice on the page of an upgrade to the page of the two."""
    other = request.GET.get("other", "")
    if not (other.isascii() and other.isdigit() and len(other) <= 18):
        raise UnknownObjectError("choose another upgrade", code="unknown_upgrade")
    return redirect("rivals", upgrade_id, int(other))


@login_required
@require_GET
def compare(request: HttpRequest, upgrade_id: int, other_id: int) -> HttpResponse:
    if upgrade_id == other_id:
        return redirect("upgrade", upgrade_id)
    first, second = fresh_upgrade(upgrade_id), fresh_upgrade(other_id)
    context = {
        "first": first,
        "second": second,
        "incumbent": first.alias.version,
        "rivals": [rival for rival in rivals_of(first) if rival.pk != second.pk],
    }
    try:
        broken = broken_by(first, second)
    except (ConflictError, InvalidInputError) as exc:
        status = STATUS.get(type(exc), 409)
        return render(request, "upgrades/against.html", context | {"refusal": exc}, status=status)
    context |= {
        "sets": [set_of_broken(one, first, second) for one in broken],
        "pairs": paired_rows(_results(first), _results(second)),
    }
    return render(request, "upgrades/against.html", context)


def rivals_of(upgrade: Upgrade) -> list[Upgrade]:
    """Return the other open upgrades of the alias, first those that were judged."""
    return sorted(other_open_upgrades(upgrade), key=lambda rival: rival.verdict is None)


def _results(upgrade: Upgrade) -> list[dict]:
    return upgrade.verdict.results if upgrade.verdict else []
