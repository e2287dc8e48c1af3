"""Every engine keeps the reference's promise, whatever it is made of."""

import json
import subprocess
import sys
import threading

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from compat.metadata import LONGEST_VALUE
from tests.builders.engines import (
    DURABLE,
    ROOT,
    SHARED,
    SPACE,
    Kind,
    collection,
    counted,
    f32,
    ids,
)
from workers.engines.engine import Engine
from workers.engines.memory import MemoryAdapter
from workers.errors import PermanentError
from workers.indexing.conditions import comparable
from workers.indexing.faiss_flat import FaissFlat
from workers.indexing.protocol import MISSING, Distance

distances = pytest.mark.parametrize("distance", list(Distance))


def refusal(call, *arguments, **named):
    with pytest.raises(PermanentError) as refused:
        call(*arguments, **named)
    return refused.value.code


def filled(engine, name, vectors, metadata=None, *, distance=Distance.INNER_PRODUCT, first=0):
    engine.create(collection(name, vectors.shape[1], distance))
    rows = np.arange(first, first + len(vectors), dtype=np.int64)
    engine.upsert(name, rows, vectors, space=SPACE, metadata=metadata)


def found(engine, name, query, k, **asked):
    """Return the rows that are found for one query, without padding."""
    query = f32(query, len(query))
    scores, rows = engine.search(name, query, k, space=SPACE, **asked)
    assert (scores[rows == MISSING] == -np.inf).all()
    return rows[rows != MISSING].tolist()


class TestCollections:
    def test_a_new_one_is_empty_and_known_by_name(self, engine, name):
        engine.create(collection(name))

        assert engine.find(name) == collection(name)
        assert name in engine.names()
        assert engine.count(name) == 0
        assert found(engine, name, [1, 0], 3) == []

    def test_made_twice_the_same_way_it_keeps_its_rows(self, engine, name):
        filled(engine, name, f32([[1, 0]]))

        engine.create(collection(name))

        assert engine.count(name) == 1

    @pytest.mark.parametrize(
        "other", [{"dimension": 3}, {"distance": Distance.EUCLIDEAN}, {"space": "b" * 64}]
    )
    def test_made_again_in_another_way_it_is_refused_and_stays(self, engine, name, other):
        filled(engine, name, f32([[1, 0]]))

        assert refusal(engine.create, collection(name, **other)) == "collection_differs"
        assert engine.find(name) == collection(name)
        assert engine.count(name) == 1

    def test_dropped_it_is_gone_and_a_new_one_of_that_name_is_empty(self, engine, name):
        filled(engine, name, f32([[1, 0]]))

        engine.drop(name)
        engine.drop(name)

        assert engine.find(name) is None
        assert name not in engine.names()
        assert refusal(engine.count, name) == "unknown_collection"
        engine.create(collection(name, 3, Distance.EUCLIDEAN, "b" * 64))
        assert engine.count(name) == 0

    def test_what_is_not_there_is_refused_by_every_call(self, engine, name):
        rows, vectors = counted(0, 1)
        calls = [
            lambda: engine.upsert(name, rows, vectors, space=SPACE),
            lambda: engine.search(name, vectors, 1, space=SPACE),
            lambda: engine.delete(name, rows),
            lambda: engine.fetch(name, rows),
            lambda: engine.missing(name, rows),
            lambda: engine.arrange(name),
        ]

        assert [refusal(call) for call in calls] == ["unknown_collection"] * len(calls)

    @pytest.mark.parametrize("wrong", ["", "G1", "g1_s2", "a b", "a--b", "a'b", "é", "a" * 49])
    def test_a_name_that_some_engine_could_not_keep_is_refused(self, engine, wrong):
        assert refusal(engine.create, collection(wrong)) == "invalid_collection"

    @pytest.mark.parametrize("wrong", [{"dimension": 0}, {"dimension": 16_001}, {"space": ""}])
    def test_no_dimension_or_no_space_is_refused(self, engine, name, wrong):
        assert refusal(engine.create, collection(name, **wrong)) == "invalid_collection"
        assert engine.find(name) is None

    def test_one_does_not_see_the_rows_of_another(self, engine, name):
        other = f"{name}-b"
        filled(engine, name, f32([[1, 0]]))
        filled(engine, other, f32([[9, 9, 9]], 3), first=7)

        assert found(engine, name, [1, 0], 5) == [0]
        assert found(engine, other, [1, 0, 0], 5) == [7]
        engine.drop(other)
        assert engine.count(name) == 1


