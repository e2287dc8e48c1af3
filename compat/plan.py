"""What a move of the query encoder means for a gallery: pure arithmetic on counts."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class HeldSegment:
    """One segment of a gallery: its id, the version that made its vectors, its live items."""

    segment: int
    producer: int
    live_items: int


@dataclass(frozen=True)
class SegmentPlan:
    """Whether a segment stays searchable, and the evidence that says so."""

    segment: int
    producer: int
    live_items: int
    searchable: bool
    evidence: str


@dataclass(frozen=True)
class CutoverPlan:
    """The plan for every segment that holds items.

    Attributes:
        segments: one entry a segment, in the order given.
        unsearchable_items: live items that no query would reach afterwards.
    """

    segments: tuple[SegmentPlan, ...]
    unsearchable_items: int

    @property
    def covers_everything(self) -> bool:
        """Whether every live item stays searchable."""
        return self.unsearchable_items == 0


def plan_cutover(
    segments: Iterable[HeldSegment], encoder: int, evidence: Mapping[int, str]
) -> CutoverPlan:
    """Plan which segments ``encoder`` may query.

    Args:
        segments: what the gallery holds.
        encoder: the version that will make the queries; its own vectors need no evidence.
        evidence: for each covered producer, the reference of what covers it.

    Returns:
        The plan; a producer without evidence is never searchable.
    """
    planned = []
    for held in segments:
        reference = "self" if held.producer == encoder else evidence.get(held.producer, "")
        planned.append(
            SegmentPlan(held.segment, held.producer, held.live_items, bool(reference), reference)
        )
    lost = sum(p.live_items for p in planned if not p.searchable)
    return CutoverPlan(tuple(planned), lost)
