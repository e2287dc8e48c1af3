"""Tables as NPZ: hostile archives, array headers, and what only arrays can hold."""

import io
import struct
import zipfile
from pathlib import Path

import numpy as np
import pytest

from tests.builders.tables import columns, npz
from tests.refusals import refusal
from workers.artifacts.tables import Caps
from workers.artifacts.upload import open_table, read_inputs


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
