"""Classes that a version no longer answers are counted, without doubt."""

import pytest

from compat.errors import ShapeError
from compat.measurement import LEVELS, Measurement
from compat.metrics.classes import NO_CLASSES, classes_lost


@pytest.mark.parametrize(
    ("old", "new", "lost"),
    [
        ("abc", "cba", 0),
        ("abc", "abcd", 0),
        ("abc", "ab", 1),
        ("abc", "xyz", 3),
    ],
)
def test_what_the_new_version_does_not_name_is_lost(old, new, lost):
    found = classes_lost(tuple(old), tuple(new))

    assert (found.value, found.support) == (lost, 3)
    assert all(found.interval(level) == (lost, lost) for level in LEVELS)
    assert Measurement.from_json(found.as_json()) == found


@pytest.mark.parametrize("names", [((), ("a",)), (("a",), ())])
def test_a_version_that_names_no_class_leaves_it_undefined(names):
    assert classes_lost(*names).undefined == NO_CLASSES


def test_a_class_that_is_named_twice_is_refused():
    with pytest.raises(ShapeError):
        classes_lost(["a", "a"], ["a"])
