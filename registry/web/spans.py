"""Spans of time, rates and sums as people read them."""

import math

from registry.web.figures import SPACE

MOST_DIGITS = 9
MONTH_S = 86_400 * 365.25 / 12

_UNITS = ((86_400 * 365.25, "years"), (86_400, "days"), (3600, "h"), (60, "min"), (1, "s"))


def duration(seconds: float | None) -> str:
    """Return a span in its largest fitting unit: 1.4 h; a dash where there is none."""
    if seconds is None:
        return "\N{EN DASH}"
    for length, unit in _UNITS:
        if seconds >= length:
            return f"{plain(seconds / length)}{SPACE}{unit}"
    return f"below 1{SPACE}s"


def months(count: float | None) -> str:
    """Return a number of months in the unit that fits."""
    return duration(None if count is None else count * MONTH_S)


def plain(value: float | None) -> str:
    """Return a number with three figures that count, and no exponent: 1,234 or 0.00512."""
    if value is None:
        return "\N{EN DASH}"
    if abs(value) >= 100 or value == 0:
        return f"{value:,.0f}"
    digits = 2 - math.floor(math.log10(abs(float(f"{value:.3g}"))))
    return f"{value:.{digits}f}" if digits <= MOST_DIGITS else "nearly 0"
