"""Where queries meet rewritten vectors, they meet these alone, and everything else is as ever."""

import numpy as np
import pytest

from compat.metrics.cells import Layout, strict_shares
from compat.metrics.distances import Distance
from compat.metrics.pairs import neighbour_overlap
from tests.builders.comparisons import a_set, an_encoder, compared, named

MET = ("new_old", "new_mixed25", "new_mixed50", "new_mixed75")


@pytest.fixture
def folder(tmp_path):
    """Old, new and rewritten outputs of one set, the old ones of another dimension."""
    judged = a_set(tmp_path, "embedding")
    for name, seed, d in (("old", 1, 4), ("new", 2, 5), ("rewritten", 3, 5), ("producer", 4, 5)):
        an_encoder(tmp_path, name, judged, seed=seed, d=d)
    return tmp_path


def values(folder, **job):
    return {name: m.value for name, m in named(compared(folder, "embedding", **job)).items()}


def of_cells(found, *cells):
    kept = {name: value for name, value in found.items() if name.partition(".")[2] in cells}
    assert kept
    return kept


def test_new_queries_meet_the_rewritten_vectors_in_every_cell_with_old_ones(folder):
    asks = {"cut_off": 0.5}

    found = values(folder, asks=asks, rewritten={"new_old": "rewritten.npz"})

    as_old = values(folder, asks=asks, old="rewritten.npz")
    plain = values(folder, asks=asks)
    assert of_cells(found, *MET) == of_cells(as_old, *MET)
    assert of_cells(found, "old_old", "new_new") == of_cells(plain, "old_old", "new_new")
    assert plain["map.new_old"] is None
    assert found["map.new_old_minus_old_old"] == pytest.approx(
        as_old["map.new_old"] - plain["map.old_old"]
    )
    assert found["tar.new_old"] == as_old["tar.new_old"]
    assert found["neighbour_overlap_at_10"] is not None


def test_the_scores_of_that_pair_are_calibrated_on_rewritten_vectors(folder):
    found = compared(folder, "embedding", rewritten={"new_old": "rewritten.npz"})["calibration"]

    as_old = compared(folder, "embedding", old="rewritten.npz")["calibration"]
    assert found["new_old"] == as_old["new_old"]
    assert found["old_old"] != as_old["old_old"]


@pytest.mark.parametrize("cell", ["new_producer", "old_producer"])
def test_only_the_named_cell_of_a_third_version_is_rewritten(folder, cell):
    job = {"old": "new.npz", "producer": "producer.npz"}
    found = values(folder, **job, rewritten={cell: "rewritten.npz"})

    as_producer = values(folder, **job | {"producer": "rewritten.npz"})
    plain = values(folder, **job)
    other = {"new_producer": "old_producer", "old_producer": "new_producer"}[cell]
    assert of_cells(found, cell) == of_cells(as_producer, cell)
    assert of_cells(found, other, "producer_producer", *MET) == of_cells(
        plain, other, "producer_producer", *MET
    )


def test_outputs_of_a_rewriter_that_do_not_repeat_fail_the_null_test(folder):
    judged = a_set(folder, "embedding")
    an_encoder(folder, "rewritten", judged, repeat_rows=[0], repeat_outputs=np.ones((1, 5), "f4"))

    result = compared(folder, "embedding", rewritten={"new_old": "rewritten.npz"})

    assert not result["null_test"]["passed"]
    assert "new_old rewriting" in result["null_test"]["reason"]


def test_the_diagnostics_hold_each_query_against_what_it_meets():
    """A turned space whose stored vectors were turned with it keeps every pair and neighbour."""
    rng = np.random.default_rng(0)
    old = rng.normal(size=(40, 6)).astype(np.float32)
    turned = np.ascontiguousarray(old[:, ::-1])
    both = np.ones(40, bool)
    layout = Layout(np.arange(40) % 3, both, both)
    ids = np.array([f"s-{i:02d}" for i in range(40)])

    for kind in (Distance.EUCLIDEAN, Distance.COSINE):
        met = neighbour_overlap(old, turned, ids, layout, kind, rewritten=turned)
        as_it_is = neighbour_overlap(old, turned, ids, layout, kind)
        assert met.mean > 0.99 > as_it_is.mean
    apart = strict_shares(old, 2 * turned, layout, Distance.EUCLIDEAN, rewritten=2 * turned)
    assert [c.mean for c in apart] == [0.0, 1.0]
