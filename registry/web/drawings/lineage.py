"""The lineage of a line of versions as an SVG: parents to the left of their children."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

NODE_WIDTH, NODE_HEIGHT = 124, 34
GAP_X, GAP_Y = 96, 14
MARGIN = 8
LABEL_AT = 0.6
"""How far down its last bend an edge is named; beyond the middle, where edges cross."""


@dataclass(frozen=True)
class Node:
    """A version in the graph; ``mark`` is a word under its name, such as an alias."""

    key: int
    name: str
    url: str
    mark: str = ""
    serving: bool = False


@dataclass(frozen=True)
class Edge:
    """How one version came from another one."""

    parent: int
    child: int
    relation: str


Slot = int | tuple[int, int, int]
"""What takes a row of a column: a version, or an edge that passes (parent, child, column)."""


def draw_lineage(nodes: Sequence[Node], edges: Sequence[Edge]) -> SafeString:
    """Return the graph; a version stands one column right of the last of its parents."""
    known = {node.key for node in nodes}
    drawn = [edge for edge in edges if edge.parent in known and edge.child in known]
    columns = columns_of([node.key for node in nodes], drawn)
    rows = _rows(nodes, drawn, columns)
    width = _x(max(columns.values(), default=0)) + NODE_WIDTH + MARGIN
    height = _y(max(rows.values(), default=0)) + NODE_HEIGHT + MARGIN
    return format_html(
        '<svg class="lineage" viewBox="0 0 {} {}" width="{}" height="{}" role="img" '
        'aria-label="Lineage: {} versions, {} relations">{}{}</svg>',
        width,
        height,
        width,
        height,
        len(nodes),
        len(drawn),
        _lines(drawn, columns, rows),
        _boxes(nodes, columns, rows),
    )


def columns_of(keys: Sequence[int], edges: Sequence[Edge]) -> dict[int, int]:
    """Return the column of each version: the length of the longest way to it from a root."""
    parents: dict[int, list[int]] = {key: [] for key in keys}
    children: dict[int, list[int]] = {key: [] for key in keys}
    for edge in edges:
        parents[edge.child].append(edge.parent)
        children[edge.parent].append(edge.child)
    waiting = {key: len(parents[key]) for key in keys}
    free = [key for key in keys if not waiting[key]]
    columns = dict.fromkeys(keys, 0)
    while free:
        key = free.pop()
        for child in children[key]:
            columns[child] = max(columns[child], columns[key] + 1)
            waiting[child] -= 1
            if not waiting[child]:
                free.append(child)
    return columns


def _rows(
    nodes: Sequence[Node], edges: Sequence[Edge], columns: Mapping[int, int]
) -> dict[Slot, int]:
    """Give every version a row, and every edge that passes a column one too.

    A column is ordered by the mean row of what leads to it, so that few edges cross.
    """
    leading: dict[Slot, list[Slot]] = {node.key: [] for node in nodes}
    slots: dict[int, list[Slot]] = {}
    for node in nodes:
        slots.setdefault(columns[node.key], []).append(node.key)
    for edge in edges:
        way = _way(edge, columns)
        for before, slot in pairwise(way):
            leading.setdefault(slot, []).append(before)
        for column, slot in enumerate(way[1:-1], start=columns[edge.parent] + 1):
            slots.setdefault(column, []).append(slot)
    rows: dict[Slot, int] = {}
    for column in sorted(slots):
        ordered = sorted(slots[column], key=lambda slot: _mean(rows, leading[slot]))
        rows |= {slot: row for row, slot in enumerate(ordered)}
    return rows


def _way(edge: Edge, columns: Mapping[int, int]) -> list[Slot]:
    """Return what an edge goes through: the parent, a slot in each column between, the child."""
    between = range(columns[edge.parent] + 1, columns[edge.child])
    return [edge.parent, *((edge.parent, edge.child, column) for column in between), edge.child]


def _mean(rows: Mapping[Slot, int], slots: Sequence[Slot]) -> float:
    return sum(rows[slot] for slot in slots) / len(slots) if slots else 0.0


def _lines(
    edges: Iterable[Edge], columns: Mapping[int, int], rows: Mapping[Slot, int]
) -> SafeString:
    lines = []
    for edge in edges:
        x, y = _x(columns[edge.parent]) + NODE_WIDTH, _middle(rows[edge.parent])
        path, label = [f"M{x} {y}"], (0, 0)
        for step, slot in enumerate(_way(edge, columns)[1:], start=columns[edge.parent] + 1):
            left, level = _x(step), _middle(rows[slot])
            bend = (x + left) // 2
            path.append(f"C{bend} {y} {bend} {level} {left} {level}")
            label = (bend + GAP_X // 16, round(y + (level - y) * LABEL_AT) - 4)
            x, y = left + NODE_WIDTH, level
            if not isinstance(slot, int):
                path.append(f"H{x}")
        lines.append((" ".join(path), *label, edge.relation.replace("_", " ")))
    return format_html_join(
        "",
        '<path class="lineage-edge" d="{}"/>'
        '<text class="lineage-relation" x="{}" y="{}" text-anchor="middle">{}</text>',
        lines,
    )


def _boxes(
    nodes: Iterable[Node], columns: Mapping[int, int], rows: Mapping[Slot, int]
) -> SafeString:
    boxes = []
    for node in nodes:
        x, y = _x(columns[node.key]), _y(rows[node.key])
        style = " lineage-serving" if node.serving else ""
        middle, baseline = x + NODE_WIDTH // 2, y + (15 if node.mark else 21)
        texts = (middle, baseline, _short(node.name), middle, y + 28, _short(node.mark))
        boxes.append((node.url, style, x, y, NODE_WIDTH, NODE_HEIGHT, *texts))
    return format_html_join(
        "",
        '<a href="{}"><rect class="lineage-node{}" x="{}" y="{}" width="{}" height="{}" rx="6"/>'
        '<text class="lineage-name" x="{}" y="{}" text-anchor="middle">{}</text>'
        '<text class="lineage-mark" x="{}" y="{}" text-anchor="middle">{}</text></a>',
        boxes,
    )


def _x(column: int) -> int:
    return MARGIN + column * (NODE_WIDTH + GAP_X)


def _y(row: int) -> int:
    return MARGIN + row * (NODE_HEIGHT + GAP_Y)


def _middle(row: int) -> int:
    return _y(row) + NODE_HEIGHT // 2


def _short(text: str) -> str:
    return text if len(text) <= 18 else f"{text[:8]}\N{HORIZONTAL ELLIPSIS}{text[-9:]}"
