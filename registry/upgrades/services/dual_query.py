"""Dual query: each segment goes on to be asked by the version that made it, and hits are merged.

For a candidate that is neither compatible nor adapted: on the old segments search stays what it
was, whatever the candidate is.
"""

from collections.abc import Iterable

from compat.calibration import Calibration
from registry.catalog.models import ModelVersion
from registry.core.leases import WorkState
from registry.evaluation.models import SetRevision
from registry.evaluation.selectors import comparison_of
from registry.galleries.services.cutover import OwnQuery


def own_queries(
    pins: Iterable[SetRevision], encoder: ModelVersion, producers: Iterable[ModelVersion]
) -> dict[int, OwnQuery]:
    """Return, by producer id, the stored calibrations that a dual query with ``encoder`` needs.

    A pair counts when it was compared on a pinned set, in whichever direction; nothing is asked
    for: what is not stored is not covered.
    """
    pins, found = list(pins), {}
    for producer in producers:
        if producer.digest == encoder.digest or producer.is_recorded:
            continue
        own = next(filter(None, (_stored(pin, encoder, producer) for pin in pins)), None)
        if own is not None:
            found[producer.pk] = own
    return found


def _stored(pin: SetRevision, encoder: ModelVersion, producer: ModelVersion) -> OwnQuery | None:
    for old, new, of_producer, of_encoder in (
        (producer, encoder, "old_old", "new_new"),
        (encoder, producer, "new_new", "old_old"),
    ):
        comparison = comparison_of(old.digest, new.digest, pin.digest)
        if comparison is None or comparison.work_state != WorkState.DONE:
            continue
        cells = comparison.calibration
        if of_producer in cells and of_encoder in cells:
            return OwnQuery(
                f"comparison:{comparison.pk}",
                Calibration(**cells[of_producer]),
                Calibration(**cells[of_encoder]),
            )
    return None