class TestWriting:
    def test_rows_come_back_to_the_bit_in_the_order_asked(self, engine, name):
        vectors = np.random.default_rng(0).normal(size=(9, 5)).astype(np.float32)
        vectors[0] = [1e-30, -0.1, 3.4e15, 1 / 3, np.float32(1e-45)]
        filled(engine, name, vectors)

        rows = ids(3, 0, 8)
        np.testing.assert_array_equal(engine.fetch(name, rows), vectors[rows])
        assert refusal(engine.fetch, name, ids(3, 9)) == "unknown_row"

    def test_the_same_twice_is_there_once(self, engine, name):
        vectors, metadata = f32([[1, 0], [0, 1]]), [{"a": 1}, {"a": 2}]
        filled(engine, name, vectors, metadata)
        engine.upsert(name, ids(0, 1), vectors, space=SPACE, metadata=metadata)

        assert engine.count(name) == 2
        assert found(engine, name, [1, 0], 5) == [0, 1]
        assert found(engine, name, [1, 0], 5, where={"a": 2}) == [1]

    def test_a_row_put_in_again_is_replaced_with_its_metadata(self, engine, name):
        filled(engine, name, f32([[1, 0], [2, 0]]), [{"a": 1}, {"a": 1}])

        engine.upsert(name, ids(1, 2), f32([[9, 0], [3, 0]]), space=SPACE, metadata=[{"b": 1}, {}])

        assert engine.count(name) == 3
        assert found(engine, name, [1, 0], 5) == [1, 2, 0]
        assert found(engine, name, [1, 0], 5, where={"a": 1}) == [0]
        assert found(engine, name, [1, 0], 5, where={"b": 1}) == [1]

    def test_without_metadata_a_row_that_had_some_has_none(self, engine, name):
        filled(engine, name, f32([[1, 0]]), [{"a": 1}])
        filled(engine, name, f32([[1, 0]]))

        assert found(engine, name, [1, 0], 5, where={"a": 1}) == []

    def test_what_is_deleted_is_not_found_and_twice_does_no_harm(self, engine, name):
        filled(engine, name, f32([[1, 0], [2, 0], [3, 0]]))

        engine.delete(name, ids(1, 77))
        engine.delete(name, ids(1))

        assert engine.count(name) == 2
        assert found(engine, name, [1, 0], 5) == [2, 0]
        assert refusal(engine.fetch, name, ids(1)) == "unknown_row"
        engine.upsert(name, ids(1), f32([[9, 0]]), space=SPACE)
        assert found(engine, name, [1, 0], 5) == [1, 2, 0]

    def test_which_rows_are_missing_is_known(self, engine, name):
        filled(engine, name, f32([[1, 0], [2, 0]]), first=4)

        assert engine.missing(name, ids(9, 5, 3, 4)).tolist() == [3, 9]
        assert engine.missing(name, ids()).tolist() == []

    def test_large_row_numbers_are_kept(self, engine, name):
        large = 7 * 2**32 + 5
        filled(engine, name, f32([[1, 0]]), first=large)

        assert found(engine, name, [1, 0], 1) == [large]
        assert engine.fetch(name, ids(large)).tolist() == [[1, 0]]

    @pytest.mark.parametrize("wrong", [ids(0, 0), ids(-1, 2), ids(1), np.array([0, 1], np.int32)])
    def test_wrong_rows_are_refused_and_nothing_is_written(self, engine, name, wrong):
        filled(engine, name, f32([]))

        two = f32([[1, 0], [0, 1]])
        assert refusal(engine.upsert, name, wrong, two, space=SPACE) == "invalid_rows"
        assert engine.count(name) == 0


