"""Classes that a version can answer; counted, not sampled."""

from collections.abc import Collection

from compat.errors import ShapeError
from compat.measurement import LEVELS, Direction, Measurement, Tail, undefined

NO_CLASSES = "no_classes"


def certain(name: str, value: float, support: int, direction: Direction) -> Measurement:
    """Return a measurement that no sample could change: its bounds are its value.

    Args:
        name: the measure.
        value: what was counted.
        support: how many things were looked at.
        direction: which way is better.

    Returns:
        A measurement with the value as each bound at each of ``LEVELS``.

    Example:
        >>> certain("size_ratio", 0.5, 1, Direction.LOWER_IS_BETTER).interval(0.99)
        (0.5, 0.5)
    """
    bounds = {tail.value: {repr(level): value for level in LEVELS} for tail in Tail}
    return Measurement(name, value, support, direction, bounds=bounds)


def classes_lost(old: Collection[str], new: Collection[str]) -> Measurement:
    """Return how many classes the old version can answer and the new one cannot.

    Args:
        old: names of the old version's classes, each once.
        new: names of the new version's classes, each once.

    Returns:
        ``classes_lost``, from 0 to the number of old classes, which is its support; exact.

    Raises:
        ShapeError: a class is named twice.

    Example:
        >>> classes_lost(["cat", "dog"], ["dog", "owl"]).value
        1.0
    """
    for names in (old, new):
        if len(set(names)) < len(names):
            raise ShapeError("a class is named twice")
    if not old or not new:
        return undefined("classes_lost", Direction.LOWER_IS_BETTER, NO_CLASSES, len(old))
    lost = float(len(set(old) - set(new)))
    return certain("classes_lost", lost, len(old), Direction.LOWER_IS_BETTER)
