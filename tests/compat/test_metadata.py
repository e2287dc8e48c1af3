"""Metadata that an item may carry, and a filter may ask for."""

import pytest

from compat.metadata import LARGEST_NUMBER, LONGEST_VALUE, MOST_KEYS, equals, fault_of

FINE = [
    *({"k": value} for value in ("", "x" * LONGEST_VALUE, True, LARGEST_NUMBER, -LARGEST_NUMBER)),
    *({key: 1} for key in ("_a9", "A", "a" * 64)),
    {f"k{n}": n for n in range(MOST_KEYS)},
    {},
]
FAULTY = [
    *({"k": value} for value in ("x" * (LONGEST_VALUE + 1), "a\0b", "\ud800", None, 1.0, [], {})),
    *({"k": value} for value in (LARGEST_NUMBER + 1, -LARGEST_NUMBER - 1)),
    *({key: 1} for key in ("9a", "a-b", "\u00e9", "", "a" * 65, "a\n", 7)),
    {f"k{n}": n for n in range(MOST_KEYS + 1)},
    [],
    None,
]


@pytest.mark.parametrize("metadata", FINE, ids=range(len(FINE)))
def test_flat_values_of_every_engine_are_taken(metadata):
    assert fault_of(metadata) == ""


@pytest.mark.parametrize("metadata", FAULTY, ids=range(len(FAULTY)))
def test_what_engines_would_compare_each_in_its_own_way_has_a_fault(metadata):
    assert fault_of(metadata)


def test_a_filter_asks_for_each_of_its_names_and_a_truth_is_no_number():
    metadata = {"colour": "red", "size": 1, "new": True}

    assert equals(metadata, {})
    assert equals(metadata, {"colour": "red", "new": True})
    assert not equals(metadata, {"colour": "red", "size": 2})
    assert not equals(metadata, {"size": True})
    assert not equals(metadata, {"new": 1})
    assert not equals(metadata, {"age": 1})
