"""Spans of time, rates and sums as people read them."""

from registry.web.figures import SPACE

_UNITS = ((86_400 * 365.25, "years"), (86_400, "days"), (3600, "h"), (60, "min"), (1, "s"))


def duration(seconds: float | None) -> str:
    """Return a span in its largest fitting unit: 1.4 h; a dash where there is none."""
    if seconds is None:
        return "\N{EN DASH}"
    for length, unit in _UNITS:
        if seconds >= length:
            return f"{plain(seconds / length)}{SPACE}{unit}"
    return f"below 1{SPACE}s"


def plain(value: float | None) -> str:
    """Return a number with three figures that count, and no exponent: 1,234 or 0.00512."""
    if value is None:
        return "\N{EN DASH}"
    if abs(value) >= 100 or value == 0:
        return f"{value:,.0f}"
    for digits, least in ((1, 10.0), (2, 1.0), (3, 0.1), (4, 0.01)):
        if abs(value) >= least:
            return f"{value:.{digits}f}"
    return f"{value:.6f}" if abs(value) >= 1e-6 else "below 0.000001"
