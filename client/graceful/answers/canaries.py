"""Canaries of an attached gallery, and the drift that they show."""

from typing import TypedDict

from graceful.answers.work import WorkError


class DriftFinding(TypedDict):
    """A segment whose canaries are not of the version that is claimed."""

    segment: int
    producer: str
    items: int
    over: int
    worst: float
    tolerance: float
    of: list[str]


class Drift(TypedDict):
    """The alarm of a gallery that no check has cleared."""

    state: str
    in_words: str
    finding: list[DriftFinding]
    check: int
    raised_at: str
    acknowledged_by: str | None
    acknowledged_at: str | None
    reason: str


class Canaries(TypedDict):
    """Canaries that were handed in for one segment."""

    id: int
    segment: int
    producer: str
    rows: int
    tolerance: float
    is_current: bool
    work_state: str
    error: WorkError | None
    created_by: str
    created_at: str


class CheckedSegment(TypedDict):
    """What the canaries of one segment say."""

    segment: int
    producer: str
    handed_in: int | None
    outcome: str
    code: str
    detail: str
    items: int
    undefined: int
    over: int
    tolerance: float | None
    worst: float | None
    worst_id: str
    of: list[str]


class CanaryCheck(TypedDict):
    """A check of all canaries of a gallery."""

    id: int
    gallery: str
    cause: str
    outcome: str | None
    worst: float | None
    segments: list[CheckedSegment]
    work_state: str
    error: WorkError | None
    requested_by: str | None
    requested_at: str
    finished_at: str | None
