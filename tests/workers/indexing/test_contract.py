"""Every index keeps the reference's promise: an exact one to the row, an approximate one nearly.

What an approximate index may pass over is a near row; its scores, its order, its masks and its
padding are as exact as the others'.
"""

import threading

import faiss
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workers.errors import PermanentError
from workers.indexing.build import approximate
from workers.indexing.choice import Kind
from workers.indexing.conditions import comparable
from workers.indexing.faiss_flat import FaissFlat
from workers.indexing.live import Live
from workers.indexing.memory import MemoryIndex
from workers.indexing.parts import Parts
from workers.indexing.protocol import MISSING, Distance


def a_part(parts, vectors):
    part = FaissFlat(parts.dimension, parts.distance)
    part.add(vectors)
    return part


class Grown:
    """``Parts`` as an ``Index``: every row is added by itself."""

    def __init__(self, dimension, distance):
        self.parts = Parts(dimension, distance)

    def __len__(self):
        return len(self.parts)

    def add(self, vectors):
        parts = self.parts.plus(a_part(self.parts, vectors[:0]))
        for row in range(len(vectors)):
            parts = parts.plus(a_part(parts, vectors[row : row + 1]))
        self.parts = parts

    def search(self, queries, k, live=None):
        return self.parts.search(queries, k, live)

    def vectors(self):
        rows = [self.parts.vector(row) for row in range(len(self.parts))]
        return np.array(rows, dtype=np.float32).reshape(len(rows), self.parts.dimension)


class OfKind:
    """An approximate index as an ``Index``: built anew over all rows whenever some are added."""

    kind: Kind

    def __init__(self, dimension, distance):
        self.exact = FaissFlat(dimension, distance)
        self.index = self.exact

    def __len__(self):
        return len(self.index)

    def add(self, vectors):
        self.exact.add(vectors)
        if len(self.exact):
            self.index = approximate(
                self.exact, self.kind, lambda block: None, held_back=np.arange(0)
            )

    def search(self, queries, k, live=None):
        return self.index.search(queries, k, live)

    def vectors(self):
        return self.index.vectors()


class Graph(OfKind):
    kind = Kind.HNSW


class Lists(OfKind):
    kind = Kind.IVF_SQ8


EXACT = (MemoryIndex, FaissFlat, Grown)
APPROXIMATE = (Graph, Lists)
engines = pytest.mark.parametrize("engine", EXACT + APPROXIMATE)
exact_engines = pytest.mark.parametrize("engine", EXACT)
approximate_engines = pytest.mark.parametrize("engine", APPROXIMATE)
distances = pytest.mark.parametrize("distance", list(Distance))


def f32(rows, dimension=2):
    return np.asarray(rows, dtype=np.float32).reshape(-1, dimension)


def an_index(engine, rows, distance=Distance.INNER_PRODUCT):
    index = engine(rows.shape[1], distance)
    index.add(rows)
    return index


def refusal(call, *arguments):
    with pytest.raises(PermanentError) as refused:
        call(*arguments)
    return refused.value.code


@engines
def test_each_distance_scores_what_is_nearer_higher(engine):
    rows = f32([[1, 0], [0, 1], [0.6, 0.8]])
    query = f32([[1, 0]])

    cosine = an_index(engine, rows, Distance.COSINE).search(query, 3)
    inner = an_index(engine, 10 * rows, Distance.INNER_PRODUCT).search(query, 3)
    euclidean = an_index(engine, f32([[4, 0], [1, 0], [1, 2]]), Distance.EUCLIDEAN).search(query, 3)

    assert cosine[1].tolist() == inner[1].tolist() == [[0, 2, 1]]
    np.testing.assert_allclose(cosine[0], [[1, 0.6, 0]], atol=1e-6)
    np.testing.assert_allclose(inner[0], [[10, 6, 0]], atol=1e-6)
    assert euclidean[1].tolist() == [[1, 2, 0]]
    assert euclidean[0].tolist() == [[0, -2, -3]]


