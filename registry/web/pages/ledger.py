"""The ledger: read, filter, verify, export."""

from collections.abc import Iterator

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.shortcuts import get_object_or_404, render
from django.views.decorators.http import require_GET, require_POST

from registry.audit.chain import ChainError, canonical
from registry.audit.models import LedgerEntry, LedgerHead
from registry.audit.selectors import entries, export, verified_head
from registry.web.rendering import see_other

ENTRIES_A_PAGE = 50


@login_required
@require_GET
def index(request: HttpRequest) -> HttpResponse:
    chosen = {key: request.GET.get(key, "").strip() for key in ("subject", "action", "actor")}
    found = entries(**chosen)
    before = request.GET.get("before", "")
    if before.isascii() and before.isdigit() and len(before) < 19:
        found = found.filter(seq__lt=int(before))
    rows = list(found[: ENTRIES_A_PAGE + 1])
    context = {
        "rows": rows[:ENTRIES_A_PAGE],
        "older": rows[ENTRIES_A_PAGE - 1].seq if len(rows) > ENTRIES_A_PAGE else None,
        "is_later_page": bool(before),
        "chosen": chosen,
        "head": LedgerHead.objects.filter(pk=1).first(),
        "actions": LedgerEntry.objects.order_by("action")
        .values_list("action", flat=True)
        .distinct(),
    }
    return render(request, "ledger/index.html", context)


@login_required
@require_GET
def entry(request: HttpRequest, seq: int) -> HttpResponse:
    found = get_object_or_404(LedgerEntry, pk=seq)
    body = found.body
    context = {
        "entry": found,
        "refused": body.get("refused", ""),
        "following": LedgerEntry.objects.filter(pk=seq + 1).exists(),
    }
    return render(request, "ledger/entry.html", context)


@login_required
@require_POST
def verify(request: HttpRequest) -> HttpResponse:
    try:
        seq, last = verified_head()
    except ChainError as exc:
        messages.error(request, f"The ledger does not verify: {exc}.", extra_tags="chain_broken")
    else:
        messages.success(request, f"Verified {seq:,} entries; the head is {seq}:{last}")
    return see_other(request, "ledger")


@login_required
@require_GET
def download(request: HttpRequest) -> StreamingHttpResponse:
    return StreamingHttpResponse(
        _lines(),
        content_type="application/x-ndjson",
        headers={"Content-Disposition": 'attachment; filename="ledger.jsonl"'},
    )


def _lines() -> Iterator[str]:
    for plain in export():
        yield canonical(plain) + "\n"