class TestSpaces:
    def test_vectors_of_another_space_are_refused_to_write_and_to_search(self, engine, name):
        filled(engine, name, f32([[1, 0]]))
        rows, vectors = counted(1, 1)

        assert refusal(engine.upsert, name, rows, vectors, space="b" * 64) == "unknown_space"
        assert refusal(engine.search, name, vectors, 1, space="b" * 64) == "unknown_space"
        assert refusal(engine.search, name, vectors, 1, space="") == "unknown_space"
        assert engine.count(name) == 1

    @pytest.mark.parametrize("wrong", [np.nan, np.inf, -np.inf])
    def test_what_is_not_finite_is_refused(self, engine, name, wrong):
        filled(engine, name, f32([[1, 0]]))

        bad = f32([[1, 0], [wrong, 0]])
        assert refusal(engine.upsert, name, ids(1, 2), bad, space=SPACE) == "not_finite"
        assert refusal(engine.search, name, bad, 1, space=SPACE) == "not_finite"
        assert engine.count(name) == 1

    @pytest.mark.parametrize(
        "wrong", [np.zeros((1, 3), "f4"), np.zeros(2, "f4"), np.zeros((1, 2), "f8")]
    )
    def test_another_dimension_or_type_is_refused(self, engine, name, wrong):
        filled(engine, name, f32([[1, 0]]))

        assert refusal(engine.upsert, name, ids(1), wrong, space=SPACE) == "wrong_dimension"
        assert refusal(engine.search, name, wrong, 1, space=SPACE) == "wrong_dimension"
        assert engine.count(name) == 1

    def test_cosine_takes_directions_only(self, engine, name):
        filled(engine, name, f32([[1, 0]]), distance=Distance.COSINE)

        for wrong in ([[3, 4]], [[0, 0]]):
            bad = f32(wrong)
            assert refusal(engine.upsert, name, ids(1), bad, space=SPACE) == "not_normalised"
            assert refusal(engine.search, name, bad, 1, space=SPACE) == "not_normalised"

    def test_numbers_whose_products_would_overflow_are_refused(self, engine, name):
        filled(engine, name, f32([[1, 0]]))

        long = f32([[1e19, 1e19]])
        assert refusal(engine.upsert, name, ids(1), long, space=SPACE) == "out_of_range"
        assert refusal(engine.search, name, long, 1, space=SPACE) == "out_of_range"


