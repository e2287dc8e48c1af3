"""Find lost batches and unsealed segments and ask for them again."""

from registry.core import leases
from registry.core.dispatch import TaskName, send_on_commit
from registry.galleries.models import InsertBatch, Segment


def sweep() -> int:
    """Resend what nobody holds; return how many were resent."""
    leases.give_up_lost(InsertBatch)
    leases.give_up_lost(Segment)
    unsealed = Segment.objects.filter(state=Segment.State.SEALED)
    sent = 0
    for name, ids in (
        (TaskName.INSERT_ITEMS, leases.waiting(InsertBatch.objects.all())),
        (TaskName.SEAL_SEGMENT, leases.waiting(unsealed)),
    ):
        for pk in ids:
            send_on_commit(name, pk)
            sent += 1
    return sent
