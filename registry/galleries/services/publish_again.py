"""Have what a gallery's segments are searched by made again, from the chunks that hold the rows."""

from django.db import transaction
from django.db.models import F

from registry.audit.services.record import record
from registry.core.dispatch import TaskName, send_on_commit
from registry.core.leases import MAX_ATTEMPTS, WorkState
from registry.galleries.models import Gallery, Segment
from registry.galleries.services.holding import require_vectors_here


@transaction.atomic
def publish_again(*, gallery: Gallery, actor: str) -> int:
    """Queue every segment that has an index, or whose index failed; return how many.

    What is searched now stays so until the new index is there. For when an engine has lost rows,
    an index file is damaged, or an engine was not set up when it was needed.

    Raises:
        ConflictError: the gallery is attached.
    """
    require_vectors_here(gallery)
    segments = Segment.objects.select_for_update(of=("self",)).filter(gallery=gallery)
    failed = segments.filter(work_state=WorkState.FAILED)
    indexed = segments.filter(work_state=WorkState.DONE).exclude(index_digest="")
    due = [segment.pk for segment in (failed | indexed).order_by("number")]
    Segment.objects.filter(pk__in=due).update(
        work_state=WorkState.QUEUED,
        attempt_limit=F("attempt") + MAX_ATTEMPTS,
        error_code="",
        error_detail="",
    )
    for pk in due:
        send_on_commit(TaskName.SEAL_SEGMENT, pk)
    record(
        actor=actor,
        action="gallery.publish_again",
        subject=f"gallery:{gallery.name}",
        segments=len(due),
    )
    return len(due)