class TestSearch:
    @pytest.mark.parametrize(
        ("distance", "rows", "order", "scores"),
        [
            (Distance.COSINE, [[1, 0], [0, 1], [0.6, 0.8]], [0, 2, 1], [1, 0.6, 0]),
            (Distance.INNER_PRODUCT, [[10, 0], [0, 10], [6, 8]], [0, 2, 1], [10, 6, 0]),
            (Distance.EUCLIDEAN, [[4, 0], [1, 0], [1, 2]], [1, 2, 0], [0, -2, -3]),
        ],
    )
    def test_each_distance_scores_what_is_nearer_higher(
        self, engine, name, distance, rows, order, scores
    ):
        filled(engine, name, f32(rows), distance=distance)

        near, nearest = engine.search(name, f32([[1, 0]]), 3, space=SPACE)

        assert nearest.tolist() == [order]
        np.testing.assert_allclose(near, [scores], atol=1e-6)

    @distances
    def test_scores_are_those_of_a_flat_index_to_the_bit(self, engine, name, distance):
        rng = np.random.default_rng(7)
        vectors = comparable(rng.normal(size=(300, 24)).astype(np.float32), distance)
        queries = comparable(rng.normal(size=(5, 24)).astype(np.float32), distance)
        filled(engine, name, vectors, distance=distance)
        flat = FaissFlat(24, distance)
        flat.add(vectors)

        scores, rows = engine.search(name, queries, 10, space=SPACE)

        for query, score, row in zip(queries, scores, rows, strict=True):
            all_scores, all_rows = flat.search(query[None], 300)
            assert row.tolist() == all_rows[0, :10].tolist()
            assert score.tolist() == all_scores[0, :10].tolist()

    def test_equal_scores_are_ordered_by_row_and_the_first_are_found(self, engine, name):
        filled(engine, name, np.tile(f32([[1, 2]]), (40, 1)))

        assert found(engine, name, [3, 1], 7) == list(range(7))
        assert found(engine, name, [3, 1], 50) == list(range(40))

    def test_beyond_the_rows_there_are_the_answer_is_padded(self, engine, name):
        filled(engine, name, f32([[1, 0], [2, 0]]))

        scores, rows = engine.search(name, f32([[1, 0], [-1, 0]]), 4, space=SPACE)

        pad = [MISSING, MISSING]
        assert rows.tolist() == [[1, 0, *pad], [0, 1, *pad]]
        assert scores[:, 2:].tolist() == [[-np.inf] * 2] * 2

    def test_no_query_and_no_neighbour(self, engine, name):
        filled(engine, name, f32([[1, 0]]))

        assert engine.search(name, f32([]), 3, space=SPACE)[1].shape == (0, 3)
        assert refusal(engine.search, name, f32([[1, 0]]), 0, space=SPACE) == "invalid_k"

    def test_only_rows_that_are_allowed_are_found_however_near_others_are(self, engine, name):
        filled(engine, name, np.repeat(f32([[9, 0], [1, 0]]), 200, axis=0))

        far = np.arange(200, 400, dtype=np.int64)
        assert found(engine, name, [1, 0], 3, allowed=far) == [200, 201, 202]
        assert found(engine, name, [1, 0], 3, allowed=ids(0, 399, 12345)) == [0, 399]
        assert found(engine, name, [1, 0], 3, allowed=ids()) == []
        assert found(engine, name, [1, 0], 2, allowed=ids(5, 6, 7)) == [5, 6]
        assert found(engine, name, [1, 0], 2, allowed=ids(5, 399), exact=True) == [5, 399]
        query = f32([[1, 0]])
        for wrong in (ids(2, 1), ids(1, 1)):
            assert (
                refusal(engine.search, name, query, 1, space=SPACE, allowed=wrong) == "invalid_rows"
            )

    def test_arranged_it_finds_the_same_and_takes_more_rows(self, engine, name):
        filled(engine, name, f32([[1, 0], [2, 0]]))

        assert engine.arrange(name)
        assert engine.arrange(name)
        assert engine.arrange(name, approximate=False) == "flat"
        filled(engine, name, f32([[3, 0]]), first=2)

        assert found(engine, name, [1, 0], 5) == [2, 1, 0]
        assert engine.count(name) == 3


METADATA = [
    {"colour": "red", "size": 1, "new": True},
    {"colour": "red", "size": 2, "new": False},
    {"colour": "blue", "size": 1},
    {},
    {"colour": "1", "size": 0, "new": True},
]


