"""How items of different classes score: the moments that make scores comparable."""

import numpy as np
import pytest

from compat.metrics.calibration import FEWEST_PAIRS, calibrate
from compat.metrics.cells import Layout
from compat.metrics.distances import Distance

N = 120
rng = np.random.default_rng(5)
OLD, NEW = (rng.normal(size=(N, 8)).astype(np.float32) for _ in range(2))
LABELS = rng.integers(0, 6, N)
BOTH = np.ones(N, dtype=bool)
LAYOUT = Layout(LABELS, BOTH, BOTH)


def by_hand(queries, gallery, distance):
    q, g = queries.astype(np.float64), gallery.astype(np.float64)
    if distance is Distance.COSINE:
        q, g = (x / np.linalg.norm(x, axis=1, keepdims=True) for x in (q, g))
    if distance is Distance.EUCLIDEAN:
        scores = -np.sqrt(((q[:, None] - g[None]) ** 2).sum(axis=2))
    else:
        scores = q @ g.T
    others = scores[LABELS[:, None] != LABELS]
    return others.mean(), others.std(), len(others)


@pytest.mark.parametrize("distance", list(Distance))
@pytest.mark.parametrize(("queries", "gallery"), [(OLD, OLD), (NEW, OLD)])
def test_the_moments_are_those_of_all_pairs_of_different_classes(queries, gallery, distance):
    found = calibrate(queries, gallery, LAYOUT, distance)

    mean, spread, pairs = by_hand(queries, gallery, distance)
    assert found.mean == pytest.approx(mean, abs=1e-5)
    assert found.spread == pytest.approx(spread, rel=1e-5)
    assert found.pairs == pairs


def test_fewer_pairs_come_near_to_all():
    found = calibrate(NEW, OLD, LAYOUT, Distance.COSINE, pairs=N * N // 4)

    mean, spread, pairs = by_hand(NEW, OLD, Distance.COSINE)
    assert found.pairs < pairs / 3
    assert found.mean == pytest.approx(mean, abs=spread / 5)
    assert found.spread == pytest.approx(spread, rel=0.1)


def test_blocks_change_nothing():
    whole = calibrate(NEW, OLD, LAYOUT, Distance.COSINE)
    blocks = calibrate(NEW, OLD, LAYOUT, Distance.COSINE, block_bytes=64 * N * 7)

    assert blocks.mean == pytest.approx(whole.mean, abs=1e-12)


def test_what_cannot_be_calibrated_is_not():
    few = Layout(np.arange(20), BOTH[:20], BOTH[:20])
    assert FEWEST_PAIRS > 20 * 19

    assert calibrate(NEW[:, :4], OLD, LAYOUT, Distance.COSINE) is None
    assert calibrate(NEW[:20], OLD[:20], few, Distance.COSINE) is None
    same = np.ones((N, 8), dtype=np.float32)
    assert calibrate(same, same, LAYOUT, Distance.COSINE) is None


def test_calibrated_scores_of_unlike_scales_are_comparable():
    """The same retrieval at another scale and offset: the same calibrated scores."""
    scaled = OLD * 3

    one = calibrate(OLD, OLD, LAYOUT, Distance.INNER_PRODUCT)
    other = calibrate(scaled, scaled, LAYOUT, Distance.INNER_PRODUCT)

    raw = float(OLD[0] @ OLD[1])
    assert (9 * raw - other.mean) / other.spread == pytest.approx(
        (raw - one.mean) / one.spread, rel=1e-4
    )
