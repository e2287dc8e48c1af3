"""The lineage of a line of versions as an SVG: parents to the left of their children."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

NODE_WIDTH, NODE_HEIGHT = 124, 34
GAP_X, GAP_Y = 84, 14
MARGIN = 8


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


@dataclass(frozen=True)
class _Placed:
    node: Node
    x: int
    y: int


def draw_lineage(nodes: Sequence[Node], edges: Sequence[Edge]) -> SafeString:
    """Return the graph; a version stands one column right of the last of its parents."""
    known = {node.key for node in nodes}
    drawn = [edge for edge in edges if edge.parent in known and edge.child in known]
    placed = _place(nodes, drawn)
    width = max((p.x for p in placed.values()), default=0) + NODE_WIDTH + MARGIN
    height = max((p.y for p in placed.values()), default=0) + NODE_HEIGHT + MARGIN
    return format_html(
        '<svg class="lineage" viewBox="0 0 {} {}" width="{}" height="{}" role="img" '
        'aria-label="Lineage: {} versions, {} relations">{}{}</svg>',
        width,
        height,
        width,
        height,
        len(nodes),
        len(drawn),
        _lines(drawn, placed),
        _boxes(placed.values()),
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


def _place(nodes: Sequence[Node], edges: Sequence[Edge]) -> dict[int, _Placed]:
    columns = columns_of([node.key for node in nodes], edges)
    used: dict[int, int] = {}
    placed = {}
    for node in nodes:
        column = columns[node.key]
        row = used.get(column, 0)
        used[column] = row + 1
        placed[node.key] = _Placed(
            node,
            MARGIN + column * (NODE_WIDTH + GAP_X),
            MARGIN + row * (NODE_HEIGHT + GAP_Y),
        )
    return placed


def _lines(edges: Iterable[Edge], placed: dict[int, _Placed]) -> SafeString:
    lines = []
    for edge in edges:
        start, end = placed[edge.parent], placed[edge.child]
        x1, y1 = start.x + NODE_WIDTH, start.y + NODE_HEIGHT // 2
        x2, y2 = end.x, end.y + NODE_HEIGHT // 2
        bend = (x1 + x2) // 2
        words = edge.relation.replace("_", " ")
        lines.append(
            (f"M{x1} {y1} C{bend} {y1} {bend} {y2} {x2} {y2}", bend, (y1 + y2) // 2 - 4, words)
        )
    return format_html_join(
        "",
        '<path class="lineage-edge" d="{}"/>'
        '<text class="lineage-relation" x="{}" y="{}" text-anchor="middle">{}</text>',
        lines,
    )


def _boxes(placed: Iterable[_Placed]) -> SafeString:
    return format_html_join(
        "",
        '<a href="{}"><rect class="lineage-node{}" x="{}" y="{}" width="{}" height="{}" rx="6"/>'
        '<text class="lineage-name" x="{}" y="{}" text-anchor="middle">{}</text>'
        '<text class="lineage-mark" x="{}" y="{}" text-anchor="middle">{}</text></a>',
        (
            (
                p.node.url,
                " lineage-serving" if p.node.serving else "",
                p.x,
                p.y,
                NODE_WIDTH,
                NODE_HEIGHT,
                p.x + NODE_WIDTH // 2,
                p.y + (15 if p.node.mark else 21),
                _short(p.node.name),
                p.x + NODE_WIDTH // 2,
                p.y + 28,
                _short(p.node.mark),
            )
            for p in placed
        ),
    )


def _short(text: str) -> str:
    return text if len(text) <= 18 else f"{text[:8]}\N{HORIZONTAL ELLIPSIS}{text[-9:]}"
