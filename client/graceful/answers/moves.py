"""Moves of an alias, forward and back."""

from typing import TypedDict


class Move(TypedDict):
    """One move of an alias."""

    alias: str
    epoch: int
    kind: str
    before: str | None
    version: str
    digest: str
    reason: str
    evidence: str
    actor: str
    at: str


class Cutover(TypedDict):
    """A gallery that was cut over in the same transaction."""

    gallery: str
    epoch: int
    unsearchable_items: int


class Promotion(TypedDict):
    """What was moved, or in a dry run would be."""

    upgrade: int
    dry_run: bool
    move: Move
    cutovers: list[Cutover]


class PlannedSegment(TypedDict):
    """Whether one segment would still be searched."""

    segment: int
    producer: str
    live_items: int
    searchable: bool
    evidence: str
    unsearchable_items: int
    returning_items: int


class PlannedGallery(TypedDict):
    """What going back would mean for one gallery."""

    gallery: str
    unsearchable_items: int
    returning_items: int
    segments: list[PlannedSegment]


class RollbackPlan(TypedDict):
    """What going back would mean."""

    alias: str
    target: str
    unsearchable_items: int
    returning_items: int
    galleries: list[PlannedGallery]
