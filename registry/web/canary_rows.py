"""What the card of a gallery's canaries shows: segments, the last checks, what is under way."""

from dataclasses import dataclass
from typing import Any

from django.core.paginator import Page
from django.http import HttpRequest

from compat.drift import DriftOutcome
from registry.core.leases import WorkState
from registry.galleries.canaries import (
    MOST_CANARIES,
    OPEN_WORK,
    checks_of,
    segments_with_canaries,
    sets_of,
)
from registry.galleries.models import CanaryCheck, CanarySet, Gallery, Segment
from registry.web.rendering import page_of

SEGMENTS_SHOWN = 10
CHECKS_SHOWN = 5
NOTABLE_SHOWN = 20


@dataclass(frozen=True)
class SegmentRow:
    """A segment with items, its canaries, and what the last check said of it.

    Attributes:
        held: the current canaries that its owner handed in.
        can_draw: whether canaries are drawn from its items.
        result: None where the last check that came to its end did not look at it.
    """

    segment: Segment
    held: CanarySet | None
    can_draw: bool
    result: dict[str, Any] | None

    @property
    def count(self) -> int:
        """How many canaries it has, as far as is known before a check draws them."""
        if self.held is not None:
            return self.held.rows
        if self.result is not None and self.result["items"]:
            return self.result["items"]
        return min(MOST_CANARIES, self.segment.live_items) if self.can_draw else 0


@dataclass(frozen=True)
class CanaryCard:
    """Everything that the card shows.

    Attributes:
        rows: a page of ``SegmentRow``.
        waiting: canaries that a worker looks into, or has refused since the last that it took.
        open_check: a check that is to be done.
        history: the newest ones that ended.
    """

    rows: Page
    waiting: list[CanarySet]
    open_check: CanaryCheck | None
    history: list[CanaryCheck]
    can_check: bool

    @property
    def at_work(self) -> bool:
        """Whether a worker still has something to do."""
        return self.open_check is not None or any(
            one.work_state in OPEN_WORK for one in self.waiting
        )


def canary_card(request: HttpRequest, gallery: Gallery) -> CanaryCard:
    """Return the card of a gallery."""
    checks = checks_of(gallery)
    ended = list(checks.exclude(work_state__in=OPEN_WORK)[:CHECKS_SHOWN])
    checkable = segments_with_canaries().filter(gallery=gallery)
    segments = gallery.segments.select_related("producer__model").filter(live_items__gt=0)
    shown = page_of(request, segments.order_by("-number"), SEGMENTS_SHOWN, name="canary_segments")
    compared = checks.filter(work_state=WorkState.DONE).first()
    said = {one["segment"]: one for one in compared.results} if compared else {}
    held = {one.segment_id: one for one in sets_of(gallery).filter(is_current=True)}
    can_draw = set(checkable.values_list("pk", flat=True)) if not gallery.is_attached else set()
    shown.object_list = [
        SegmentRow(s, held.get(s.pk), s.pk in can_draw, said.get(s.number))
        for s in shown.object_list
    ]
    return CanaryCard(
        rows=shown,
        waiting=_waiting(gallery),
        open_check=checks.filter(work_state__in=OPEN_WORK).first(),
        history=ended,
        can_check=checkable.exists(),
    )


def _waiting(gallery: Gallery) -> list[CanarySet]:
    """Return, by segment, the newest hand-in if it has not become the current one."""
    newest: dict[int, CanarySet] = {}
    for one in sets_of(gallery).order_by("segment", "-pk"):
        newest.setdefault(one.segment_id, one)
    return [one for one in newest.values() if one.work_state != "done"]


@dataclass(frozen=True)
class CheckRow:
    """A check in the list of all.

    Attributes:
        others: how many segments do not match.
        notable: the first of those.
        more: how many are left out.
    """

    check: CanaryCheck
    matching: int
    others: int
    notable: list[dict[str, Any]]
    more: int


def check_rows(page: Page) -> Page:
    """Return a page of checks as rows that say what matters of each."""
    page.object_list = [_check_row(check) for check in page.object_list]
    return page


def _check_row(check: CanaryCheck) -> CheckRow:
    others = [one for one in check.results if one["outcome"] != DriftOutcome.MATCHES]
    return CheckRow(
        check,
        len(check.results) - len(others),
        len(others),
        others[:NOTABLE_SHOWN],
        max(0, len(others) - NOTABLE_SHOWN),
    )
