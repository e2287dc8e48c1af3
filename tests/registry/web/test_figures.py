"""Numbers look the same wherever the same kind of measure is shown."""

import pytest

from registry.web import figures


@pytest.mark.parametrize(
    ("measurement", "value", "support", "shown"),
    [
        ("nfr", 0.0131, 3500, "1.31\xa0%"),
        ("nfr", 0.0131, 350, "1.3\xa0%"),
        ("nfr", 0.0131, 40, "1.3\xa0%"),
        ("nfr", 0.0, 3500, "0.00\xa0%"),
        ("accuracy.new_minus_old", 0.0034, 3500, "+0.34\xa0pp"),
        ("accuracy.new_minus_old", -0.0034, 3500, "−0.34\xa0pp"),
        ("accuracy.new_minus_old", -0.00001, 3500, "0.00\xa0pp"),
        ("map.new_old", 0.8734, 700, "0.873"),
        ("map.new_old", 0.87345, 20_000, "0.8734"),
        ("map.new_old_minus_old_old", 0.01, 700, "+0.010"),
        ("relative_nfr", 0.4, 700, "0.40\xa0×"),
        ("latency_ratio", 1.5, 15, "1.50\xa0×"),
        ("classes_lost", 2.0, 10, "2"),
        ("nfr", None, 700, "–"),
    ],
)
def test_a_value_has_its_unit_and_the_digits_that_its_samples_can_tell(
    measurement, value, support, shown
):
    assert figures.number(measurement, value, support) == shown


def test_an_interval_names_its_unit_once():
    assert figures.interval("nfr", 0.0092, 0.018, 3500) == "0.92 to 1.80\xa0%"


def test_without_bounds_there_is_no_interval():
    assert figures.interval("nfr", None, None, 3500) == ""


@pytest.mark.parametrize(
    ("measurement", "bound", "value", "shown"),
    [
        ("nfr", "at_most", 0.01, "at most 1\xa0%"),
        ("nfr", "at_most", 0.0125, "at most 1.25\xa0%"),
        ("classes_lost", "at_most", 0, "at most 0"),
        ("size_ratio", "at_most", 1.2, "at most 1.2\xa0×"),
        ("accuracy.new_minus_old", "at_least", -0.005, "at least −0.5\xa0pp"),
        ("map.new_old_minus_old_old", "above", 0.0, "above 0"),
        ("map.new_new_minus_old_old", "at_least", 0.02, "at least +0.02"),
    ],
)
def test_a_threshold_keeps_all_the_digits_it_was_written_with(measurement, bound, value, shown):
    assert figures.threshold(measurement, bound, value) == shown


def test_measurements_have_names_in_words():
    assert figures.name_of("nfr") == "negative flip rate (NFR)"
    assert figures.name_of("map.new_old_minus_old_old") == "mAP, new_old − old_old"
    assert figures.name_of("a_new_measure.old") == "a new measure, old"


@pytest.mark.parametrize(
    ("size", "shown"),
    [(0, "0\xa0B"), (1023, "1023\xa0B"), (1536, "1.5\xa0KiB"), (5 << 30, "5.0\xa0GiB")],
)
def test_sizes_have_binary_units(size, shown):
    assert figures.size(size) == shown
