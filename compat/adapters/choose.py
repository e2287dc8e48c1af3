"""Fit every adapter on one part of the pairs, and choose by what the other part shows."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

import torch
import torch.nn.functional as F
from torch import Tensor

from compat.adapters.low_rank_affine import fit_low_rank_affine
from compat.adapters.procrustes import fit_procrustes
from compat.adapters.residual_mlp import fit_residual_mlp
from compat.adapters.vector_map import VectorMap, require_pairs
from compat.errors import ShapeError
from compat.metrics.distances import Distance, distances, on_grid

METHODS: dict[str, Callable[[Tensor, Tensor], VectorMap]] = {
    "procrustes": fit_procrustes,
    "low_rank_affine": fit_low_rank_affine,
    "residual_mlp": fit_residual_mlp,
}
"""Each method by name, the simplest first: of equals the first is chosen."""

HELD_OUT = 0.25
"""Share of the items that choose and are fitted by nothing (chosen)."""

NEIGHBOURS = 10

FEWEST_PAIRS = 60
"""Fewer paired vectors leave too few to choose by (chosen: 15 held out)."""

MOST_HELD_OUT = 2_000
"""Held-out items that are searched, at most (chosen: a table of 4 million distances)."""


class Side(StrEnum):
    """What an adapter maps: new queries into the old space, or stored vectors into the new one."""

    QUERY = "query"
    GALLERY = "gallery"


@dataclass(frozen=True)
class HeldOut:
    """What a way of asking was worth on items that nothing was fitted on.

    Attributes:
        name: the method; ``stay_old`` for old queries on old vectors.
        retained: share of the ten nearest items of a full re-embedding that are found among the
            ten nearest; 0 to 1.
        cosine: mean cosine of the mapped vector with the one it should be; -1 to 1.
    """

    name: str
    retained: float
    cosine: float


@dataclass(frozen=True)
class Choice:
    """Every method with its held-out figures, and the one that was chosen.

    Attributes:
        method: name of the chosen one.
        adapter: the chosen map, as it was measured: fitted on the fitting part alone.
        tried: the methods, in the order of ``METHODS``.
        stay_old: the old encoder itself, measured in the same way.
        fitted, held_out: numbers of pairs.
    """

    method: str
    adapter: VectorMap
    tried: tuple[HeldOut, ...]
    stay_old: HeldOut
    fitted: int
    held_out: int


def choose(
    new: Tensor,
    old: Tensor,
    distance: Distance,
    *,
    side: Side = Side.QUERY,
    groups: Tensor | None = None,
    seed: int = 0,
) -> Choice:
    """Fit every method on three quarters of the items and choose by the last quarter.

    The aim is what a full re-embedding would return: for each held-out item, its ten nearest
    held-out items when both sides are new. A method is worth the share of them that it finds among
    its ten nearest; the item itself is left out. The best share wins, then the better cosine, then
    the simpler method. No label is used. ``stay_old`` says what not moving at all would retain: a
    method below it may well be a step back.

    On the query side a new query is mapped and asked among old vectors. On the gallery side old
    vectors are mapped, and asked by the new query as it is: stored vectors are rewritten without
    reading the items again (FCT, CVPR 2022, arXiv 2112.02805).

    Args:
        new: (n, D) float32 vectors of the new encoder, n >= 60.
        old: (n, E) float32 vectors of the old one, of the same items.
        distance: how vectors are compared.
        side: what is mapped.
        groups: (n,) integers; items of one group are all fitted or all held out. None if each item
            stands alone.
        seed: of the split.

    Returns:
        The chosen map with the figures of all.

    Raises:
        ShapeError: another rank, length or dtype than stated, too few pairs, or groups so large
            that no such split exists.

    Example:
        >>> x = torch.randn(80, 4, generator=torch.Generator().manual_seed(0))
        >>> found = choose(x[:, [1, 2, 3, 0]].contiguous(), x, Distance.COSINE)
        >>> found.method, [round(tried.retained, 2) for tried in found.tried[:2]]
        ('procrustes', [1.0, 1.0])

    Source: the retained share is the adapted recall ratio of arXiv 2509.23471 at ten neighbours.
    """
    require_pairs(new, old)
    held_out = held_out_rows(len(new), groups, seed)
    fitting, searched = ~held_out, torch.nonzero(held_out).flatten()[:MOST_HELD_OUT]
    wanted = _nearest(new[searched], new[searched], distance)
    source, target = (new, old) if side is Side.QUERY else (old, new)

    def figures(name: str, mapped: Tensor) -> HeldOut:
        pair = (mapped, old[searched]) if side is Side.QUERY else (new[searched], mapped)
        cosine = F.cosine_similarity(mapped, target[searched], dim=1)
        return HeldOut(name, _shared(_nearest(*pair, distance), wanted), _mean(cosine))

    fitted = {name: fit(source[fitting], target[fitting]) for name, fit in METHODS.items()}
    tried = tuple(figures(name, adapter(source[searched])) for name, adapter in fitted.items())
    best = max(tried, key=lambda one: (round(one.retained, 6), round(one.cosine, 6)))
    own = old[searched]
    stay = HeldOut("stay_old", _shared(_nearest(own, own, distance), wanted), 1.0)
    return Choice(
        best.name, fitted[best.name], tried, stay, int(fitting.sum()), int(held_out.sum())
    )


def held_out_rows(n: int, groups: Tensor | None = None, seed: int = 0) -> Tensor:
    """Return which of ``n`` items are held out: whole groups, until a quarter of the items is.

    Args:
        n: number of items, >= ``FEWEST_PAIRS``.
        groups: (n,) integers, or None if each item is its own group.
        seed: of the order in which groups are drawn.

    Returns:
        (n,) bool.

    Raises:
        ShapeError: too few items, or the groups are too large for such a split.

    Example:
        >>> held_out_rows(80).sum().item()
        20
    """
    if n < FEWEST_PAIRS:
        raise ShapeError(f"{n} pairs are too few: {FEWEST_PAIRS} are needed")
    if groups is None:
        groups = torch.arange(n)
    if groups.shape != (n,) or groups.is_floating_point():
        raise ShapeError(f"groups are {tuple(groups.shape)} {groups.dtype}, not ({n},) integers")
    _, group, sizes = groups.unique(return_inverse=True, return_counts=True)
    drawn = torch.randperm(len(sizes), generator=torch.Generator().manual_seed(seed))
    before = sizes[drawn].cumsum(0) - sizes[drawn]
    held_out = torch.isin(group, drawn[before < HELD_OUT * n])
    if not n / 10 <= held_out.sum() <= n / 2:
        raise ShapeError(f"{len(sizes)} groups cannot be split: some are too large")
    return held_out


def _nearest(queries: Tensor, gallery: Tensor, distance: Distance) -> Tensor:
    """Return (n, 10) rows of the gallery nearest to each query, without the query's own item."""
    nowhere = torch.zeros(len(queries), dtype=torch.int64)
    table = distances(on_grid(queries, nowhere), on_grid(gallery, nowhere), distance)
    table.fill_diagonal_(torch.inf)
    return table.topk(min(NEIGHBOURS, len(gallery) - 1), largest=False).indices


def _shared(found: Tensor, wanted: Tensor) -> float:
    """Return the mean share of the wanted rows that were found."""
    return _mean((found[:, :, None] == wanted[:, None, :]).any(dim=1).double().mean(dim=1))


def _mean(values: Tensor) -> float:
    return values.double().mean().item()
