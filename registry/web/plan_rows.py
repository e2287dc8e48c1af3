"""The plan of a cutover as rows of a table."""

from dataclasses import dataclass

from compat.plan import CutoverPlan
from registry.galleries.models import Segment


@dataclass(frozen=True)
class PlanRow:
    """One segment, and whether queries reach it after the move."""

    segment: Segment
    live_items: int
    searchable: bool
    evidence: str


def plan_rows(plan: CutoverPlan) -> list[PlanRow]:
    """Return the segments of a plan with their numbers and producers."""
    segments = Segment.objects.select_related("producer__model").in_bulk(
        [planned.segment for planned in plan.segments]
    )
    return [
        PlanRow(segments[p.segment], p.live_items, p.searchable, p.evidence) for p in plan.segments
    ]
