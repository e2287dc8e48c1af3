"""What a score of one pair of versions is worth beside the scores of another pair."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Calibration:
    """Moments of the scores of pairs of different classes.

    Attributes:
        mean: of the score, where bigger is nearer.
        spread: its standard deviation, above 0.
        pairs: how many were looked at.
    """

    mean: float
    spread: float
    pairs: int

    def applied(self, score: float) -> float:
        """Return how many spreads a score is above those of items of different classes."""
        return (score - self.mean) / self.spread
