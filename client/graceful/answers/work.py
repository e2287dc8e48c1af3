"""How background work stands, and why it failed."""

from typing import TypedDict


class WorkError(TypedDict):
    """Why a piece of background work failed."""

    code: str
    detail: str


class Step(TypedDict):
    """One piece of work that a verdict needs."""

    work: str
    evaluation_set: str
    version: str | None
    state: str
    progress_done: int
    progress_total: int
    error: WorkError | None