@settings(deadline=None, max_examples=60)
@given(data=st.data())
@pytest.mark.parametrize("engine", EXACT[1:])
@pytest.mark.parametrize("distance", [Distance.INNER_PRODUCT, Distance.EUCLIDEAN])
def test_agrees_with_the_reference_to_the_row_on_ties_masks_and_padding(engine, distance, data):
    whole = st.integers(-2, 2)  # few values: most scores tie, and float32 holds all exactly
    dimension = data.draw(st.integers(1, 3))
    row = st.lists(whole, min_size=dimension, max_size=dimension)
    rows = f32(data.draw(st.lists(row, max_size=40)), dimension)
    queries = f32(data.draw(st.lists(row, min_size=1, max_size=20)), dimension)
    live = data.draw(st.none() | st.lists(st.booleans(), min_size=len(rows), max_size=len(rows)))
    mask = None if live is None else Live(np.array(live, dtype=bool))
    k = data.draw(st.integers(1, 45))

    expected = an_index(MemoryIndex, rows, distance).search(queries, k, mask)
    found = an_index(engine, rows, distance).search(queries, k, mask)

    np.testing.assert_array_equal(found[1], expected[1])
    np.testing.assert_array_equal(found[0], expected[0])


@distances
@pytest.mark.parametrize("engine", EXACT[1:])
def test_agrees_with_the_reference_on_real_numbers(engine, distance):
    rng = np.random.default_rng(7)
    rows = comparable(rng.normal(size=(700, 33)).astype(np.float32), distance)
    queries = comparable(rng.normal(size=(40, 33)).astype(np.float32), distance)
    live = Live(rng.random(700) > 0.3)

    expected = an_index(MemoryIndex, rows, distance).search(queries, 12, live)
    found = an_index(engine, rows, distance).search(queries, 12, live)

    np.testing.assert_array_equal(found[1], expected[1])
    np.testing.assert_allclose(found[0], expected[0], rtol=1e-5, atol=1e-5)


@exact_engines
@pytest.mark.parametrize("k", [1, 3, 150])
def test_of_duplicates_the_first_rows_are_found(engine, k):
    rows = np.tile(f32([[1, 2]]), (400, 1))

    scores, found = an_index(engine, rows).search(f32([[3, 1]]), k)

    assert found[0].tolist() == list(range(k))
    assert set(scores[0].tolist()) == {5.0}


@exact_engines
@pytest.mark.parametrize("k", [20, 120])
def test_of_those_that_tie_for_the_last_places_the_first_rows_are_found(engine, k):
    """FAISS alone evicts the first of them when better rows come later."""
    rows = f32([[1, 0]] * 500 + [[2, 0]] * 10)

    found = an_index(engine, rows).search(f32([[1, 0]]), k)[1]

    assert found[0].tolist() == [*range(500, 510), *range(k - 10)]


@engines
def test_beyond_the_rows_there_are_the_answer_is_padded(engine):
    scores, rows = an_index(engine, f32([[1, 0], [2, 0]])).search(f32([[1, 0]]), 4)

    assert rows.tolist() == [[1, 0, MISSING, MISSING]]
    assert scores[0, 2:].tolist() == [-np.inf, -np.inf]


@exact_engines
def test_an_empty_index_finds_nothing(engine):
    scores, rows = an_index(engine, f32([])).search(f32([[1, 0]]), 2)

    assert rows.tolist() == [[MISSING, MISSING]]
    assert scores.tolist() == [[-np.inf, -np.inf]]


@engines
def test_hidden_rows_are_never_found_however_near(engine):
    rows = np.repeat(f32([[9, 0], [1, 0]]), 500, axis=0)
    live = Live(np.arange(1000) >= 500)
    index = an_index(engine, rows)

    assert (index.search(f32([[1, 0]]), 3, live)[1] >= 500).all()
    assert (index.search(f32([[1, 0]]), 3, Live(np.zeros(1000, dtype=bool)))[1] == MISSING).all()


