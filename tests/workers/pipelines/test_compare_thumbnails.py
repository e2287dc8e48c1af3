"""Thumbnails of whatever looks like a picture."""

import numpy as np
import pytest
from PIL import Image

from workers.pipelines.thumbnails import ENLARGED, LARGEST, write_thumbnails


def pixels(folder, row=0):
    with Image.open(folder / "thumbnails" / f"{row}.png") as picture:
        return np.asarray(picture)


@pytest.mark.parametrize("shape", [(8, 8), (1, 8, 8)])
def test_grey_pictures_are_enlarged_without_blur(tmp_path, shape):
    inputs = np.random.default_rng(0).integers(256, size=(3, *shape)).astype(np.uint8)

    assert write_thumbnails(inputs, [2], tmp_path) == {2}

    wanted = np.kron(inputs[2].reshape(8, 8), np.ones((ENLARGED, ENLARGED), np.uint8))
    assert np.array_equal(pixels(tmp_path, 2), wanted)


@pytest.mark.parametrize("axes", [(0, 1, 2), (2, 0, 1)])
def test_colour_pictures_of_either_layout_look_the_same(tmp_path, axes):
    picture = np.random.default_rng(0).integers(256, size=(70, 80, 3)).astype(np.uint8)

    write_thumbnails(picture.transpose(axes)[None], [0], tmp_path)

    assert np.array_equal(pixels(tmp_path), picture)


def test_numbers_are_stretched_over_the_range_of_all_inputs(tmp_path):
    inputs = np.zeros((2, 4, 4), np.float32)
    inputs[0, 0, 0], inputs[1] = 1.0, 3.0

    write_thumbnails(inputs, [0, 1], tmp_path)

    assert sorted(np.unique(pixels(tmp_path))) == [0, 85]
    assert np.unique(pixels(tmp_path, 1)).tolist() == [255]


def test_a_constant_set_is_drawn(tmp_path):
    write_thumbnails(np.full((1, 4, 4), 7, np.float32), [0], tmp_path)

    assert np.unique(pixels(tmp_path)).tolist() == [0]


def test_large_pictures_are_made_small(tmp_path):
    write_thumbnails(np.zeros((1, 600, 1200), np.uint8), [0], tmp_path)

    assert pixels(tmp_path).shape == (LARGEST // 2, LARGEST)


@pytest.mark.parametrize("shape", [(12,), (2, 3), (4, 8, 8), (8, 8, 4), (3, 8, 8, 3), ()])
def test_what_is_no_picture_is_not_drawn(tmp_path, shape):
    assert write_thumbnails(np.zeros((2, *shape), np.float32), [0], tmp_path) == set()
    assert not (tmp_path / "thumbnails").exists()


def test_no_row_makes_no_folder(tmp_path):
    assert write_thumbnails(np.zeros((2, 8, 8), np.uint8), [], tmp_path) == set()
    assert not (tmp_path / "thumbnails").exists()
