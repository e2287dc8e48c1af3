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
    """Whether a segment stays searchable, by which version's queries, and the evidence for it."""

    segment: int
    producer: int
    live_items: int
    searchable: bool
    evidence: str
    queried_by: int


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
    segments: Iterable[HeldSegment],
    encoder: int,
    evidence: Mapping[int, str],
    dual: Mapping[int, str] | None = None,
) -> CutoverPlan:
    """Plan which segments ``encoder`` may query.

    Args:
        segments: what the gallery holds.
        encoder: the version that will make the queries; its own vectors need no evidence.
        evidence: for each covered producer, the reference of what covers it.
        dual: for each producer that goes on to make the queries for its own vectors, the reference
            of the calibration that makes its scores comparable.

    Returns:
        The plan; a producer without evidence is never searchable.
    """
    planned = [_plan_segment(held, encoder, evidence, dual or {}) for held in segments]
    lost = sum(p.live_items for p in planned if not p.searchable)
    return CutoverPlan(tuple(planned), lost)


def _plan_segment(
    held: HeldSegment, encoder: int, evidence: Mapping[int, str], dual: Mapping[int, str]
) -> SegmentPlan:
    queried_by = encoder
    if held.producer == encoder:
        reference = "self"
    elif held.producer in dual:
        reference, queried_by = dual[held.producer], held.producer
    else:
        reference = evidence.get(held.producer, "")
    return SegmentPlan(
        held.segment, held.producer, held.live_items, bool(reference), reference, queried_by
    )