@engines
@distances
def test_a_score_does_not_depend_on_what_else_was_asked(engine, distance):
    rng = np.random.default_rng(3)
    rows = comparable(rng.normal(size=(300, 24)).astype(np.float32), distance)
    queries = comparable(rng.normal(size=(50, 24)).astype(np.float32), distance)
    index = an_index(engine, rows, distance)

    together = index.search(queries, 5)
    alone = [index.search(queries[n : n + 1], 5) for n in range(len(queries))]

    np.testing.assert_array_equal(together[0], np.concatenate([s for s, _ in alone]))
    np.testing.assert_array_equal(together[1], np.concatenate([r for _, r in alone]))


@engines
@pytest.mark.parametrize("wrong", [np.nan, np.inf, -np.inf])
def test_what_is_not_finite_is_refused_as_query_and_as_row(engine, wrong):
    index = an_index(engine, f32([[1, 0]]))

    assert refusal(index.search, f32([[1, 0], [wrong, 0]]), 1) == "not_finite"
    assert refusal(index.add, f32([[0, 1], [0, wrong]])) == "not_finite"
    assert len(index) == 1


@engines
def test_numbers_whose_products_would_overflow_are_refused(engine):
    index = an_index(engine, f32([[1, 0]]))

    assert refusal(index.search, f32([[1e19, 1e19]]), 1) == "out_of_range"
    assert refusal(index.add, f32([[3.2e18, 1]])) == "out_of_range"


@engines
@distances
def test_the_longest_vectors_that_are_taken_do_not_overflow(engine, distance):
    long = comparable(f32([[3.1e18, 0], [-3.1e18, 0]]), distance)

    scores, rows = an_index(engine, long, distance).search(long[:1], 2)

    assert rows.tolist() == [[0, 1]]
    assert np.isfinite(scores).all()


@engines
@pytest.mark.parametrize(
    "wrong", [np.zeros((1, 3), "f4"), np.zeros(2, "f4"), np.zeros((1, 2), "f8")]
)
def test_another_dimension_or_type_is_refused(engine, wrong):
    index = an_index(engine, f32([[1, 0]]))

    assert refusal(index.search, wrong, 1) == "wrong_dimension"
    assert refusal(index.add, wrong) == "wrong_dimension"


@engines
def test_cosine_takes_directions_only_and_repairs_nothing(engine):
    index = an_index(engine, f32([[1, 0]]), Distance.COSINE)

    assert refusal(index.add, f32([[3, 4]])) == "not_normalised"
    assert refusal(index.search, f32([[0, 0.999]]), 1) == "not_normalised"
    assert refusal(index.add, f32([[0, 0]])) == "not_normalised"
    index.add(f32([[0.6, 0.8]]))


@engines
def test_a_number_of_neighbours_below_one_or_a_mask_of_another_length_is_refused(engine):
    index = an_index(engine, f32([[1, 0], [0, 1]]))

    assert refusal(index.search, f32([[1, 0]]), 0) == "invalid_k"
    for rows in (1, 3):
        assert refusal(index.search, f32([[1, 0]]), 1, Live(np.ones(rows, bool))) == "wrong_mask"
    assert refusal(Live, np.ones(2, np.uint8)) == "wrong_mask"
    assert refusal(Live, np.ones((1, 2), bool)) == "wrong_mask"


@engines
def test_rows_come_back_as_they_were_added(engine):
    rows = np.random.default_rng(0).normal(size=(23, 5)).astype(np.float32)

    np.testing.assert_array_equal(an_index(engine, rows).vectors(), rows)


def clustered(rows, dimension=24, *, seed=0):
    """Return rows around 100 centres, as encoders make them."""
    rng = np.random.default_rng(seed)
    centres = np.random.default_rng(99).normal(size=(100, dimension))
    near = centres[rng.integers(0, 100, rows)] + 0.5 * rng.normal(size=(rows, dimension))
    return near.astype(np.float32)


def recall(found, exact):
    return np.mean([len({*a} & {*b}) / len({*b}) for a, b in zip(found[1], exact[1], strict=True)])