class TestFilters:
    @pytest.mark.parametrize(
        ("where", "rows"),
        [
            ({}, [4, 3, 2, 1, 0]),
            ({"colour": "red"}, [1, 0]),
            ({"size": 1}, [2, 0]),
            ({"size": 1, "colour": "red"}, [0]),
            ({"new": True}, [4, 0]),
            ({"new": False}, [1]),
            ({"new": 1}, []),
            ({"size": True}, []),
            ({"colour": 1}, []),
            ({"size": "1"}, []),
            ({"shape": "round"}, []),
            ({"colour": "RED"}, []),
        ],
    )
    def test_a_filter_is_equality_of_value_and_type(self, engine, name, where, rows):
        filled(engine, name, f32([[n, 0] for n in range(5)]), METADATA)

        assert found(engine, name, [1, 0], 5, where=where) == rows
        assert found(engine, name, [1, 0], 1, where=where) == rows[:1]

    @pytest.mark.parametrize(
        "value",
        ["", " ", "it's", 'a "b"', "\\", "\\u0041", "%", "{}", "NULL", "é", "日本", "😀", "\n\t"]
        + ["x" * LONGEST_VALUE, -1, 2**53, -(2**53)],
    )
    def test_any_text_and_any_number_can_be_asked_for(self, engine, name, value):
        filled(engine, name, f32([[1, 0], [2, 0]]), [{"k": value}, {"k": "other"}])

        assert found(engine, name, [1, 0], 5, where={"k": value}) == [0]

    def test_a_filter_and_allowed_rows_hold_together(self, engine, name):
        metadata = [{"even": n % 2 == 0} for n in range(60)]
        filled(engine, name, f32([[n, 0] for n in range(60)]), metadata)

        low = np.arange(7, dtype=np.int64)
        assert found(engine, name, [1, 0], 9, where={"even": True}, allowed=low) == [6, 4, 2, 0]
        assert found(engine, name, [1, 0], 2, where={"even": False}, allowed=low) == [5, 3]

    @pytest.mark.parametrize(
        "wrong",
        [
            {"k": None},
            {"k": 1.5},
            {"k": [1]},
            {"k": {"a": 1}},
            {"k": 2**53 + 1},
            {"k": "x" * (LONGEST_VALUE + 1)},
            {"k": "a\0b"},
            {"k": "\ud800"},
            {"": 1},
            {"a.b": 1},
            {"a b": 1},
            {"a'": 1},
            {"é": 1},
            {"1a": 1},
            {"a" * 65: 1},
            {f"k{n}": n for n in range(33)},
        ],
        ids=range(16),
    )
    def test_what_engines_would_compare_differently_is_refused(self, engine, name, wrong):
        filled(engine, name, f32([[1, 0]]))
        rows, vectors = counted(5, 1)

        asked = {"space": SPACE, "metadata": [wrong]}
        assert refusal(engine.upsert, name, rows, vectors, **asked) == "invalid_metadata"
        assert (
            refusal(engine.search, name, vectors, 1, space=SPACE, where=wrong) == "invalid_filter"
        )
        assert engine.count(name) == 1

    def test_as_many_metadata_as_rows(self, engine, name):
        filled(engine, name, f32([]))
        rows, vectors = counted(0, 2)

        asked = {"space": SPACE, "metadata": [{}]}
        assert refusal(engine.upsert, name, rows, vectors, **asked) == "invalid_metadata"


small = st.integers(-2, 2)
metadata = st.fixed_dictionaries({}, optional={"a": st.sampled_from([0, 1, True, "1"])})
acts = st.lists(
    st.one_of(
        st.tuples(
            st.just("upsert"),
            st.lists(
                st.tuples(st.integers(0, 9), small, small, metadata),
                max_size=4,
                unique_by=lambda row: row[0],
            ),
        ),
        st.tuples(st.just("delete"), st.lists(st.integers(0, 9), max_size=3, unique=True)),
        st.just(("arrange", [])),
    ),
    max_size=6,
)


def do(engine, name, act, argument):
    if act == "upsert":
        rows = ids(*(row for row, *_ in argument))
        vectors = f32([[x, y] for _, x, y, _ in argument])
        engine.upsert(name, rows, vectors, space=SPACE, metadata=[m for *_, m in argument])
    elif act == "delete":
        engine.delete(name, ids(*argument))
    else:
        engine.arrange(name)


@settings(
    deadline=None, max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data())
def test_after_any_history_it_agrees_with_the_reference(engine, name, data):
    """Coordinates are small whole numbers: most scores tie, and float32 holds all exactly."""
    distance = data.draw(st.sampled_from([Distance.INNER_PRODUCT, Distance.EUCLIDEAN]))
    engine.drop(name)
    reference = Engine(MemoryAdapter())
    for each in (engine, reference):
        each.create(collection(name, 2, distance))
    for act, argument in data.draw(acts):
        do(engine, name, act, argument)
        do(reference, name, act, argument)
    query = f32([[data.draw(small), data.draw(small)]])
    allowed = data.draw(st.none() | st.sets(st.integers(0, 9)))
    asked = {
        "space": SPACE,
        "where": data.draw(st.none() | metadata),
        "allowed": None if allowed is None else ids(*sorted(allowed)),
    }
    k = data.draw(st.integers(1, 12))

    expected, got = (each.search(name, query, k, **asked) for each in (reference, engine))

    np.testing.assert_array_equal(got[1], expected[1])
    np.testing.assert_array_equal(got[0], expected[0])
    assert engine.count(name) == reference.count(name)


