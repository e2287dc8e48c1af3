"""Safeguards and the signals that set them off."""

from typing import TypedDict


class WayBack(TypedDict):
    """What the signal of a safeguard would do now."""

    version: str
    unsearchable_items: int
    dual_query: bool
    would_be_refused: bool


class Safeguard(TypedDict):
    """A declared signal, where it stands, and what it would do now."""

    alias: str
    signal: str
    state: str
    armed_hours: int
    armed_until: str | None
    at_most_unsearchable: int
    dual_query: bool
    reason: str
    declared_by: str
    declared_at: str
    way_back: WayBack | None
    explanation: str


class Signal(TypedDict):
    """A signal as it was received, and what it came to."""

    id: int
    alias: str
    signal: str
    firing: bool
    detail: str
    observed_at: str | None
    received_at: str
    sent_by: str | None
    epoch: int
    reaction: str
    code: str
    explanation: str
    version: str | None
