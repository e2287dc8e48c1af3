"""Galleries and their segments."""

from typing import TypedDict

from graceful.answers.canaries import Drift


class Probation(TypedDict):
    """Whether what is inserted is embedded twice, for a rollback that finds everything."""

    gallery: str
    hours: int
    encoder: str | None
    until: str | None
    batches_done: int
    batches_waiting: int
    batches_failed: int


class Gallery(TypedDict):
    """A gallery as a list shows it."""

    name: str
    description: str
    kind: str
    location: str
    engine: str
    model: str
    alias: str
    epoch: int
    encoder: str
    items: int
    created_by: str
    created_at: str


class Segment(TypedDict):
    """Vectors of one producer in a gallery."""

    number: int
    producer: str
    dimension: int
    distance: str
    live_items: int
    accepts_inserts: bool
    searchable: bool
    evidence: str


class GalleryDetail(Gallery):
    """A gallery with its segments."""

    view: int
    drift: Drift | None
    segments: list[Segment]
