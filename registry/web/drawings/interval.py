"""An interval against its threshold, as an SVG drawn here: no script, it prints, it is tested."""

from dataclasses import dataclass

from django.utils.html import format_html
from django.utils.safestring import SafeString

from compat.policy import Bound

WIDTH, HEIGHT = 200, 36
MARGIN = 10
MIDDLE = 20


@dataclass(frozen=True)
class Interval:
    """What is drawn: an estimate with its bounds, what was asked for, and how it came out.

    ``beside`` are further values that the scale makes room for, so that drawings can be compared.
    """

    value: float
    lower: float
    upper: float
    threshold: float
    bound: Bound
    outcome: str
    words: str
    beside: tuple[float, ...] = ()


def draw_interval(shown: Interval) -> SafeString:
    """Return the drawing; the good side of the threshold is shaded and named by an arrow."""
    scale = _Scale(shown)
    at = scale.x(shown.threshold)
    good_is_left = shown.bound is Bound.AT_MOST
    good_from, good_to = (0.0, at) if good_is_left else (at, float(WIDTH))
    return format_html(
        '<svg class="interval interval-{outcome}" viewBox="0 0 {width} {height}" width="{width}" '
        'height="{height}" role="img" aria-label="{words}"><title>{words}</title>'
        '<rect class="interval-good" x="{good_from}" y="10" width="{good_width}" height="20"/>'
        '<line class="interval-axis" x1="0" x2="{width}" y1="{middle}" y2="{middle}"/>'
        '<line class="interval-threshold" x1="{at}" x2="{at}" y1="6" y2="34"/>'
        '<text class="interval-better" x="{text_x}" y="8" text-anchor="{anchor}">{better}</text>'
        '<line class="interval-bar" x1="{lower}" x2="{upper}" y1="{middle}" y2="{middle}"/>'
        '<line class="interval-end" x1="{lower}" x2="{lower}" y1="15" y2="25"/>'
        '<line class="interval-end" x1="{upper}" x2="{upper}" y1="15" y2="25"/>'
        '<circle class="interval-value" cx="{value}" cy="{middle}" r="4"/></svg>',
        outcome=shown.outcome,
        width=WIDTH,
        height=HEIGHT,
        middle=MIDDLE,
        words=shown.words,
        good_from=_px(good_from),
        good_width=_px(good_to - good_from),
        at=_px(at),
        text_x=_px(at - 4 if good_is_left else at + 4),
        anchor="end" if good_is_left else "start",
        better="\N{LEFTWARDS ARROW} good" if good_is_left else "good \N{RIGHTWARDS ARROW}",
        lower=_px(scale.x(shown.lower)),
        upper=_px(scale.x(shown.upper)),
        value=_px(scale.x(shown.value)),
    )


class _Scale:
    """Maps values to pixels, so that interval and threshold both have room."""

    def __init__(self, shown: Interval) -> None:
        marks = (shown.value, shown.lower, shown.upper, shown.threshold, *shown.beside)
        self.low, high = min(marks), max(marks)
        self.span = high - self.low or 1.0

    def x(self, value: float) -> float:
        inner = WIDTH - 2 * (MARGIN + LABEL_ROOM)
        return MARGIN + LABEL_ROOM + (value - self.low) / self.span * inner


LABEL_ROOM = 32
"""Pixels on either side, so that the word beside a threshold at the edge is not cut."""


def _px(value: float) -> str:
    return f"{value:.1f}"
