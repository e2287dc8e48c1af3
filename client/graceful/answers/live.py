"""What serving processes read and say back: live views and acknowledgements."""

from typing import TypedDict

from graceful.answers.canaries import Drift


class LiveEncoder(TypedDict):
    """A version that makes queries, and where its artifact is."""

    version: str
    digest: str
    artifact: str | None
    download: str | None
    dimension: int
    distance: str
    normalisation: str


class ScoreCalibration(TypedDict):
    """What makes scores of different encoders comparable."""

    mean: float
    spread: float
    pairs: int


class LiveSegment(TypedDict):
    """One segment of a live view, and the version that makes its query."""

    segment: int
    producer: str
    dimension: int
    distance: str
    searchable: bool
    encoder: str
    evidence: str
    calibration: ScoreCalibration | None


class LiveView(TypedDict):
    """The live pointer of a gallery: the same answer for the whole of an epoch."""

    gallery: str
    epoch: int
    view: int
    encoder: str
    encoder_digest: str
    encoders: list[LiveEncoder]
    segments: list[LiveSegment]
    drift: Drift | None


class Acknowledgement(TypedDict):
    """The last epoch of a gallery that a consumer has taken over."""

    consumer: str
    epoch: int
    since: str
    behind: int
    behind_since: str | None
    acknowledged_by: str
