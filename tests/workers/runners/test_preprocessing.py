"""Preprocessing: each step against values worked out by hand."""

import numpy as np
import pytest

from tests.builders.onnx_models import a_classifier_manifest
from workers.errors import PermanentError
from workers.runners.preprocessing import prepared
from workers.signature import Signature


def prepare(images, shape, *, dtype="float32", **steps):
    manifest = a_classifier_manifest(shape=shape, dtype=dtype, preprocessing=steps)
    return prepared(np.asarray(images), Signature.of(manifest))


def grey(*rows):
    return np.array([rows], dtype=np.uint8)


def refusal(images, shape, **steps):
    with pytest.raises(PermanentError) as refused:
        prepare(images, shape, **steps)
    return refused.value.code


def test_without_preprocessing_the_array_reaches_the_graph_as_it_is():
    array = np.arange(24, dtype=np.float32).reshape(2, 3, 4)

    signature = Signature.of(a_classifier_manifest(shape=(3, 4)))

    assert prepared(array, signature) is array


def test_grey_images_get_a_channel_in_front():
    assert prepare(grey([1, 2], [3, 4]), (1, 2, 2)).tolist() == [[[[1, 2], [3, 4]]]]


def test_colours_move_to_the_front():
    image = np.array([[[[1, 2, 3], [4, 5, 6]]]], dtype=np.uint8)

    assert prepare(image, (3, 1, 2)).tolist() == [[[[1, 4]], [[2, 5]], [[3, 6]]]]


def test_rescaling_multiplies():
    image = prepare(grey([0, 51, 255]), (1, 1, 3), do_rescale=True, rescale_factor=1 / 255)

    np.testing.assert_allclose(image, [[[[0.0, 0.2, 1.0]]]], rtol=1e-6)
    assert image.dtype == np.float32


def test_normalising_subtracts_the_mean_and_divides_by_the_deviation():
    steps = {"do_normalize": True, "image_mean": [10.0], "image_std": [4.0]}

    assert prepare(grey([10, 18, 2]), (1, 1, 3), **steps).tolist() == [[[[0.0, 2.0, -2.0]]]]


def test_each_channel_has_its_own_mean_and_deviation():
    image = np.array([[[[10, 20, 30]]]], dtype=np.uint8)
    steps = {"do_normalize": True, "image_mean": [8.0, 10.0, 20.0], "image_std": [1.0, 5.0, 2.0]}

    assert prepare(image, (3, 1, 1), **steps).ravel().tolist() == [2.0, 2.0, 5.0]


def test_rescaling_comes_before_normalising():
    steps = {
        "do_rescale": True,
        "rescale_factor": 0.5,
        "do_normalize": True,
        "image_mean": [1.0],
        "image_std": [2.0],
    }

    assert prepare(grey([10]), (1, 1, 1), **steps).ravel().tolist() == [2.0]


def test_grey_becomes_colour_before_each_channel_is_normalised():
    steps = {
        "do_convert_rgb": True,
        "do_normalize": True,
        "image_mean": [1.0, 2.0, 3.0],
        "image_std": [1.0, 1.0, 1.0],
    }

    assert prepare(grey([5]), (3, 1, 1), **steps).ravel().tolist() == [4.0, 3.0, 2.0]


def test_cropping_takes_the_centre_and_leaves_the_smaller_half_first():
    image = np.arange(5 * 4, dtype=np.uint8).reshape(1, 5, 4)
    steps = {"do_center_crop": True, "crop_size": {"height": 2, "width": 3}}

    assert prepare(image, (1, 2, 3), **steps).tolist() == [[[[4, 5, 6], [8, 9, 10]]]]


def test_a_crop_larger_than_the_image_is_refused():
    steps = {"do_center_crop": True, "crop_size": {"height": 3, "width": 1}}

    assert refusal(grey([1], [2]), (1, 3, 1), **steps) == "input_shape"


RESIZED = [
    # nearest: each pixel twice
    (0, [[10, 50]], (1, 4), [[10, 10, 50, 50]]),
    # bilinear, twice as wide: weights 1, 3/4 and 1/4, 1/4 and 3/4, 1
    (2, [[10, 50]], (1, 4), [[10, 20, 40, 50]]),
    # bilinear, half as wide: the kernel widens; pixel centres 0.5 1.5 | 2.5 3.5 around 1 and 3
    (2, [[0, 70, 140, 210]], (1, 2), [[50, 160]]),
    # a constant image stays constant
    (3, [[7, 7], [7, 7]], (3, 5), [[7] * 5] * 3),
]


@pytest.mark.parametrize(("resample", "image", "size", "wanted"), RESIZED)
def test_resizing_gives_the_values_worked_out_by_hand(resample, image, size, wanted):
    steps = {
        "do_resize": True,
        "size": {"height": size[0], "width": size[1]},
        "resample": resample,
    }

    assert prepare(grey(*image), (1, *size), **steps)[0, 0].tolist() == wanted


def test_colours_are_resized_each_for_itself():
    image = np.zeros((1, 1, 2, 3), dtype=np.uint8)
    image[0, 0, :, 1] = [10, 50]
    steps = {"do_resize": True, "size": {"height": 1, "width": 4}, "resample": 2}

    assert prepare(image, (3, 1, 4), **steps)[0, :, 0].tolist() == [
        [0, 0, 0, 0],
        [10, 20, 40, 50],
        [0, 0, 0, 0],
    ]


def test_a_crop_comes_after_the_resize():
    steps = {
        "do_resize": True,
        "size": {"height": 1, "width": 4},
        "resample": 2,
        "do_center_crop": True,
        "crop_size": {"height": 1, "width": 2},
    }

    assert prepare(grey([10, 50]), (1, 1, 2), **steps).ravel().tolist() == [20, 40]


def test_floats_that_hold_bytes_are_resized_and_others_refused():
    steps = {"do_resize": True, "size": {"height": 1, "width": 4}, "resample": 2}
    whole = grey([10, 50]).astype(np.float32)

    assert prepare(whole, (1, 1, 4), **steps).ravel().tolist() == [10, 20, 40, 50]
    assert refusal(whole / 255, (1, 1, 4), **steps) == "input_dtype"


def test_steps_that_are_switched_off_do_nothing():
    steps = {
        "do_rescale": False,
        "rescale_factor": 9.0,
        "do_normalize": False,
        "image_mean": [9.0],
        "image_std": [9.0],
        "do_center_crop": False,
        "crop_size": {"height": 1, "width": 1},
    }

    assert prepare(grey([1, 2]), (1, 1, 2), **steps).ravel().tolist() == [1, 2]


@pytest.mark.parametrize("shape", [(2, 4), (2, 4, 4, 2), (2, 3, 4, 4), (2, 1, 1, 1, 1)])
def test_what_is_no_image_with_channels_last_is_refused(shape):
    assert refusal(np.zeros(shape, dtype=np.uint8), (3, 4, 4), do_rescale=False) == "input_shape"


def test_a_result_of_another_size_than_the_graph_takes_is_refused():
    assert refusal(grey([1, 2]), (1, 2, 1), do_rescale=False) == "input_shape"


def test_as_many_means_as_channels():
    steps = {"do_normalize": True, "image_mean": [0.0] * 3, "image_std": [1.0] * 3}

    assert refusal(grey([1, 2]), (3, 1, 2), **steps) == "input_shape"
