"""In which order a backfill takes its items: drawn up once, kept as a file of item ids."""

from typing import Any

import numpy as np

from registry.core.data import artifact_store
from registry.galleries.models import Backfill
from registry.galleries.selectors import to_backfill, with_inputs
from registry.galleries.services.backfill_steps import BackfillJob
from workers.tasks.work import Workplace

POSITION = np.dtype("<i8")
"""One position of the order: the id of an item row."""


def draw_up(place: Workplace, job: BackfillJob) -> dict[str, Any]:
    """Store the order and return what ``record_order`` keeps of it."""
    backfill = Backfill.objects.select_related("gallery__live_view").get(pk=job.claim.pk)
    pending = with_inputs(to_backfill(backfill.gallery)).order_by("pk")
    ids = np.fromiter(pending.values_list("pk", flat=True).iterator(), dtype=POSITION)
    order, note = job.order, ""
    if order == Backfill.Order.RANDOM:
        ids = np.random.default_rng(job.claim.pk).permutation(ids)
    data = np.ascontiguousarray(ids, dtype=POSITION).tobytes()
    kept = artifact_store().write([data], max_bytes=len(data))
    return {"digest": kept.digest, "total": len(ids), "order": order, "note": note}
