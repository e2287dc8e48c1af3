"""What a move of the query encoder means for a gallery: pure arithmetic on counts."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class HeldSegment:
    """One segment of a gallery: its id, the version that made its vectors, its live items.

    Attributes:
        twin_items: those that the version which is to make the queries has embedded as well.
        returning_items: those that it would still embed afterwards, since their inputs are stored.
        rewritten_by: the version by which the vectors are rewritten for its queries: evidence is
            for these alone then.
        rewritten_items: those that are rewritten.
        rewritable_items: those that would still be, afterwards.
    """

    segment: int
    producer: int
    live_items: int
    twin_items: int = 0
    returning_items: int = 0
    rewritten_by: int | None = None
    rewritten_items: int = 0
    rewritable_items: int = 0


@dataclass(frozen=True)
class SegmentPlan:
    """Whether a segment stays searchable, by which version's queries, and the evidence for it.

    Attributes:
        twins_by: the version whose vectors they meet where that is not the producer.
        lost_items: live items that no query would reach.
        returning_items: those of them that are found again once they are embedded.
    """

    segment: int
    producer: int
    live_items: int
    searchable: bool
    evidence: str
    queried_by: int
    twins_by: int | None
    lost_items: int
    returning_items: int

    @property
    def is_rewritten(self) -> bool:
        """Whether the queries meet the vectors as a third version has rewritten them."""
        return self.twins_by not in {None, self.queried_by}


@dataclass(frozen=True)
class CutoverPlan:
    """The plan for every segment that holds items.

    Attributes:
        segments: one entry a segment, in the order given.
        unsearchable_items: live items that no query would reach at once.
        returning_items: those of them that would be embedded again and then found.
    """

    segments: tuple[SegmentPlan, ...]
    unsearchable_items: int
    returning_items: int

    @property
    def unwritten_items(self) -> int:
        """Those of them that evidence would cover if they were rewritten."""
        return sum(plan.lost_items for plan in self.segments if plan.is_rewritten)

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
        The plan; a producer without evidence is searched only as far as there are twins, and one
        whose vectors are rewritten for ``encoder`` only as far as they are. Beside a segment that
        its own version asks evidence covers nothing: those scores have no calibration.
    """
    segments, dual = list(segments), dual or {}
    if any(held.producer in dual and held.producer != encoder for held in segments):
        evidence = {}
    planned = [_plan_segment(held, encoder, evidence, dual) for held in segments]
    return CutoverPlan(
        tuple(planned),
        sum(plan.lost_items for plan in planned),
        sum(plan.returning_items for plan in planned),
    )


def _plan_segment(
    held: HeldSegment, encoder: int, evidence: Mapping[int, str], dual: Mapping[int, str]
) -> SegmentPlan:
    queried_by, twins_by, lost, returning = encoder, None, 0, 0
    if held.producer == encoder:
        reference = "self"
    elif held.producer in dual:
        reference, queried_by = dual[held.producer], held.producer
    elif held.producer in evidence:
        reference = evidence[held.producer]
        if held.rewritten_by is not None:
            twins_by = held.rewritten_by
            lost, returning = held.live_items - held.rewritten_items, held.rewritable_items
    else:
        reference = "twins" if held.twin_items or held.returning_items else ""
        twins_by = encoder if reference else None
        lost, returning = held.live_items - held.twin_items, held.returning_items
    return SegmentPlan(
        segment=held.segment,
        producer=held.producer,
        live_items=held.live_items,
        searchable=bool(reference),
        evidence=reference,
        queried_by=queried_by,
        twins_by=twins_by,
        lost_items=lost,
        returning_items=returning,
    )
