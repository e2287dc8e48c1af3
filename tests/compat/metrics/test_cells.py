"""Cells of two encoders, their paired differences, and what is undefined."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from compat.errors import ShapeError, UndefinedMeasureError
from compat.measurement import Direction
from compat.metrics.cells import (
    CELLS,
    DIMENSIONS_DIFFER,
    MEASURES,
    PRODUCER_CELLS,
    Layout,
    compatibility_tax,
    contributions,
    measure_cells,
    strict_shares,
    summarise_cells,
    update_gain,
)
from compat.metrics.distances import Distance


def a_layout(n=120, classes=4, seed=0):
    rng = np.random.default_rng(seed)
    roles = rng.integers(3, size=n)  # query, gallery, both
    return Layout(rng.integers(classes, size=n), roles != 1, roles != 0)


def an_encoder(layout, noise=1.0, seed=1, d=6):
    centres = np.random.default_rng(99).normal(size=(layout.labels.max() + 1, 32))[:, :d]
    rng = np.random.default_rng(seed)
    return (centres[layout.labels] + noise * rng.normal(size=(len(layout.labels), d))).astype("f4")


def measured(versions, layout, rows=None, clusters=None):
    cells = measure_cells(versions, layout, Distance.COSINE)
    queries = int(layout.is_query.sum())
    rows = np.ones(queries, bool) if rows is None else rows
    found = summarise_cells(contributions(cells, queries), rows, clusters)
    return {m.name: m for m in found}


def average_precision_oracle(queries, gallery, layout, query):
    """AP of one query by cosine, from the definition, without ties."""

    def cosine(a, b):
        return float(a @ b / np.linalg.norm(a) / np.linalg.norm(b))

    met = [g for g in np.flatnonzero(layout.is_gallery) if g != query]
    met.sort(key=lambda g: -cosine(queries[query].astype(float), gallery[g].astype(float)))
    hits = [layout.labels[g] == layout.labels[query] for g in met]
    precisions = [sum(hits[: i + 1]) / (i + 1) for i, is_hit in enumerate(hits) if is_hit]
    return sum(precisions) / len(precisions) if precisions else math.nan


def test_each_cell_searches_its_own_gallery_with_its_own_queries():
    layout = a_layout()
    versions = {
        "old": an_encoder(layout, 1.5, seed=1),
        "new": an_encoder(layout, 1.0, seed=2),
        "producer": an_encoder(layout, 2.0, seed=3),
    }

    cells = measure_cells(versions, layout, Distance.COSINE)

    assert set(cells) == set(CELLS + PRODUCER_CELLS)
    for name, cell in cells.items():
        query, gallery = (versions[v] for v in name.split("_"))
        wanted = [
            average_precision_oracle(query, gallery, layout, q)
            for q in np.flatnonzero(layout.is_query)
        ]
        assert cell["map"] == pytest.approx(wanted, nan_ok=True), name


def test_the_named_measurements_are_exactly_these():
    layout = a_layout()
    versions = dict.fromkeys(("old", "new", "producer"), an_encoder(layout))

    wanted = {f"{m}.{c}" for m in MEASURES for c in CELLS + PRODUCER_CELLS}
    for m in MEASURES:
        wanted |= {
            f"{m}.new_old_minus_old_old",
            f"{m}.old_new_minus_old_old",
            f"{m}.new_new_minus_old_old",
            f"{m}.new_new_minus_old_new",
            f"{m}.new_producer_minus_old_producer",
            f"{m}.new_producer_minus_producer_producer",
        }
    wanted |= {"map.new_new_minus_chance", "retrieval_nfr", "retrieval_pfr"}
    assert set(measured(versions, layout)) == wanted


def test_a_difference_is_the_difference_of_its_cells():
    layout = a_layout()
    found = measured({"old": an_encoder(layout, 1.5, 1), "new": an_encoder(layout, 1.0, 2)}, layout)

    for name, difference in found.items():
        measure, _, pair = name.partition(".")
        if "_minus_" in pair and not pair.endswith("chance"):
            first, second = pair.split("_minus_")
            apart = found[f"{measure}.{first}"].value - found[f"{measure}.{second}"].value
            assert difference.value == pytest.approx(apart)


def test_unequal_dimensions_leave_the_cross_cells_undefined_with_that_reason():
    layout = a_layout()

    found = measured({"old": an_encoder(layout, d=6), "new": an_encoder(layout, d=8)}, layout)

    crossing = {n for n, m in found.items() if m.undefined == DIMENSIONS_DIFFER}
    assert crossing == {
        n for n in found if "new_old" in n or "old_new" in n or n.startswith("retrieval_")
    }
    for name in ("map.old_old", "map.new_new", "map.new_new_minus_old_old"):
        assert found[name].value is not None


@settings(deadline=None, max_examples=20)
@given(st.integers(0, 1000))
def test_a_version_against_itself_has_equal_cells_and_no_flip(seed):
    layout = a_layout(n=40, seed=seed)
    encoder = an_encoder(layout, seed=seed)

    found = measured({"old": encoder, "new": encoder.copy()}, layout)

    for name, measurement in found.items():
        if "_minus_" in name and not name.endswith("chance"):
            assert measurement.value == 0, name
    assert found["retrieval_nfr"].count == found["retrieval_pfr"].count == 0


def test_retrieval_flips_are_counted_on_the_old_gallery():
    layout = a_layout()
    versions = {"old": an_encoder(layout, 2.0, 1), "new": an_encoder(layout, 0.8, 2)}

    cells = measure_cells(versions, layout, Distance.COSINE)
    found = measured(versions, layout)

    old, new = (cells[c]["hit_rate_at_1"] for c in ("old_old", "new_old"))
    assert found["retrieval_nfr"].count == ((old == 1) & (new == 0)).sum() > 0
    assert found["retrieval_pfr"].count == ((old == 0) & (new == 1)).sum() > 0
    assert found["retrieval_pfr"].count > found["retrieval_nfr"].count
    assert found["retrieval_nfr"].direction is Direction.LOWER_IS_BETTER
    assert found["retrieval_pfr"].direction is Direction.HIGHER_IS_BETTER


def test_queries_of_an_absent_class_leave_every_support():
    layout = a_layout()
    gone = layout.is_gallery & (layout.labels != 2)
    layout = Layout(layout.labels, layout.is_query, gone)
    answered = int((layout.is_query & (layout.labels != 2)).sum())

    found = measured({"old": an_encoder(layout, 1.5, 1), "new": an_encoder(layout, 1, 2)}, layout)

    assert {m.support for m in found.values()} == {answered}


def test_a_slice_restricts_the_queries_and_not_the_gallery():
    layout = a_layout()
    encoder = an_encoder(layout)
    asked = np.flatnonzero(layout.is_query)
    chosen = layout.labels[asked] == 1

    found = measured({"old": encoder, "new": encoder}, layout, rows=chosen)

    cell = measure_cells({"old": encoder, "new": encoder}, layout, Distance.COSINE)["old_old"]
    assert found["map.old_old"].value == pytest.approx(cell["map"][chosen].mean())
    assert found["map.old_old"].support == chosen.sum()


def test_an_encoder_that_ignores_its_input_is_not_above_chance():
    layout = a_layout()
    constant = np.ones((120, 4), np.float32)

    found = measured({"old": an_encoder(layout), "new": constant}, layout)

    assert found["map.new_new_minus_chance"].value <= 0
    assert found["map.old_old"].value > found["map.new_new"].value


def test_a_turned_space_is_as_good_in_its_own_test_and_useless_in_the_cross_test():
    layout = a_layout(n=300)
    old = an_encoder(layout, 0.7, d=16)
    turn = np.linalg.qr(np.random.default_rng(4).normal(size=(16, 16)))[0]

    found = measured({"old": old, "new": (old @ turn).astype(np.float32)}, layout)

    assert found["map.new_new"].value == pytest.approx(found["map.old_old"].value, abs=1e-3)
    assert found["map.old_old"].value > 0.9
    assert found["map.new_old"].value < 0.5
    assert found["map.new_old_minus_old_old"].interval(0.995)[1] < -0.3


def test_the_better_encoder_wins_with_its_bound():
    layout = a_layout(n=400)
    centred = {"old": an_encoder(layout, 2.0, 1), "new": an_encoder(layout, 0.5, 2)}

    better = measured(centred, layout)["map.new_old_minus_old_old"]
    worse = measured({"old": centred["new"], "new": centred["old"]}, layout)[
        "map.new_old_minus_old_old"
    ]

    assert better.interval(0.95)[0] > 0
    assert worse.interval(0.95)[1] < 0


def test_identities_widen_the_bounds():
    layout = a_layout(n=200)
    versions = {"old": an_encoder(layout, 1.5, 1), "new": an_encoder(layout, 1.0, 2)}
    queries = int(layout.is_query.sum())
    asked_labels = layout.labels[layout.is_query]
    by_label = np.argsort(np.argsort(asked_labels, kind="stable")) // 10

    alone = measured(versions, layout)["map.old_old"]
    grouped = measured(versions, layout, clusters=by_label)["map.old_old"]

    assert (alone.clusters, grouped.clusters) == (queries, len(np.unique(by_label)))
    assert np.diff(grouped.interval(0.95)) > np.diff(alone.interval(0.95))


@pytest.mark.parametrize("kind", Distance)
def test_strict_shares_agree_with_counting_pairs(kind):
    layout = a_layout(n=30)
    old, new = an_encoder(layout, 1.5, 1), an_encoder(layout, 1.0, 2)

    def far(a, b):
        a, b = a.astype(float), b.astype(float)
        if kind is Distance.EUCLIDEAN:
            return np.linalg.norm(a - b)
        dot = -(a @ b)
        return (
            dot if kind is Distance.INNER_PRODUCT else dot / np.linalg.norm(a) / np.linalg.norm(b)
        )

    found = strict_shares(old, new, layout, kind, block_bytes=4000)

    for at, query in enumerate(np.flatnonzero(layout.is_query)):
        kept = {True: [], False: []}
        for g in np.flatnonzero(layout.is_gallery):
            if g != query:
                before, after = far(old[query], old[g]), far(new[query], old[g])
                same = bool(layout.labels[g] == layout.labels[query])
                kept[same].append(after <= before if same else after >= before)
        for share, pairs in zip(found, (kept[True], kept[False]), strict=True):
            wanted = np.mean(pairs) if pairs else math.nan
            assert share.values[at] == pytest.approx(wanted, nan_ok=True)


def test_strict_shares_of_unequal_dimensions_are_undefined():
    layout = a_layout(n=30)

    found = strict_shares(an_encoder(layout, d=4), an_encoder(layout, d=6), layout, Distance.COSINE)

    assert [(c.mean, c.reason) for c in found] == [(None, DIMENSIONS_DIFFER)] * 2


def test_gain_and_tax_have_their_published_readings():
    assert update_gain(0.4224, 0.3948, 0.6632) == pytest.approx(0.1028, abs=1e-4)
    assert update_gain(0.6632, 0.3948, 0.6632) == 1
    assert compatibility_tax(0.6632, 0.5556) == pytest.approx(0.1076)


@pytest.mark.parametrize("paragon", [0.4, 0.3, math.nan])
def test_gain_over_a_paragon_that_gains_nothing_is_undefined(paragon):
    with pytest.raises(UndefinedMeasureError):
        update_gain(0.5, 0.4, paragon)


def test_layouts_and_embeddings_that_do_not_fit_are_refused():
    layout = a_layout(n=5)

    with pytest.raises(ShapeError):
        Layout(layout.labels, layout.is_query[:4], layout.is_gallery)
    with pytest.raises(ShapeError):
        Layout(layout.labels, layout.is_query.astype(int), layout.is_gallery)
    with pytest.raises(ShapeError):
        measure_cells(dict.fromkeys(("old", "new"), np.zeros((4, 2))), layout, Distance.COSINE)
