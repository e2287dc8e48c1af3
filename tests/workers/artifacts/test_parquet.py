"""Tables as Parquet: lists, row groups, categories, and numbers that change by reading."""

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.builders.tables import columns, parquet
from tests.refusals import refusal
from workers.artifacts.upload import open_table, read_inputs


def test_whole_numbers_become_floats_if_no_value_changes(tmp_path):
    exact = parquet(tmp_path, columns(input=[2**24] * 6))
    assert read_inputs(open_table(exact)).tolist() == [2**24] * 6

    inexact = parquet(tmp_path, columns(input=[2**24 + 1] * 6))
    assert refusal(read_inputs, open_table(inexact)).code == "unsupported_dtype"


def test_numbers_too_large_for_float32_are_refused(tmp_path):
    path = parquet(tmp_path, columns(input=[1e300] * 6))

    assert refusal(read_inputs, open_table(path)).code == "not_finite"


def test_lists_of_fixed_size_and_large_lists_are_read(tmp_path):
    values = [[1.0, 2.0]] * 6
    for kind in (pa.list_(pa.float32(), 2), pa.large_list(pa.float64())):
        path = parquet(tmp_path, columns(input=values), types={"input": kind})
        assert read_inputs(open_table(path)).tolist() == values


@pytest.mark.parametrize(
    ("values", "row"),
    [
        ([[1.0, 2.0]] * 4 + [[1.0]] + [[1.0, 2.0]], 4),
        ([[[1.0], [2.0]]] * 3 + [[[1.0], [2.0, 3.0]]] + [[[1.0], [2.0]]] * 2, 3),
    ],
)
def test_samples_of_different_shapes_are_refused_with_their_row(tmp_path, values, row):
    refused = refusal(read_inputs, open_table(parquet(tmp_path, columns(input=values))))

    assert refused.code == "unequal_shapes"
    assert f"row {row}" in refused.detail


def test_shapes_are_compared_across_batches(tmp_path):
    values = [[1.0, 2.0]] * 512 + [[1.0]]
    path = parquet(tmp_path, columns(rows=513, input=values))

    refused = refusal(read_inputs, open_table(path))

    assert refused.code == "unequal_shapes"
    assert "row 512" in refused.detail


@pytest.mark.parametrize(
    ("values", "row"),
    [
        ([[1.0, 2.0]] * 2 + [None] + [[1.0, 2.0]] * 3, 2),
        ([[1.0, 2.0]] * 5 + [[1.0, None]], 5),
        ([1.0, None] + [1.0] * 4, 1),
    ],
)
def test_a_missing_sample_is_refused_with_its_row(tmp_path, values, row):
    refused = refusal(read_inputs, open_table(parquet(tmp_path, columns(input=values))))

    assert refused.code == "missing_value"
    assert f"row {row}" in refused.detail


def test_several_row_groups_are_one_column(tmp_path):
    path = tmp_path / "upload"
    table = pa.table({"id": [str(row) for row in range(2000)], "input": list(range(2000))})
    pq.write_table(table, path, row_group_size=300)

    assert read_inputs(open_table(path)).tolist() == list(range(2000))


def test_categories_count_as_what_they_name(tmp_path):
    path = tmp_path / "upload"
    labels = pa.array(["x", "y", "x"]).dictionary_encode()
    pq.write_table(pa.table({"id": ["a", "b", "c"], "label": labels}), path)

    assert open_table(path).texts("label") == ["x", "y", "x"]
