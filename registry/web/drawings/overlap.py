"""Two sets and what they share, as one bar in three parts: no script, it prints, it is tested."""

from django.utils.html import format_html
from django.utils.safestring import SafeString

WIDTH, HEIGHT = 600, 20
LEAST = 3
"""Pixels of a part that is not empty, so that one sample among thousands is seen."""


def draw_overlap(only_first: int, both: int, only_second: int) -> SafeString | None:
    """Return the bar, what is shared in the middle; None where all parts are empty."""
    counts = (only_first, both, only_second)
    if not sum(counts):
        return None
    first, shared, second = widths(counts)
    return format_html(
        '<svg class="overlap" viewBox="0 0 {width} {height}" preserveAspectRatio="none" '
        'role="img" aria-label="{words}"><title>{words}</title>'
        '<rect class="overlap-first" x="0" y="0" width="{first}" height="{height}"/>'
        '<rect class="overlap-both" x="{first}" y="0" width="{shared}" height="{height}"/>'
        '<rect class="overlap-second" x="{end}" y="0" width="{second}" height="{height}"/></svg>',
        width=WIDTH,
        height=HEIGHT,
        words=f"{only_first} only the first, {both} both, {only_second} only the second",
        first=first,
        shared=shared,
        second=second,
        end=first + shared,
    )


def widths(counts: tuple[int, int, int]) -> tuple[int, int, int]:
    """Return whole pixels for each count that add up to the width; what is not empty shows."""
    total = sum(counts)
    parts = [max(round(WIDTH * n / total), LEAST) if n else 0 for n in counts]
    parts[parts.index(max(parts))] += WIDTH - sum(parts)
    return parts[0], parts[1], parts[2]
