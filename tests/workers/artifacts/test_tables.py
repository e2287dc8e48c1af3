"""Uploaded tables: what is read, and the many ways in which a file is no such table."""

import io
import struct
import time
import zipfile
import zlib
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from tests.builders.tables import columns, npz, parquet
from workers.artifacts.tables import Caps
from workers.artifacts.upload import open_table, read_ids, read_inputs
from workers.errors import PermanentError

KINDS = pytest.mark.parametrize("write", [npz, parquet])
SMALL = Caps(rows=100, columns=10, bytes=4096, ratio=10, free_bytes=1000, pixels=100)


def refusal(call, *arguments):
    with pytest.raises(PermanentError) as refused:
        call(*arguments)
    return refused.value


def a_png(pixels, **options):
    file = io.BytesIO()
    Image.fromarray(np.asarray(pixels, dtype=options.pop("dtype", np.uint8))).save(
        file, options.pop("format", "PNG")
    )
    return file.getvalue()


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


# NPZ alone.


def zipped(folder: Path, members, compression=zipfile.ZIP_DEFLATED):
    path = folder / "upload"
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, content in members:
            archive.writestr(name, content)
    return path


def npy(array=None, *, header=None):
    if header is None:
        file = io.BytesIO()
        np.save(file, array)
        return file.getvalue()
    text = header.encode("latin1") + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text


IDS = ("id.npy", npy(np.array(["a", "b"])))


def test_python_objects_are_never_read(tmp_path):
    path = npz(tmp_path, {"id": np.array(["a", "b"]), "input": np.array([{}, []], dtype=object)})

    refused = refusal(open_table, path)

    assert refused.code == "unsupported_dtype"
    assert "never read" in refused.detail


def test_a_pickle_behind_an_innocent_header_is_only_bytes(tmp_path):
    bomb = npy(header="{'descr': '<f4', 'fortran_order': False, 'shape': (2,)}") + b"cos\nsystem"

    table = open_table(zipped(tmp_path, [IDS, ("input.npy", bomb)]))

    assert refusal(table.numbers, "input").code == "not_a_table"


@pytest.mark.parametrize(
    "header",
    [
        "{'descr': '<f4', 'fortran_order': False, 'shape': (-2,)}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 9999999999999999999)}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': 2}",
        "{'descr': '|V0', 'fortran_order': False, 'shape': (2,)}",
        "{'descr': [('x', '<f4')], 'fortran_order': False, 'shape': (2,)}",
        "{'descr': '|O', 'fortran_order': False, 'shape': (2,)}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (2,)",
        "__import__('os').system('true')",
        "[" * 5000,
        "",
    ],
)
def test_a_hostile_array_header_is_refused(tmp_path, header):
    path = zipped(tmp_path, [IDS, ("input.npy", npy(header=header) + bytes(8))])

    assert refusal(open_table, path).code in ("not_a_table", "unsupported_dtype", "too_large")


@pytest.mark.parametrize("length", [0, 7, 9, 800])
def test_an_array_of_another_length_than_its_header_says_is_refused(tmp_path, length):
    header = "{'descr': '<f4', 'fortran_order': False, 'shape': (2,)}"
    path = zipped(tmp_path, [IDS, ("input.npy", npy(header=header) + bytes(length))])

    assert refusal(open_table(path).numbers, "input").code == "not_a_table"


def test_columns_of_different_length_are_refused(tmp_path):
    refused = refusal(open_table, npz(tmp_path, columns(label=["a"] * 5)))

    assert refused.code == "unequal_lengths"


def test_a_single_value_is_no_column(tmp_path):
    assert refusal(open_table, npz(tmp_path, columns(note=3))).code == "unsupported_dtype"


def test_two_members_of_one_name_are_refused(tmp_path):
    with pytest.warns(UserWarning, match="Duplicate name"):
        path = zipped(tmp_path, [IDS, IDS])

    assert refusal(open_table, path).code == "column_name"


@pytest.mark.parametrize("dtype", ["f8", "i8", "f2", "c8", "S3", "M8[s]", "?"])
def test_samples_of_another_type_are_refused(tmp_path, dtype):
    table = open_table(npz(tmp_path, columns(input=np.zeros((6, 2)).astype(dtype))))

    assert refusal(read_inputs, table).code == "unsupported_dtype"


def test_the_other_byte_order_and_the_other_axis_order_are_read(tmp_path):
    wanted = np.arange(24, dtype=np.float32).reshape(6, 4)

    for given_ in (wanted.astype(">f4"), np.asfortranarray(wanted)):
        inputs = read_inputs(open_table(npz(tmp_path, columns(input=given_))))
        assert inputs.tolist() == wanted.tolist()
        assert inputs.dtype.isnative


def test_a_wrong_checksum_is_refused(tmp_path):
    path = zipped(tmp_path, [IDS, ("input.npy", npy(np.ones(2, dtype=np.float32)))], 0)
    content = path.read_bytes().replace(np.ones(2, np.float32).tobytes(), bytes(8))
    path.write_bytes(content)

    refused = refusal(lambda: open_table(path).numbers("input"))

    assert refused.code == "not_a_table"
    assert "CRC" in refused.detail


