"""Samples are aligned by id, never by position."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from compat.errors import ShapeError
from compat.metrics.alignment import order_by_id


@st.composite
def orders(draw):
    ids = draw(st.lists(st.text("abcé", min_size=1, max_size=3), unique=True))
    return np.array(ids, dtype="U3"), np.array(draw(st.permutations(ids)), dtype="U3")


@given(orders())
def test_any_order_is_brought_into_the_wanted_one(found_in):
    ids, found = found_in

    assert found[order_by_id(ids, found)].tolist() == ids.tolist()


@pytest.mark.parametrize(
    ("found", "message"),
    [
        (["a", "b"], "1 missing, such as 'c'"),
        (["a", "b", "d"], "1 missing, such as 'c'; 1 not in the set, such as 'd'"),
        (["a", "b", "c", "d"], "1 not in the set, such as 'd'"),
        (["a", "b", "b"], "found id 'b' is repeated"),
    ],
)
def test_ids_that_are_not_exactly_the_sets_are_refused(found, message):
    with pytest.raises(ShapeError, match=message):
        order_by_id(np.array(["a", "b", "c"]), np.array(found))


def test_a_repeated_wanted_id_is_refused():
    with pytest.raises(ShapeError, match="wanted id 'a' is repeated"):
        order_by_id(np.array(["a", "a"]), np.array(["a", "a"]))
