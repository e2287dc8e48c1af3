"""A map is applied as written: linear, bias, and GELU in its tanh form."""

import math

import pytest
import torch

from compat.adapters import vector_map
from compat.adapters.vector_map import Hidden, VectorMap, require_pairs
from compat.errors import ShapeError


def a_map(d: int = 3, e: int = 2, h: int = 4) -> VectorMap:
    generator = torch.Generator().manual_seed(0)
    parts = [torch.randn(*s, generator=generator) for s in ((d, e), (e,), (d, h), (h,), (h, e))]
    return VectorMap(parts[0], parts[1], Hidden(*parts[2:]))


def by_hand(adapter: VectorMap, row: list[float]) -> list[float]:
    hidden = adapter.hidden
    inner = []
    for j in range(len(hidden.inward_bias)):
        u = sum(x * hidden.inward[i, j].item() for i, x in enumerate(row))
        u += hidden.inward_bias[j].item()
        bent = math.tanh(math.sqrt(2 / math.pi) * (u + 0.044715 * u**3))
        inner.append(0.5 * u * (1 + bent))
    return [
        sum(x * adapter.linear[i, k].item() for i, x in enumerate(row))
        + adapter.bias[k].item()
        + sum(g * hidden.outward[j, k].item() for j, g in enumerate(inner))
        for k in range(len(adapter.bias))
    ]


def test_it_equals_its_formula_written_out(monkeypatch):
    monkeypatch.setattr(vector_map, "WHOLE_ROWS", 2)
    adapter, rows = a_map(), [[0.5, -1.0, 2.0], [0.0, 0.0, 0.0], [3.0, 1.0, -2.0]]

    mapped = adapter(torch.tensor(rows))

    for row, found in zip(rows, mapped.tolist(), strict=True):
        assert found == pytest.approx(by_hand(adapter, row), abs=1e-5)


def test_it_counts_its_numbers():
    assert a_map(3, 2, 4).parameters == 6 + 2 + 12 + 4 + 8


@pytest.mark.parametrize(
    "wrong", [torch.zeros(2, 4), torch.zeros(3), torch.zeros(2, 3, dtype=torch.float64)]
)
def test_other_vectors_than_it_was_made_for_are_refused(wrong):
    with pytest.raises(ShapeError):
        a_map()(wrong)


@pytest.mark.parametrize(
    ("sources", "targets"),
    [
        (torch.zeros(2, 3), torch.zeros(3, 3)),
        (torch.zeros(0, 3), torch.zeros(0, 3)),
        (torch.zeros(2, 3).double(), torch.zeros(2, 3)),
        (torch.zeros(2, 3), torch.full((2, 3), math.nan)),
        (torch.zeros(2), torch.zeros(2, 3)),
    ],
)
def test_what_is_no_paired_vectors_is_refused(sources, targets):
    with pytest.raises(ShapeError):
        require_pairs(sources, targets)
