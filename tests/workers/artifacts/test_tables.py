"""Uploaded tables: what is read, and the many ways in which a file is no such table."""

import time

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.builders.tables import columns, npz, parquet
from tests.refusals import refusal
from workers.artifacts.tables import Caps
from workers.artifacts.upload import open_table, read_ids, read_inputs
from workers.errors import PermanentError

KINDS = pytest.mark.parametrize("write", [npz, parquet])


@KINDS
def test_columns_come_back_as_they_were_written(tmp_path, write):
    table = open_table(write(tmp_path, columns(hard=[True, False] * 3, size=[1, 2, 3] * 2)))

    assert table.rows == 6
    assert read_ids(table) == [f"m-{row}" for row in range(6)]
    assert table.numbers("input").tolist() == columns()["input"].tolist()
    assert table.numbers("input").dtype == np.float32
    assert table.texts("label") == list("abcabc")
    assert table.flags("hard").tolist() == [True, False] * 3
    assert table.slice_values("hard") == ["true", "false"] * 3
    assert table.slice_values("size") == ["1", "2", "3"] * 2
    assert table.slice_values("input") is None


@KINDS
@pytest.mark.parametrize("shape", [(6,), (6, 1), (6, 2, 3), (6, 2, 1, 3)])
@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_samples_keep_their_shape_and_their_type(tmp_path, write, shape, dtype):
    given_ = np.arange(np.prod(shape)).reshape(shape).astype(dtype)

    inputs = read_inputs(open_table(write(tmp_path, columns(input=given_))))

    assert inputs.dtype == dtype
    assert inputs.tolist() == given_.tolist()


@KINDS
def test_integers_are_names_too(tmp_path, write):
    table = open_table(write(tmp_path, columns(id=[5, 4, 3, 2, 1, 0])))

    assert read_ids(table) == ["5", "4", "3", "2", "1", "0"]


@KINDS
@pytest.mark.parametrize("name", ["a" * 201, "a\nb", "a\x00b", "\x7f"])
def test_names_that_cannot_be_shown_or_stored_are_refused(tmp_path, write, name):
    table = open_table(write(tmp_path, columns(id=["x", name, "y", "z", "u", "v"])))

    refused = refusal(read_ids, table)

    assert refused.code == "bad_text"
    assert "row 1" in refused.detail


@KINDS
def test_a_second_row_with_an_id_is_named(tmp_path, write):
    refused = refusal(read_ids, open_table(write(tmp_path, columns(id=list("abcdbf")))))

    assert refused.code == "duplicate_id"
    assert "'b'" in refused.detail
    assert "row 1" in refused.detail
    assert "row 4" in refused.detail


@KINDS
def test_a_table_without_rows_is_empty(tmp_path, write):
    nothing = columns(rows=0, id=np.array([], dtype=np.int64), label=None, role=None)

    assert refusal(read_ids, open_table(write(tmp_path, nothing))).code == "empty_set"


@KINDS
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_numbers_that_are_not_finite_are_refused_with_their_row(tmp_path, write, value):
    inputs = np.ones((6, 4), dtype=np.float32)
    inputs[3, 2] = value

    refused = refusal(read_inputs, open_table(write(tmp_path, columns(input=inputs))))

    assert refused.code == "not_finite"
    assert "row 3" in refused.detail


@KINDS
def test_text_and_two_kinds_of_input_are_refused(tmp_path, write):
    text = columns(input=None, text=["hello"] * 6)
    two = columns(image=[1] * 6)

    assert refusal(read_inputs, open_table(write(tmp_path, text))).code == "text_not_supported"
    assert refusal(read_inputs, open_table(write(tmp_path, two))).code == "two_inputs"


@KINDS
def test_a_table_without_input_has_none(tmp_path, write):
    assert read_inputs(open_table(write(tmp_path, columns(input=None)))) is None


@KINDS
def test_too_many_rows_or_columns_are_refused(tmp_path, write):
    many_rows = write(tmp_path, columns(rows=101), name="rows")
    many_columns = write(tmp_path, columns(**{f"c{i}": [1] * 6 for i in range(7)}), name="columns")

    caps = Caps(rows=100, columns=10)
    assert refusal(open_table, many_rows, caps).code == "too_large"
    assert refusal(open_table, many_columns, caps).code == "too_large"
    open_table(write(tmp_path, columns(rows=100)), caps)


@KINDS
def test_a_column_name_that_cannot_be_shown_is_refused(tmp_path, write):
    path = write(tmp_path, columns(**{"a\nb": [1] * 6}))

    assert refusal(open_table, path).code == "column_name"


@KINDS
def test_a_bomb_is_refused_before_it_is_decoded(tmp_path, write):
    path = write(tmp_path, columns(input=np.zeros((6, 100_000), dtype=np.float32)))
    started = time.process_time()

    refused = refusal(open_table, path, Caps(free_bytes=100_000))

    assert refused.code == "inflates_too_far"
    assert time.process_time() - started < 0.1


@KINDS
def test_a_column_above_the_cap_is_refused(tmp_path, write):
    inputs = np.random.default_rng(0).normal(size=(6, 1000)).astype(np.float32)
    path = write(tmp_path, columns(input=inputs))

    def read():
        return open_table(path, Caps(bytes=10_000)).numbers("input")

    assert refusal(read).code == "too_large"


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"id,label\n1,2\n",
        b"\x93NUMPY\x01\x00" + bytes(100),
        b"PAR1" + bytes(100) + b"PAR1",
        b"PK\x03\x04" + bytes(40),
        b"\x80\x04]\x94.",
    ],
)
def test_what_is_no_table_is_refused(tmp_path, content):
    path = tmp_path / "upload"
    path.write_bytes(content)

    assert refusal(open_table, path).code == "not_a_table"


@KINDS
def test_a_truncated_table_is_refused(tmp_path, write):
    path = write(tmp_path, columns())
    path.write_bytes(path.read_bytes()[:-20])

    assert refusal(open_table, path).code == "not_a_table"


@KINDS
@settings(
    max_examples=60,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
    deadline=None,
)
@given(data=st.data())
def test_a_damaged_table_is_read_or_refused_and_nothing_else(tmp_path, write, data):
    content = bytearray(write(tmp_path, columns()).read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path = tmp_path / "damaged"
    path.write_bytes(content)

    try:
        table = open_table(path)
        read_ids(table)
        read_inputs(table)
    except PermanentError as exc:
        assert exc.code  # noqa: PT017 - either outcome is right, any other exception is not
