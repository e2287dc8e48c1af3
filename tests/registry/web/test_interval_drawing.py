"""The drawing of an interval puts everything where the numbers say."""

import re
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from compat.policy import Bound
from registry.web.drawings.interval import WIDTH, Interval, draw_interval


def drawn(bound=Bound.AT_MOST, *, value=0.5, lower=0.4, upper=0.6, threshold=1.0, words="words"):
    shown = Interval(value, lower, upper, threshold, bound, "passed", words)
    return ElementTree.fromstring(draw_interval(shown))


def x_of(svg, name, attribute="x1"):
    return float(svg.find(f".//*[@class='{name}']").get(attribute))


finite = st.floats(-1e6, 1e6, allow_subnormal=False)


@given(st.lists(finite, min_size=3, max_size=3), finite, st.sampled_from(Bound))
def test_order_on_the_line_is_order_of_the_numbers(ends, threshold, bound):
    lower, value, upper = sorted(ends)

    svg = drawn(bound, value=value, lower=lower, upper=upper, threshold=threshold)

    places = [
        x_of(svg, "interval-bar"),
        x_of(svg, "interval-value", "cx"),
        x_of(svg, "interval-bar", "x2"),
    ]
    assert places == sorted(places)
    assert 0 <= places[0] <= places[-1] <= WIDTH
    if upper < threshold:
        assert places[-1] <= x_of(svg, "interval-threshold")
    if lower > threshold:
        assert places[0] >= x_of(svg, "interval-threshold")


@pytest.mark.parametrize(
    ("bound", "words"),
    [(Bound.AT_MOST, "← good"), (Bound.AT_LEAST, "good →"), (Bound.ABOVE, "good →")],
)
def test_the_good_side_is_shaded_and_named(bound, words):
    svg = drawn(bound)

    at = x_of(svg, "interval-threshold")
    start = x_of(svg, "interval-good", "x")
    end = start + x_of(svg, "interval-good", "width")
    assert (start, end) == ((0, at) if bound is Bound.AT_MOST else (at, WIDTH))
    assert svg.find(".//*[@class='interval-better']").text == words


def test_a_reader_who_sees_no_drawing_hears_the_numbers():
    svg = drawn(words="NFR 1 % <b>")

    assert svg.get("aria-label") == "NFR 1 % <b>"
    assert svg.get("role") == "img"


def test_the_outcome_is_in_the_style():
    svg = draw_interval(Interval(1, 0, 2, 1.5, Bound.AT_LEAST, "inconclusive", ""))

    assert re.search(r'class="interval interval-inconclusive"', svg)
