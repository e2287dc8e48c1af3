"""What any earlier version got right: counted against the definition."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from compat.errors import ShapeError
from compat.metrics.bootstrap import summarise
from compat.metrics.flips import nfr
from compat.metrics.history import cumulative_flips

RIGHT = st.lists(st.booleans(), min_size=12, max_size=12).map(np.array)


def cumulative(earlier, new):
    return summarise([cumulative_flips(earlier, new, "cumulative_nfr")])[0]


@given(st.lists(RIGHT, min_size=1, max_size=4), RIGHT)
def test_it_counts_what_some_version_got_right_and_the_new_one_wrong(earlier, new):
    wanted = sum(any(v[i] for v in earlier) and not new[i] for i in range(12))

    found = cumulative(earlier, new)

    assert (found.count, found.support) == (wanted, 12)
    assert found.count >= max(summarise([nfr(v, new)])[0].count for v in earlier)


@given(RIGHT, RIGHT)
def test_with_the_old_version_alone_it_is_the_negative_flip_rate(old, new):
    assert cumulative([old], new).count == summarise([nfr(old, new)])[0].count


def test_small_losses_add_up():
    line = [np.arange(10) != broken for broken in range(4)]

    assert [cumulative([line[k - 1]], line[k]).count for k in (1, 2, 3)] == [1, 1, 1]
    lost = [np.arange(10) > broken for broken in range(4)]
    assert cumulative(lost[:3], lost[3]).count == 3
    assert cumulative(lost[2:3], lost[3]).count == 1


def test_clusters_take_the_count():
    right = np.ones(20, bool)
    found = summarise([cumulative_flips([right], right, "cumulative_nfr")], np.arange(20) // 2)[0]

    assert (found.count, found.clusters, found.value) == (None, 10, 0.0)


def test_queries_that_are_not_asked_leave_the_support():
    hits, new = np.array([1.0, 0.0, np.nan]), np.array([0.0, 1.0, np.nan])

    assert cumulative([hits], new).support == 2


def test_a_version_that_cannot_be_asked_leaves_it_undefined():
    nothing = np.full(3, np.nan)

    found = summarise([cumulative_flips([np.ones(3)], nothing, "c", "dimensions_differ")])[0]

    assert (found.value, found.undefined) == (None, "dimensions_differ")


@pytest.mark.parametrize("earlier", [[], [np.ones(2, bool)]])
def test_histories_that_do_not_fit_are_refused(earlier):
    with pytest.raises(ShapeError):
        cumulative_flips(earlier, np.ones(3, bool), "cumulative_nfr")
