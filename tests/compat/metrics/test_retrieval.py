"""Retrieval measures against their definitions in plain Python, trec_eval, and shuffling."""

import math
from fractions import Fraction

import numpy as np
import pytest
import pytrec_eval
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from compat.errors import ShapeError
from compat.metrics import retrieval
from compat.metrics.distances import Distance, distances, on_grid
from compat.metrics.retrieval import (
    MISSING,
    average_precision,
    hit_rate_at_k,
    map_at_r,
    measure,
    ranked,
    recall_at_k,
)

devices = pytest.mark.parametrize(
    "device",
    [
        "cpu",
        pytest.param(
            "cuda",
            marks=[
                pytest.mark.gpu,
                pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device"),
            ],
        ),
    ],
)


@st.composite
def searches(draw):
    """Small whole-number embeddings: many ties, duplicates, zeros, self-matches, absent classes."""
    n, d = draw(st.integers(1, 9)), draw(st.integers(1, 3))
    number = st.integers(-2, 2)
    rows = draw(st.lists(st.lists(number, min_size=d, max_size=d), min_size=n, max_size=n))
    labels = draw(st.lists(st.integers(0, 2), min_size=n, max_size=n))
    queries = draw(st.lists(st.integers(0, n - 1), max_size=5, unique=True))
    gallery = draw(st.lists(st.integers(0, n - 1), max_size=n, unique=True))
    return rows, labels, queries, gallery


def distance_oracle(kind, a, b):
    dot = sum(x * y for x, y in zip(a, b, strict=True))
    if kind is Distance.INNER_PRODUCT:
        return -dot
    if kind is Distance.EUCLIDEAN:
        return sum((x - y) ** 2 for x, y in zip(a, b, strict=True))
    norms = [math.sqrt(sum(x * x for x in v)) or 1.0 for v in (b, a)]
    return -dot / norms[0] / norms[1]


def oracle(kind, rows, labels, query, gallery):
    """Rank one query's gallery, worst order within ties, and measure from the definitions."""
    met = [g for g in gallery if g != query]
    order = sorted(
        met,
        key=lambda g: (distance_oracle(kind, rows[query], rows[g]), labels[g] == labels[query]),
    )
    relevant = [labels[g] == labels[query] for g in order]
    found = {"relevant_share": sum(relevant) / len(met) if met else math.nan}
    nearest = [
        labels[g]
        for g in met
        if distance_oracle(kind, rows[query], rows[g])
        == min(distance_oracle(kind, rows[query], rows[g]) for g in met)
    ]
    others = [label for label in nearest if label != labels[query]]
    found["first"] = min(others) if others else (labels[query] if nearest else MISSING)
    names = ("map", "hit_rate_at_1", "hit_rate_at_10", "recall_at_10", "map_at_r")
    if not any(relevant):
        return found | dict.fromkeys(names, math.nan)
    total = sum(relevant)
    precisions = [
        Fraction(sum(relevant[: i + 1]), i + 1) for i, is_hit in enumerate(relevant) if is_hit
    ]
    within = [
        Fraction(sum(relevant[: i + 1]), i + 1)
        for i, is_hit in enumerate(relevant[:total])
        if is_hit
    ]
    return found | {
        "map": float(sum(precisions) / total),
        "map_at_r": float(sum(within, Fraction(0)) / total),
        "hit_rate_at_1": float(relevant[0]),
        "hit_rate_at_10": float(any(relevant[:10])),
        "recall_at_10": sum(relevant[:10]) / total,
    }


def sides(rows, labels, queries, gallery):
    vectors, classes = torch.tensor(rows, dtype=torch.float32), torch.tensor(labels)
    chosen = [torch.tensor(part, dtype=torch.int64) for part in (queries, gallery)]
    return [on_grid(vectors[some], classes[some], some) for some in chosen]


@settings(deadline=None, max_examples=300)
@given(searches(), st.sampled_from(Distance), st.sampled_from([1, 500, 2**20]))
def test_every_measure_agrees_with_its_definition(search, kind, block_bytes):
    rows, labels, queries, gallery = search

    found = measure(*sides(*search), kind, block_bytes)

    wanted = [oracle(kind, rows, labels, q, gallery) for q in queries]
    for name, values in found.items():
        assert values.tolist() == pytest.approx([w[name] for w in wanted], nan_ok=True), name


