"""What staying compatible costs and what a backfill would bring, from one comparison."""

from collections.abc import Mapping
from dataclasses import dataclass

from compat.measurement import Measurement
from registry.catalog.models import ModelVersion
from registry.core.leases import WorkState
from registry.evaluation.models import Comparison
from registry.evaluation.selectors import measurements_of
from registry.galleries.estimates import BackfillPlan
from registry.galleries.models import Gallery

CELLS = ("map.old_old", "map.new_old", "map.new_new")
MIXED = "map.new_mixed"
"""Followed by the percentage of new vectors (``compat.metrics.mixtures``)."""

PRODUCER_CELLS = ("map.producer_producer", "map.new_producer", "map.new_new")

POINT = 0.01
"""One point of mAP, in which the value of quality is asked for."""


@dataclass(frozen=True)
class Figure:
    """A value, or why there is none."""

    value: float | None = None
    undefined: str = ""


@dataclass(frozen=True)
class Economics:
    """The figures of one gallery; every undefined one says why.

    Attributes:
        producer: the oldest version that a live item is of; None where all are of the encoder.
        comparison: of that version with the live encoder, which every quality is read from.
        old_old, new_old, new_new: mAP of the producer on itself, of the encoder on the producer's
            vectors, and of the encoder after a full backfill.
        partly: share of the vectors that is moved, in a random order, and the mAP with it.
        update_gain: the share of the gain of a full backfill that is there without it.
        tax: what the constraint costs, against ``paragon``'s self-test; undefined without one.
        backfill_gain: mAP that a full backfill adds to what is there now.
        payback_months: after how long a backfill has earned what it costs.
    """

    producer: ModelVersion | None
    comparison: Comparison | None
    old_old: Measurement | None
    new_old: Measurement | None
    new_new: Measurement | None
    partly: tuple[tuple[float, Measurement], ...]
    paragon: ModelVersion | None
    paragon_self: Measurement | None
    paragon_comparison: Comparison | None
    update_gain: Figure
    tax: Figure
    backfill_gain: Figure
    payback_months: Figure


def economics_of(
    gallery: Gallery,
    plan: BackfillPlan,
    *,
    paragon: ModelVersion | None = None,
    value_per_point_month: float | None = None,
) -> Economics:
    """Return what the newest comparison of the oldest producer with the live encoder says.

    Args:
        paragon: a version trained without the constraint; without it, the live encoder's own
            self-test stands in for the update gain, and the tax is undefined.
        value_per_point_month: what one point (0.01) of mAP is worth in a month.
    """
    producer = _oldest_producer(gallery)
    comparison, names = _newest(producer, plan.encoder) if producer else (None, CELLS)
    cells = _cells(comparison)
    old_old, new_old, new_new = (cells.get(name) for name in names)
    best, source = _self_test(paragon, comparison) if paragon and comparison else (None, None)
    gain = _difference(new_new, new_old)
    return Economics(
        producer,
        comparison,
        old_old,
        new_old,
        new_new,
        _partly(cells) if names == CELLS else (),
        paragon,
        best,
        source,
        _update_gain(old_old, new_old, best if paragon else new_new),
        _difference(best, new_new) if paragon else Figure(undefined="no_paragon"),
        gain,
        _payback(gain, plan.cost, value_per_point_month),
    )


def compared_versions(economics: Economics) -> list[ModelVersion]:
    """Return the versions that can be named as paragon: compared on the same evaluation set."""
    if economics.comparison is None:
        return []
    known = {economics.comparison.old_digest, economics.comparison.new_digest}
    rows = Comparison.objects.filter(
        set_digest=economics.comparison.set_digest, work_state=WorkState.DONE
    ).values_list("old_digest", "new_digest")
    digests = {digest for row in rows for digest in row} - known
    return list(
        ModelVersion.objects.filter(digest__in=digests)
        .select_related("model")
        .order_by("model__name", "number")
    )


def _oldest_producer(gallery: Gallery) -> ModelVersion | None:
    held = (
        gallery.segments.filter(live_items__gt=0)
        .exclude(producer=gallery.live_view.encoder_id)
        .select_related("producer__model")
        .order_by("number")
        .first()
    )
    return held.producer if held else None


def _newest(
    producer: ModelVersion, encoder: ModelVersion
) -> tuple[Comparison | None, tuple[str, ...]]:
    """Return the newest comparison that covers the pair, and what its cells are called there."""
    done = Comparison.objects.filter(
        new_digest=encoder.digest, work_state=WorkState.DONE
    ).select_related("old_outputs__set_revision__evaluation_set")
    direct = done.filter(old_digest=producer.digest, producer_digest="").order_by("-pk").first()
    if direct is not None:
        return direct, CELLS
    third = done.filter(producer_digest=producer.digest).order_by("-pk").first()
    return third, PRODUCER_CELLS


def _cells(comparison: Comparison | None) -> Mapping[str, Measurement]:
    if comparison is None:
        return {}
    return {m.name: m for m in measurements_of(comparison) if not m.slice}


def _partly(cells: Mapping[str, Measurement]) -> tuple[tuple[float, Measurement], ...]:
    """Return the mixed galleries that were measured, fewest new vectors first."""
    found = {
        name.removeprefix(MIXED): cell for name, cell in cells.items() if name.startswith(MIXED)
    }
    shares = {int(share): cell for share, cell in found.items() if share.isdigit()}
    return tuple((share / 100, shares[share]) for share in sorted(shares))


def _self_test(
    paragon: ModelVersion, comparison: Comparison
) -> tuple[Measurement | None, Comparison | None]:
    """Return the paragon's mAP on its own vectors, from any comparison on the same set."""
    done = Comparison.objects.filter(set_digest=comparison.set_digest, work_state=WorkState.DONE)
    for column, name in (("new_digest", "map.new_new"), ("old_digest", "map.old_old")):
        found = done.filter(**{column: paragon.digest}).order_by("-pk").first()
        if found is not None:
            return _cells(found).get(name), found
    return None, None


def _difference(first: Measurement | None, second: Measurement | None) -> Figure:
    for cell in (first, second):
        if cell is None:
            return Figure(undefined="not_compared")
        if cell.value is None:
            return Figure(undefined=cell.undefined)
    return Figure(first.value - second.value)


def _update_gain(
    old_old: Measurement | None, new_old: Measurement | None, best: Measurement | None
) -> Figure:
    reached, possible = _difference(new_old, old_old), _difference(best, old_old)
    if reached.value is None or possible.value is None:
        return reached if reached.value is None else possible
    if possible.value <= 0:
        return Figure(undefined="nothing_to_gain")
    return Figure(reached.value / possible.value)


def _payback(gain: Figure, cost: float | None, value_per_point_month: float | None) -> Figure:
    if gain.value is None:
        return gain
    if gain.value <= 0:
        return Figure(undefined="nothing_to_gain")
    if cost is None:
        return Figure(undefined="cost_unknown")
    if not value_per_point_month:
        return Figure(undefined="no_value_given")
    return Figure(cost / (gain.value / POINT * value_per_point_month))