def test_members_that_share_their_bytes_are_refused(tmp_path):
    """The overlapping bomb: a thousand directory entries for one compressed block."""
    path = zipped(tmp_path, [("id.npy", npy(np.zeros(10_000, dtype=np.uint8)))])
    content = path.read_bytes()
    start = content.index(b"PK\x01\x02")
    end = content.index(b"PK\x05\x06")
    entry = content[start:end]
    copies = b"".join(entry.replace(b"id.npy", f"{number:02}.npy".encode()) for number in range(60))
    tail = struct.pack("<IHHHHIIH", 0x06054B50, 0, 0, 60, 60, len(copies), start, 0)
    path.write_bytes(content[:start] + copies + tail)

    assert refusal(open_table, path).code == "not_a_table"
    assert refusal(open_table, path, Caps(free_bytes=1000)).code == "inflates_too_far"


def test_text_that_is_not_unicode_is_refused(tmp_path):
    header = "{'descr': '<U1', 'fortran_order': False, 'shape': (2,)}"
    body = struct.pack("<II", 0x61, 0x7FFFFFFF)
    path = zipped(tmp_path, [IDS, ("label.npy", npy(header=header) + body)])

    assert refusal(open_table(path).texts, "label").code == "bad_text"


def test_any_byte_but_zero_is_true(tmp_path):
    header = "{'descr': '|b1', 'fortran_order': False, 'shape': (2,)}"
    path = zipped(tmp_path, [IDS, ("pinned.npy", npy(header=header) + b"\x07\x00")])

    flags = open_table(path).flags("pinned")

    assert flags.tobytes() == b"\x01\x00"


def test_encoded_images_are_for_parquet(tmp_path):
    table = open_table(npz(tmp_path, columns(input=None, image=np.zeros((6, 9), np.uint8))))

    assert refusal(read_inputs, table).code == "unsupported_dtype"


# Parquet alone.


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


def test_images_are_decoded_grey_and_in_colour(tmp_path):
    grey = np.arange(12).reshape(3, 4)
    colour = np.arange(36).reshape(3, 4, 3)

    for pixels in (grey, colour):
        path = parquet(tmp_path, columns(input=None, image=[a_png(pixels)] * 6))
        images = read_inputs(open_table(path))
        assert images.dtype == np.uint8
        assert images.tolist() == [pixels.tolist()] * 6


def test_transparency_is_dropped_and_a_palette_looked_up(tmp_path):
    image = Image.new("RGBA", (2, 1), (9, 8, 7, 100))
    files = []
    for made in (image, image.convert("RGB").convert("P")):
        file = io.BytesIO()
        made.save(file, "PNG")
        files.append(file.getvalue())

    images = read_inputs(open_table(parquet(tmp_path, columns(2, input=None, image=files))))

    assert images[0].tolist() == [[[9, 8, 7], [9, 8, 7]]]
    assert images.shape == (2, 1, 2, 3)


@pytest.mark.parametrize(
    ("image", "code"),
    [
        (b"not an image", "not_an_image"),
        (a_png(np.zeros((4, 4)))[:-30], "not_an_image"),
        (a_png(np.zeros((4, 4)), format="GIF"), "not_an_image"),
        (a_png(np.zeros((4, 4)), dtype=np.uint16), "not_an_image"),
        (a_png(np.zeros((4, 5))), "unequal_shapes"),
        (a_png(np.zeros((4, 4, 3))), "unequal_shapes"),
        (a_png(np.zeros((20, 20))), "too_large"),
        (None, "missing_value"),
    ],
)
def test_an_image_that_cannot_be_used_is_refused_with_its_row(tmp_path, image, code):
    images = [a_png(np.zeros((4, 4)))] * 4 + [image, a_png(np.zeros((4, 4)))]
    path = parquet(tmp_path, columns(input=None, image=images))

    refused = refusal(read_inputs, open_table(path, Caps(pixels=100)))

    assert refused.code == code
    assert "row 4" in refused.detail


def test_an_image_of_a_billion_pixels_is_refused_undecoded(tmp_path):
    huge = bytearray(a_png(np.zeros((1, 1))))
    huge[16:24] = struct.pack(">II", 2**15, 2**15)
    huge[29:33] = struct.pack(">I", zlib.crc32(huge[12:29]))
    path = parquet(tmp_path, columns(1, input=None, image=[bytes(huge)]))

    assert refusal(read_inputs, open_table(path)).code == "too_large"


def test_all_images_together_are_capped(tmp_path):
    image = a_png(np.random.default_rng(0).integers(0, 255, (10, 10)))
    path = parquet(tmp_path, columns(60, input=None, image=[image] * 60))

    assert refusal(read_inputs, open_table(path, SMALL)).code == "too_large"


def test_strings_are_no_images_and_images_no_samples(tmp_path):
    strings = parquet(tmp_path, columns(input=None, image=["x"] * 6), name="a")
    samples = parquet(tmp_path, columns(input=["x"] * 6), name="b")

    assert refusal(read_inputs, open_table(strings)).code == "unsupported_dtype"
    assert refusal(read_inputs, open_table(samples)).code == "unsupported_dtype"