@approximate_engines
@distances
@pytest.mark.parametrize("hidden", [0, 0.3, 0.8, 0.95])
def test_an_approximate_index_finds_nearly_what_is_nearest_however_many_rows_are_hidden(
    engine, distance, hidden
):
    rows = comparable(clustered(6000), distance)
    queries = comparable(clustered(40, seed=1), distance)
    live = Live(np.random.default_rng(2).random(6000) >= hidden) if hidden else None

    exact = an_index(FaissFlat, rows, distance).search(queries, 10, live)
    found = an_index(engine, rows, distance).search(queries, 10, live)

    assert recall(found, exact) >= 0.95
    assert live is None or live.rows[found[1]].all()


@approximate_engines
def test_of_many_neighbours_an_approximate_index_finds_nearly_all_too(engine):
    rows, queries = clustered(6000), clustered(10, seed=1)

    exact = an_index(FaissFlat, rows).search(queries, 1000)
    found = an_index(engine, rows).search(queries, 1000)

    assert recall(found, exact) >= 0.9


@approximate_engines
@distances
def test_the_scores_of_an_approximate_index_are_those_of_a_flat_one_to_the_bit(engine, distance):
    """Scores of several segments are merged, whatever the kinds of their indexes."""
    rows = comparable(clustered(3000), distance)
    queries = comparable(clustered(25, seed=1), distance)
    flat, index = an_index(FaissFlat, rows, distance), an_index(engine, rows, distance)

    scores, found = index.search(queries, 10)

    for query, score, row in zip(queries, scores, found, strict=True):
        all_scores, all_rows = flat.search(query[None], 3000)
        assert score.tolist() == all_scores[0][np.argsort(all_rows[0])][row].tolist()
        assert score.tolist() == sorted(score, reverse=True)
        assert len({*row.tolist()}) == 10


@approximate_engines
def test_an_approximate_index_that_finds_too_few_compares_every_row(engine):
    """As many live rows as are asked for are found whenever there are so many."""
    near, far = f32([[100, 0]] * 3000), clustered(400, 2)
    index = an_index(engine, np.concatenate([near, far]))
    live = Live(np.arange(3400) >= 3000)

    found = index.search(f32([[1, 0]]), 399, live)[1][0]

    assert len({*found.tolist()}) == 399
    assert min(found) >= 3000


@approximate_engines
def test_of_duplicates_an_approximate_index_returns_each_once(engine):
    scores, found = an_index(engine, np.tile(f32([[1, 2]]), (400, 1))).search(f32([[3, 1]]), 150)

    assert len({*found[0].tolist()}) == 150
    assert set(scores[0].tolist()) == {5.0}


def test_the_direction_of_a_vector_is_what_cosine_compares_and_zero_has_none():
    directions = comparable(f32([[3, 4], [-2, 0]]), Distance.COSINE)

    np.testing.assert_allclose(directions, [[0.6, 0.8], [-1, 0]], atol=1e-7)
    untouched = f32([[3, 4], [0, 0]])
    assert comparable(untouched, Distance.EUCLIDEAN) is untouched
    assert refusal(comparable, untouched, Distance.COSINE) == "zero_vector"


def test_what_is_searched_is_not_changed_by_what_is_added():
    empty = Parts(2, Distance.INNER_PRODUCT)
    before = empty.plus(a_part(empty, f32([[1, 0]])))

    after = before.plus(a_part(before, f32([[2, 0]])))

    assert (len(before), len(after)) == (1, 2)
    assert before.search(f32([[1, 0]]), 2)[1].tolist() == [[0, MISSING]]


def test_rows_that_come_one_by_one_end_up_in_few_parts():
    index = Parts(2, Distance.INNER_PRODUCT)
    for row in range(300):
        index = index.plus(a_part(index, f32([[row, 0]])))

    assert len(index.parts) <= np.log2(300) + 1
    assert index.vector(123).tolist() == [123, 0]


def test_a_search_uses_one_thread_whichever_thread_runs_it():
    index = an_index(FaissFlat, f32([[1, 0]]))
    threads = []

    def search():
        faiss.omp_set_num_threads(2)
        index.search(f32([[1, 0]]), 1)
        threads.append(faiss.omp_get_max_threads())

    thread = threading.Thread(target=search)
    thread.start()
    thread.join()

    assert threads == [1]