class TestSideBySide:
    def test_threads_that_write_the_same_rows_leave_each_row_once(self, engine, name):
        filled(engine, name, f32([]))
        start, failures = threading.Barrier(3), []

        def write(mark, order):
            rows, vectors = (values[::order] for values in counted(0, 200))
            try:
                start.wait(10)
                for _ in range(5):  # in opposite orders: who locks row by row would lock up
                    metadata = [{"by": mark}] * len(rows)
                    engine.upsert(name, rows, vectors, space=SPACE, metadata=metadata)
            except Exception as exc:
                failures.append(exc)
            finally:
                engine.close_thread()

        threads = [
            threading.Thread(target=write, args=("up", 1)),
            threading.Thread(target=write, args=("down", -1)),
        ]
        for thread in threads:
            thread.start()
        start.wait(10)
        for thread in threads:
            thread.join()

        assert failures == []
        self.assert_whole(engine, name, 200)
        writers = [found(engine, name, [1, 0], 200, where={"by": by}) for by in ("up", "down")]
        assert sorted(sum(writers, [])) == list(range(200))

    @pytest.mark.engines(SHARED)
    def test_processes_that_write_the_same_rows_leave_each_row_once(self, kind, engine, name):
        filled(engine, name, f32([]))
        orders = ([0, 10, 20, 30], [30, 20, 10, 0])

        writing = [self.started(kind, "write", name, firsts=firsts, rows=20) for firsts in orders]

        assert [self.answer(process) for process in writing] == ["written"] * 2
        self.assert_whole(engine, name, 50)

    @pytest.mark.engines(DURABLE)
    def test_what_was_acknowledged_is_there_after_a_restart(self, kind, engine, name):
        filled(engine, name, f32([[1, 0], [2, 0], [3, 0]]), [{"a": 1}, {"a": 1}, {"a": 2}])
        engine.upsert(name, ids(1), f32([[8, 0]]), space=SPACE, metadata=[{"a": 1}])
        engine.delete(name, ids(0))
        engine.close()

        asked = {"query": [[1, 0]], "k": 3, "where": {"a": 1}}
        elsewhere = self.answer(self.started(kind, "search", name, **asked))
        again = kind.open()

        assert elsewhere == {"count": 2, "rows": [[1, -1, -1]], "scores": [[8, -np.inf, -np.inf]]}
        assert again.find(name) == collection(name)
        assert found(again, name, [1, 0], 5) == [1, 2]
        again.close()

    @pytest.mark.engines(SHARED)
    def test_what_another_process_writes_or_makes_anew_is_seen(self, kind, engine, name):
        other = kind.open()
        filled(engine, name, f32([[1, 0], [2, 0]]))
        assert found(other, name, [1, 0], 5) == [1, 0]

        engine.drop(name)
        filled(engine, name, f32([[3, 0, 0]], 3))

        assert other.find(name).dimension == 3
        assert found(other, name, [1, 0, 0], 5) == [0]
        other.close()

    def started(self, kind: Kind, act, name, **asked):
        argument = json.dumps({"collection": name} | asked)
        return subprocess.Popen(
            [sys.executable, "-m", "tests.builders.engines", kind.name, kind.place, act, argument],
            cwd=ROOT,
            stdout=subprocess.PIPE,
        )

    def answer(self, process):
        printed = process.communicate(timeout=60)[0]
        assert process.returncode == 0
        return json.loads(printed)

    def assert_whole(self, engine, name, rows):
        assert engine.count(name) == rows
        numbers, vectors = counted(0, rows)
        np.testing.assert_array_equal(engine.fetch(name, numbers), vectors)