def a_problem(n=300, d=24, classes=7, seed=0):
    rng = np.random.default_rng(seed)
    labels = rng.integers(classes, size=n)
    centres = rng.normal(size=(classes, d))
    vectors = (centres[labels] + 1.5 * rng.normal(size=(n, d))).astype(np.float32)
    vectors[n // 2 :][: n // 8] = vectors[: n // 8]  # duplicates, some across classes
    return vectors, labels


def both_sides(vectors, labels, ids=None, device="cpu"):
    ids = np.arange(len(labels)) if ids is None else ids
    return on_grid(
        *(torch.from_numpy(np.ascontiguousarray(x)) for x in (vectors, labels, ids)), device
    )


@devices
@pytest.mark.parametrize("kind", Distance)
def test_no_order_of_the_gallery_or_the_queries_changes_a_bit(kind, device):
    vectors, labels = a_problem()
    queries = both_sides(vectors, labels, device=device)
    plain = measure(queries, queries, kind)

    for seed in range(5):
        order = np.random.default_rng(seed).permutation(len(labels))
        back = np.argsort(order)
        shuffled = both_sides(vectors[order], labels[order], order, device)
        by_gallery, by_query = measure(queries, shuffled, kind), measure(shuffled, queries, kind)
        for name, values in plain.items():
            assert np.array_equal(by_gallery[name], values, equal_nan=True), name
            assert np.array_equal(by_query[name][back], values, equal_nan=True), name


@pytest.mark.parametrize("kind", Distance)
@pytest.mark.parametrize(("block_bytes", "n"), [(1, 40), (5_000, 80), (50_000, 300), (2**30, 300)])
def test_no_block_size_changes_a_bit(kind, block_bytes, n):
    vectors, labels = a_problem(n)
    rows = both_sides(vectors, labels)

    plain, blocked = measure(rows, rows, kind), measure(rows, rows, kind, block_bytes)

    for name, values in plain.items():
        assert np.array_equal(blocked[name], values, equal_nan=True), name


@pytest.mark.parametrize("kind", Distance)
@pytest.mark.parametrize("d", [1, 3, 64, 768, 2048])
def test_distances_have_the_same_bits_wherever_two_rows_stand(kind, d):
    rng = np.random.default_rng(d)
    vectors = (rng.normal(size=(70, d)) * 10.0 ** rng.integers(-3, 4, size=(70, 1))).astype("f4")
    rows = both_sides(vectors, np.zeros(70, int))

    table = distances(rows, rows, kind)

    alone = [distances(rows.at(slice(i, i + 1)), rows, kind)[0] for i in range(70)]
    assert torch.equal(torch.stack(alone), table)
    assert torch.allclose(table, table.T, rtol=1e-14)


@pytest.mark.parametrize("d", [2, 64, 768, 2048])
def test_the_grid_is_about_as_fine_as_float32(d):
    vectors = np.random.default_rng(d).normal(size=(50, d)).astype(np.float32)
    rows = both_sides(vectors, np.zeros(50, int))

    wide = vectors.astype(np.float64)
    lengths = np.linalg.norm(wide, axis=1, keepdims=True)
    wanted = {
        Distance.INNER_PRODUCT: -wide @ wide.T,
        Distance.COSINE: -(wide / lengths) @ (wide / lengths).T,
        Distance.EUCLIDEAN: ((wide[:, None] - wide) ** 2).sum(axis=2),
    }
    for kind, table in wanted.items():
        error = np.abs(distances(rows, rows, kind).numpy() - table) / np.abs(table).max()
        assert error.max() < 2e-7, kind


def test_sums_on_the_grid_are_exact():
    d = 4096
    vectors = np.random.default_rng(1).uniform(-1, 1, size=(4, d)).astype(np.float32)
    rows = both_sides(vectors, np.zeros(4, int))

    table = rows.grid.double() @ rows.grid.double().T

    whole = [[int(x) for x in row] for row in rows.grid.tolist()]
    for i, a in enumerate(whole):
        for j, b in enumerate(whole):
            assert int(table[i, j]) == sum(x * y for x, y in zip(a, b, strict=True))


@pytest.mark.parametrize("scale", [1e-38, 1e-20, 1e20, 1e38])
def test_very_small_and_very_large_embeddings_keep_their_ranking(scale):
    vectors, labels = a_problem(n=60)
    normal = both_sides(vectors, labels)
    scaled = both_sides((vectors / np.abs(vectors).max() * scale).astype(np.float32), labels)

    for kind in (Distance.COSINE, Distance.EUCLIDEAN):
        found, wanted = measure(scaled, scaled, kind), measure(normal, normal, kind)
        if scale > 1e-38:  # below, float32 itself has lost bits
            assert found["map"] == pytest.approx(wanted["map"], nan_ok=True, abs=1e-3)
        assert np.isfinite(found["map"]).all()


def test_measures_agree_with_trec_eval():
    vectors, labels = a_problem(n=200, d=8)
    vectors += np.random.default_rng(3).normal(0, 1e-3, vectors.shape).astype(np.float32)
    rows = both_sides(vectors, labels)

    found = measure(rows, rows, Distance.EUCLIDEAN)

    table = distances(rows, rows, Distance.EUCLIDEAN).numpy().copy()
    np.fill_diagonal(table, np.inf)
    order = table.argsort(axis=1)[:, :-1]
    truth = {
        str(q): {str(g): int(labels[g] == labels[q]) for g in order[q]} for q in range(len(labels))
    }
    runs = {
        str(q): {str(g): float(len(labels) - place) for place, g in enumerate(order[q])}
        for q in range(len(labels))
    }
    names = {
        "map": "map",
        "success_1": "hit_rate_at_1",
        "success_10": "hit_rate_at_10",
        "recall_10": "recall_at_10",
    }
    judged = pytrec_eval.RelevanceEvaluator(truth, {"map", "success", "recall"}).evaluate(runs)
    for theirs, ours in names.items():
        wanted = [judged[str(q)][theirs] for q in range(len(labels))]
        assert found[ours] == pytest.approx(wanted, abs=1e-8), ours


def test_map_at_r_agrees_with_the_metric_learning_reference():
    vectors, labels = a_problem(n=200, d=8)
    vectors += np.random.default_rng(3).normal(0, 1e-3, vectors.shape).astype(np.float32)
    rows = both_sides(vectors, labels)

    found = measure(rows, rows, Distance.COSINE)["map_at_r"]

    table = distances(rows, rows, Distance.COSINE).numpy().copy()
    np.fill_diagonal(table, np.inf)
    for q, order in enumerate(table.argsort(axis=1)[:, :-1]):
        hits = labels[order] == labels[q]
        r = hits.sum()
        precision = hits[:r].cumsum() / np.arange(1, r + 1)
        assert found[q] == pytest.approx((precision * hits[:r]).sum() / r)


def test_a_model_that_collapsed_is_as_bad_as_possible():
    labels = np.array([0] * 5 + [1] * 15)
    rows = both_sides(np.ones((20, 4), np.float32), labels)

    for kind in Distance:
        found = measure(rows, rows, kind)
        assert (found["hit_rate_at_1"] == 0).all()
        assert found["map"][0] == pytest.approx(sum(j / (15 + j) for j in range(1, 5)) / 4)
        assert found["first"].tolist() == [1] * 5 + [0] * 15


def test_a_query_never_meets_its_own_id_even_when_the_gallery_repeats_it():
    vectors = torch.tensor([[1.0], [1.0], [5.0]])
    labels = torch.tensor([7, 7, 7])
    query = on_grid(vectors[:1], labels[:1], torch.tensor([3]))
    gallery = on_grid(vectors, labels, torch.tensor([3, 3, 4]))

    block = next(ranked(query, gallery, Distance.EUCLIDEAN))

    assert block.ranks.tolist() == [[1, MISSING, MISSING]]
    assert block.gallery.tolist() == [1]


def test_sides_without_ids_meet_completely():
    rows = on_grid(torch.tensor([[1.0], [2.0]]), torch.tensor([7, 7]))

    block = next(ranked(rows, rows, Distance.EUCLIDEAN))

    assert block.ranks.tolist() == [[1, 2], [1, 2]]


def test_an_absent_class_is_undefined_and_an_empty_gallery_has_no_first_hit():
    query = on_grid(torch.tensor([[1.0]]), torch.tensor([9]))
    gallery = on_grid(torch.tensor([[1.0], [2.0]]), torch.tensor([7, 8]))

    absent = measure(query, gallery, Distance.EUCLIDEAN)
    empty = measure(query, gallery.at(slice(0)), Distance.EUCLIDEAN)

    assert math.isnan(absent["map"][0])
    assert math.isnan(absent["hit_rate_at_1"][0])
    assert absent["first"].tolist() == [7]
    assert absent["relevant_share"].tolist() == [0.0]
    assert empty["first"].tolist() == [MISSING]
    assert math.isnan(empty["relevant_share"][0])


def test_no_query_gives_empty_columns():
    rows = on_grid(torch.tensor([[1.0]]), torch.tensor([9]))

    found = measure(rows.at(slice(0)), rows, Distance.COSINE)

    assert {len(v) for v in found.values()} == {0}
    assert "map" in found


@given(
    st.lists(st.lists(st.integers(1, 30), unique=True, max_size=6), min_size=1, max_size=4),
    st.integers(1, 12),
)
def test_measures_of_ranks_agree_with_their_definitions(rows, k):
    width = max(len(r) for r in rows)
    padded = [sorted(r) + [MISSING] * (width - len(r)) for r in rows]
    ranks = torch.tensor(padded, dtype=torch.int64).view(len(rows), width)

    got = [f(ranks, k).tolist() for f in (hit_rate_at_k, recall_at_k)]
    got += [f(ranks).tolist() for f in (average_precision, map_at_r)]

    for i, row in enumerate(map(sorted, rows)):
        if not row:
            assert all(math.isnan(column[i]) for column in got)
            continue
        precision = [(j + 1) / rank for j, rank in enumerate(row)]
        kept = [p for p, rank in zip(precision, row, strict=True) if rank <= len(row)]
        assert [column[i] for column in got] == pytest.approx(
            [
                float(row[0] <= k),
                sum(rank <= k for rank in row) / len(row),
                sum(precision) / len(row),
                sum(kept) / len(row),
            ]
        )


def test_tables_stay_within_the_stated_block(monkeypatch):
    vectors, labels = a_problem(n=400)
    rows, budget, seen = both_sides(vectors, labels), 300_000, []
    plain = retrieval.distances

    def watched(queries, gallery, kind):
        seen.append(len(queries) * len(gallery) * retrieval.PAIR_BYTES)
        return plain(queries, gallery, kind)

    monkeypatch.setattr(retrieval, "distances", watched)
    measure(rows, rows, Distance.COSINE, budget)

    assert max(seen) <= budget
    assert len(seen) > 10


def test_ranks_of_a_large_class_stay_within_the_stated_block():
    vectors, _ = a_problem(n=400)
    rows, budget = both_sides(vectors, np.zeros(400, int)), 300_000

    largest = max(b.ranks.numel() for b in ranked(rows, rows, Distance.COSINE, budget))

    assert largest * retrieval.PAIR_BYTES <= budget


@pytest.mark.parametrize(
    ("embeddings", "labels", "ids"),
    [
        (torch.zeros(2), torch.zeros(2, dtype=torch.int64), None),
        (torch.zeros(2, 0), torch.zeros(2, dtype=torch.int64), None),
        (torch.zeros(2, 3, dtype=torch.int64), torch.zeros(2, dtype=torch.int64), None),
        (torch.zeros(2, 3), torch.zeros(3, dtype=torch.int64), None),
        (torch.zeros(2, 3), torch.zeros(2), None),
        (torch.full((2, 3), math.nan), torch.zeros(2, dtype=torch.int64), None),
        (torch.full((2, 3), math.inf), torch.zeros(2, dtype=torch.int64), None),
        (torch.zeros(2, 3), torch.zeros(2, dtype=torch.int64), torch.tensor([0, -1])),
        (torch.zeros(2, 3), torch.zeros(2, dtype=torch.int64), torch.tensor([0])),
    ],
)
def test_rows_that_are_not_as_stated_are_refused(embeddings, labels, ids):
    with pytest.raises(ShapeError):
        on_grid(embeddings, labels, ids)


def test_unequal_dimensions_and_bad_ranks_are_refused():
    one, two = (on_grid(torch.zeros(1, d), torch.tensor([0])) for d in (1, 2))

    with pytest.raises(ShapeError):
        distances(one, two, Distance.COSINE)
    with pytest.raises(ShapeError):
        recall_at_k(torch.tensor([[1]]), 0)
    with pytest.raises(ShapeError):
        average_precision(torch.tensor([[1.0]]))
