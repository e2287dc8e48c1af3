"""Append to the ledger, inside the transaction of the act itself."""

from typing import Any

from django.db import transaction
from django.utils import timezone

from registry.audit.chain import canonical, entry_hash
from registry.audit.models import LedgerEntry, LedgerHead
from registry.core.errors import Refusal


@transaction.atomic
def record(*, actor: str, action: str, subject: str, **body: Any) -> LedgerEntry:
    """Append one entry; the head row is locked, so entries are strictly ordered.

    The head is the last lock that a transaction takes (see docs/architecture.md).
    """
    LedgerHead.objects.get_or_create(pk=1)
    head = LedgerHead.objects.select_for_update().get(pk=1)
    now = timezone.now()
    plain = {
        "seq": head.seq + 1,
        "at": now.isoformat(),
        "actor": actor,
        "action": action,
        "subject": subject,
        "body": body,
        "previous_hash": head.hash,
    }
    digest = entry_hash(plain)
    entry = LedgerEntry(
        seq=plain["seq"],
        at=now,
        actor=actor,
        action=action,
        subject=subject,
        body_json=canonical(body),
        previous_hash=head.hash,
        hash=digest,
    )
    entry.save(force_insert=True)
    head.seq, head.hash = entry.seq, digest
    head.save(update_fields=["seq", "hash"])
    return entry


def record_refusal(*, actor: str, refusal: Refusal, code: str, detail: str) -> LedgerEntry:
    """Append a refused act, in a transaction of its own after the act has rolled back."""
    return record(
        actor=actor,
        action=refusal.action,
        subject=refusal.subject,
        refused=code,
        detail=detail,
        **refusal.body,
    )
