"""The rule of size: which kind of index a segment gets, and what it must reach to keep it."""

import math
from enum import StrEnum


class Kind(StrEnum):
    """How the vectors of an index file are arranged; ``docs/galleries.md`` tells what each costs.

    ``FLAT``: every row is compared. ``HNSW``: a graph of neighbours over float32 rows.
    ``IVF_SQ8``: lists around centroids, a byte a number; the best are compared again in float32.
    """

    FLAT = "flat"
    HNSW = "hnsw"
    IVF_SQ8 = "ivf_sq8"


FLAT_ROWS = 10_000
"""Up to here a segment is flat whatever its dimension: at 768 numbers a search takes 2 ms."""

FLAT_NUMBERS = 50_000 * 64
"""Up to so many numbers it is flat as well: measured, a search compares 2.5 million in 1 ms."""

HNSW_ROWS = 1_000_000
"""Up to here it is a graph: the fastest at 10^6 rows, but 17 times the time to build of IVF."""

HNSW_NUMBERS = 2**28
"""As rows, 1 GiB: beyond, the graph is not built within the default hour of a child (computed)."""

RECALL_FLOOR = 0.95
"""The least ``recall_at_10`` with which an index that approximates is published (chosen)."""

RECALL_AIMED_AT = 0.97
"""What its effort is tuned for, on other queries than those it is measured with: two standard
errors above the floor for 100 queries of 10 neighbours."""

NEIGHBOURS_PER_NODE = 16
"""Links of a node of the graph (FAISS: M)."""

CONSTRUCTION_EFFORT = 80
"""Candidates looked at for the links of a new row (FAISS: efConstruction; its default is 40)."""

SAMPLE_AT_MOST = 2**18
"""Rows that centroids are trained on, at most: the training time is bounded for any segment."""

SAMPLE_PER_LIST = 64
"""Rows that one centroid is trained on; FAISS asks for 39 at least."""

LISTS_AT_MOST = SAMPLE_AT_MOST // 40


def kind_for(rows: int, dimension: int) -> Kind:
    """Return the kind of index for a segment of ``rows`` vectors of ``dimension`` numbers."""
    numbers = rows * dimension
    if rows <= FLAT_ROWS or numbers <= FLAT_NUMBERS:
        return Kind.FLAT
    if rows <= HNSW_ROWS and numbers <= HNSW_NUMBERS:
        return Kind.HNSW
    return Kind.IVF_SQ8


def lists_for(rows: int) -> int:
    """Return into how many lists ``rows`` are divided: twice the square root, bounded."""
    return max(1, min(2 * math.isqrt(rows), LISTS_AT_MOST, rows // SAMPLE_PER_LIST))
