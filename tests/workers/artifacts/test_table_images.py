"""Pictures in a Parquet table: decoded, capped, and refused with their row."""

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from tests.builders.tables import columns, parquet
from tests.refusals import refusal
from workers.artifacts.tables import Caps
from workers.artifacts.upload import open_table, read_inputs

SMALL = Caps(rows=100, columns=10, bytes=4096, ratio=10, free_bytes=1000, pixels=100)


def a_png(pixels, **options):
    file = io.BytesIO()
    Image.fromarray(np.asarray(pixels, dtype=options.pop("dtype", np.uint8))).save(
        file, options.pop("format", "PNG")
    )
    return file.getvalue()


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
