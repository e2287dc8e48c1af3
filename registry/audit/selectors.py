"""Reads of the ledger: pages, export, verification."""

from collections.abc import Iterator
from typing import Any

from django.db.models import QuerySet

from registry.audit.chain import ChainError, verify
from registry.audit.models import LedgerEntry, LedgerHead


def entries(*, subject: str = "", action: str = "", actor: str = "") -> QuerySet[LedgerEntry]:
    """Return entries, newest first, optionally about one subject, action or actor."""
    found = LedgerEntry.objects.order_by("-seq")
    wanted = {"subject": subject, "action": action, "actor": actor}
    return found.filter(**{k: v for k, v in wanted.items() if v})


def export() -> Iterator[dict[str, Any]]:
    """Yield every entry from the first, in the form that the hash covers."""
    for entry in LedgerEntry.objects.order_by("seq").iterator(chunk_size=2000):
        yield {
            "seq": entry.seq,
            "at": entry.at.isoformat(),
            "actor": entry.actor,
            "action": entry.action,
            "subject": entry.subject,
            "body": entry.body,
            "previous_hash": entry.previous_hash,
            "hash": entry.hash,
        }


def verified_head() -> tuple[int, str]:
    """Walk the whole chain and hold it against the head row.

    Raises:
        ChainError: an entry was changed, removed, added or moved.
    """
    seq, last = verify(export())
    head = LedgerHead.objects.filter(pk=1).first()
    if (head.seq, head.hash) != (seq, last) if head else seq:
        raise ChainError(f"the chain ends at {seq}, the head row says otherwise")
    return seq, last
