"""The ledger, and events."""

from typing import Any, TypedDict


class Head(TypedDict):
    """Whether the ledger's chain holds, and its last entry."""

    verified: bool
    seq: int | None
    hash: str | None
    detail: str


class Entry(TypedDict):
    """One entry of the ledger."""

    seq: int
    at: str
    actor: str
    action: str
    subject: str
    body: dict[str, Any]
    previous_hash: str
    hash: str


class Event(TypedDict):
    """Something that happened."""

    id: int
    kind: str
    subject: str
    body: dict[str, Any]
    at: str
