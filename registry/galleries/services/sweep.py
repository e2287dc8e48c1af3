"""Find lost batches, segments without an index and waiting backfills and ask for them again."""

from django.db.models import Q

from registry.core import leases
from registry.core.data import segment_folders
from registry.core.dispatch import TaskName, send_on_commit
from registry.core.store import Store
from registry.galleries.models import Backfill, InsertBatch, Segment, Twin
from registry.galleries.services import seal
from registry.galleries.services.backfill_steps import DUE


def sweep() -> int:
    """Resend what nobody holds; return how many were resent."""
    leases.give_up_lost(InsertBatch)
    leases.give_up_lost(Segment)
    leases.give_up_lost(Twin)
    leases.give_up_lost(Backfill, Q(state="running"), state=Backfill.State.PAUSED)
    seal.queue_grown()
    sent = 0
    for name, ids in (
        (TaskName.INSERT_ITEMS, leases.waiting(InsertBatch.objects.all())),
        (TaskName.EMBED_TWIN, leases.waiting(Twin.objects.filter(transform=None))),
        (TaskName.REWRITE_TWIN, leases.waiting(Twin.objects.exclude(transform=None))),
        (TaskName.SEAL_SEGMENT, leases.waiting(Segment.objects.all())),
        (TaskName.BACKFILL, leases.waiting(Backfill.objects.filter(DUE))),
    ):
        for pk in ids:
            send_on_commit(name, pk)
            sent += 1
    return sent


def discard_drafts(*, older_than: float) -> int:
    """Remove what killed processes left half written among the vectors; return how many files."""
    return sum(Store(folder).discard_stale_uploads(older_than) for folder in segment_folders())
