"""The ledger: entries, the export that verifies offline, verification on the server."""

from collections.abc import Iterator

from django.http import StreamingHttpResponse
from drf_spectacular.types import OpenApiTypes
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from registry.accounts.models import Scope
from registry.api.endpoint import checked, operation
from registry.api.fields import DocumentField, text_filter
from registry.api.pagination import page
from registry.audit.chain import ChainError, canonical
from registry.audit.models import LedgerEntry
from registry.audit.selectors import entries, export, verified_head


class EntryFiltersIn(serializers.Serializer):
    """What a list of entries is narrowed by."""

    subject = serializers.CharField(default="")
    action = serializers.CharField(default="")
    actor = serializers.CharField(default="")


class EntryOut(serializers.Serializer):
    """One act, or one refusal, as its hash covers it."""

    seq = serializers.IntegerField()
    at = serializers.SerializerMethodField()
    actor = serializers.CharField()
    action = serializers.CharField()
    subject = serializers.CharField()
    body = DocumentField()
    previous_hash = serializers.CharField()
    hash = serializers.CharField()

    def get_at(self, entry: LedgerEntry) -> str:
        return entry.at.isoformat()


class HeadOut(serializers.Serializer):
    """Whether the chain holds, and its last entry: note it, it finds a shortened tail later."""

    verified = serializers.BooleanField()
    seq = serializers.IntegerField(allow_null=True)
    hash = serializers.CharField(allow_null=True)
    detail = serializers.CharField(allow_blank=True)


@operation(
    scope=Scope.READ,
    answers=EntryOut,
    pages=True,
    query=[
        text_filter("subject", "such as `upgrade:12`"),
        text_filter("action", "such as `upgrade.promote`"),
        text_filter("actor", "name of the person, or `worker`, or `registry`"),
    ],
)
def list_entries(request: Request) -> Response:
    """List entries, newest first."""
    given = checked(EntryFiltersIn, request.query_params)
    return page(request, entries(**given), EntryOut, by="-seq")


@operation(scope=Scope.READ, answers={(200, "application/jsonl"): OpenApiTypes.STR})
def export_ledger(request: Request) -> StreamingHttpResponse:
    """Download every entry, one JSON object a line: what `chain.py` verifies offline."""
    return StreamingHttpResponse(
        _lines(),
        content_type="application/jsonl",
        headers={
            "Content-Disposition": 'attachment; filename="ledger.jsonl"',
            "X-Content-Type-Options": "nosniff",
        },
    )


@operation(scope=Scope.READ, answers=HeadOut)
def verify_ledger(request: Request) -> Response:
    """Walk the whole chain."""
    try:
        seq, last = verified_head()
    except ChainError as exc:
        return Response({"verified": False, "seq": None, "hash": None, "detail": str(exc)})
    return Response({"verified": True, "seq": seq, "hash": last, "detail": ""})


def _lines() -> Iterator[str]:
    for entry in export():
        yield canonical(entry) + "\n"
