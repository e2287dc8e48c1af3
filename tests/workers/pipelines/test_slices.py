"""Slices of single columns, of the true class, and crossed ones."""

import numpy as np
import pytest

from tests.builders.comparisons import ROWS, a_set
from workers.errors import PermanentError
from workers.pipelines import slices
from workers.pipelines.slices import slice_masks

INK = np.array(["thick", "thin", ""])[np.arange(ROWS) % 3]
PLACE = np.array(["in", "out"])[np.arange(ROWS) // 30]


def masks_of(folder, crossed=(), asked=None, **changes):
    columns = {"slices": {"ink": INK, "place": PLACE}, "labels": np.arange(ROWS) // 5 % 3}
    judged = a_set(folder, **columns | changes)
    return judged, dict(slice_masks(judged, crossed, asked))


def test_without_a_wish_the_slices_are_those_of_single_columns(tmp_path):
    _, found = masks_of(tmp_path)

    assert list(found) == ["", "ink=thick", "ink=thin", "place=in", "place=out"]
    assert found[""].all()


def test_classes_are_slices_if_asked_for(tmp_path):
    judged, found = masks_of(tmp_path, [["class"]])

    assert {"class=cat", "class=dog", "class=owl"} < set(found)
    assert (found["class=dog"] == (judged.labels == 1)).all()


def test_crossed_slices_are_the_combinations_that_occur(tmp_path):
    judged, found = masks_of(tmp_path, [["class", "ink"], ["ink", "place"]])

    crossed = {name: rows for name, rows in found.items() if "&" in name}
    wanted = {
        f"class={c}&ink={i}": (judged.labels == at) & (i == INK)
        for at, c in enumerate(judged.classes)
        for i in ("thick", "thin")
    } | {
        f"ink={i}&place={p}": (i == INK) & (p == PLACE)
        for i in ("thick", "thin")
        for p in ("in", "out")
    }
    assert crossed.keys() == {name for name, rows in wanted.items() if rows.any()}
    for name, rows in crossed.items():
        assert (rows == wanted[name]).all(), name


def test_columns_are_named_in_order_whatever_the_wish(tmp_path):
    _, one = masks_of(tmp_path, [["class", "ink"]])
    _, other = masks_of(tmp_path, [["ink", "class"], ["class", "ink"], ["ink", "ink", "class"]])

    assert list(one) == list(other)


def test_a_single_column_that_is_asked_for_is_there_once(tmp_path):
    assert list(masks_of(tmp_path, [["ink"]])[1]) == list(masks_of(tmp_path)[1])


def test_pinned_examples_can_be_crossed(tmp_path):
    pinned = np.arange(ROWS) < 4

    _, found = masks_of(tmp_path, [["ink", "pinned"]], pinned=pinned)

    assert (found["ink=thin&pinned=true"] == (pinned & (INK == "thin"))).all()
    assert not any("pinned=&" in name or name.endswith("pinned=") for name in found)


def test_a_column_that_the_set_does_not_have_makes_no_slice(tmp_path):
    assert list(masks_of(tmp_path, [["absent", "ink"]])[1]) == list(masks_of(tmp_path)[1])


def test_crossed_slices_are_of_those_who_ask(tmp_path):
    asked = np.arange(ROWS) < 5  # all of the first class

    _, found = masks_of(tmp_path, [["class"]], asked)

    assert [name for name in found if name.startswith("class=")] == ["class=cat"]
    assert (found["class=cat"] == asked).all()


def test_too_many_crossed_slices_are_refused_with_their_number(tmp_path, monkeypatch):
    monkeypatch.setattr(slices, "MAX_CROSSED", 8)
    assert len(masks_of(tmp_path, [["class"], ["ink", "place"]])[1]) == 5 + 3 + 4

    with pytest.raises(PermanentError) as refused:
        masks_of(tmp_path, [["class"], ["class", "ink"]])

    assert refused.value.code == "too_many_slices"
    assert " 9 " in refused.value.detail


@pytest.mark.parametrize(
    "columns",
    [
        {"ink": INK, "class": PLACE},
        {"ink": np.where(INK == "thin", "thin&place=in", INK), "place": PLACE, "x": PLACE},
    ],
)
def test_slices_of_one_name_are_refused(tmp_path, columns):
    crossed = [["class"]] if "class" in columns else [["ink", "place"]]
    if "class" not in columns:
        columns["ink"] = np.where(PLACE == "in", "thin", columns["ink"])

    with pytest.raises(PermanentError) as refused:
        masks_of(tmp_path, crossed, slices=columns)

    assert refused.value.code == "ambiguous_slices"
