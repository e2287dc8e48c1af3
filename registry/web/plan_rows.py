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
    lost_items: int
    returning_items: int
    is_rewritten: bool

    @property
    def found_items(self) -> int:
        """Items that queries go on to reach."""
        return self.live_items - self.lost_items


def plan_rows(plan: CutoverPlan) -> list[PlanRow]:
    """Return the segments of a plan with their numbers and producers."""
    segments = Segment.objects.select_related("producer__model").in_bulk(
        [planned.segment for planned in plan.segments]
    )
    return [
        PlanRow(
            segments[p.segment],
            p.live_items,
            p.searchable,
            p.evidence,
            p.lost_items,
            p.returning_items,
            p.is_rewritten,
        )
        for p in plan.segments
    ]
