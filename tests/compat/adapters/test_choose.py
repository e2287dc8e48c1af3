"""Held-out items choose, nothing that was fitted on them, and the figures are those of all."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from compat.adapters import choose as module
from compat.adapters.choose import METHODS, Side, choose, held_out_rows
from compat.errors import ShapeError
from compat.metrics.distances import Distance


def normal(n: int, d: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(n, d, generator=torch.Generator().manual_seed(seed))


def turned(n: int = 200, d: int = 6) -> tuple[torch.Tensor, torch.Tensor]:
    old = F.normalize(normal(n, d))
    return old @ torch.linalg.qr(normal(d, d, 1)).Q, old


def retained_oracle(queries: np.ndarray, gallery: np.ndarray, new: np.ndarray) -> float:
    def nearest(q: np.ndarray, g: np.ndarray, row: int) -> set[int]:
        unit = g / np.linalg.norm(g, axis=1, keepdims=True)
        others = [i for i in range(len(g)) if i != row]
        return set(sorted(others, key=lambda i: -float(unit[i] @ q[row]))[:10])

    shares = [
        len(nearest(queries, gallery, row) & nearest(new, new, row)) / 10 for row in range(len(new))
    ]
    return float(np.mean(shares))


@pytest.mark.parametrize("side", list(Side))
def test_the_figures_agree_with_the_definition_written_out(side):
    new, old = F.normalize(normal(120, 5)), F.normalize(normal(120, 4, 1))
    source, target = (new, old) if side is Side.QUERY else (old, new)

    found = choose(new, old, Distance.COSINE, side=side)

    held_out = held_out_rows(120)
    for name, tried in zip(METHODS, found.tried, strict=True):
        mapped = METHODS[name](source[~held_out], target[~held_out])(source[held_out])
        kept = {"new": new[held_out], "old": old[held_out]}
        asked = (mapped, kept["old"]) if side is Side.QUERY else (kept["new"], mapped)
        expected = retained_oracle(*(t.double().numpy() for t in (*asked, kept["new"])))
        assert tried.name == name
        assert tried.retained == pytest.approx(expected)
        assert tried.cosine == pytest.approx(
            F.cosine_similarity(mapped, target[held_out]).mean().item(), abs=1e-6
        )
    own = old[held_out].double().numpy()
    stay = retained_oracle(own, own, new[held_out].double().numpy())
    assert found.stay_old.retained == pytest.approx(stay)


def test_a_turned_space_is_given_back_by_the_simplest_method():
    found = choose(*turned(), Distance.COSINE)

    assert found.method == "procrustes"
    assert found.tried[0].retained == 1.0
    assert (found.fitted, found.held_out) == (150, 50)


def test_the_chosen_map_is_the_one_that_was_measured(monkeypatch):
    new, old = turned()
    seen = []
    real = METHODS["procrustes"]
    monkeypatch.setitem(METHODS, "procrustes", lambda x, y: seen.append(x) or real(x, y))

    found = choose(new, old, Distance.COSINE)

    assert len(seen) == 1
    assert torch.equal(seen[0], new[~held_out_rows(len(new))])
    assert torch.equal(
        found.adapter.linear, real(*(t[~held_out_rows(200)] for t in (new, old))).linear
    )


def test_what_was_learned_by_heart_is_not_chosen(monkeypatch):
    new, old = turned()

    def by_heart(x, y):
        known = {tuple(row.tolist()): target for row, target in zip(x, y, strict=True)}
        return lambda rows: torch.stack([known.get(tuple(r.tolist()), -y[0]) for r in rows])

    monkeypatch.setitem(METHODS, "low_rank_affine", by_heart)

    assert choose(new, old, Distance.COSINE).method == "procrustes"


def test_a_group_is_held_out_whole_or_not_at_all():
    groups = torch.arange(200) // 4

    held_out = held_out_rows(200, groups, seed=3)

    for group in range(50):
        assert held_out[groups == group].sum() in (0, 4)
    assert 50 <= held_out.sum() <= 53


def test_another_seed_splits_otherwise_and_the_same_one_alike():
    assert torch.equal(held_out_rows(100, seed=1), held_out_rows(100, seed=1))
    assert not torch.equal(held_out_rows(100, seed=1), held_out_rows(100, seed=2))


def test_too_few_pairs_and_groups_that_cannot_be_split_are_refused():
    with pytest.raises(ShapeError, match="too few"):
        held_out_rows(module.FEWEST_PAIRS - 1)
    with pytest.raises(ShapeError, match="too large"):
        held_out_rows(100, torch.zeros(100, dtype=torch.int64))
