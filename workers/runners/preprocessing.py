"""From a sample as it is stored to a sample as the graph takes it.

A closed subset of Hugging Face's ``preprocessor_config.json``, in numpy and Pillow, with the
results of its image processors for the same keys. Images come in as (height, width) or (height,
width, channels) and go out channels first.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from workers.errors import PermanentError
from workers.signature import Signature

Array = NDArray[np.generic]


def prepared(inputs: Array, signature: Signature) -> Array:
    """Return (n, ...) samples ready for the graph, after the manifest's preprocessing.

    Raises:
        PermanentError: ``input_shape``, ``input_dtype``.
    """
    if signature.preprocessing is not None:
        inputs = _images(inputs, signature.preprocessing)
    if inputs.shape[1:] != signature.input_shape:
        raise PermanentError(
            "input_shape",
            f"a sample has shape {list(inputs.shape[1:])} where the graph takes "
            f"{list(signature.input_shape)}",
        )
    return _as_dtype(inputs, signature.input_dtype)


def _images(inputs: Array, steps: Mapping[str, Any]) -> Array:
    images = _with_channels(inputs)
    if steps.get("do_convert_rgb"):
        images = np.repeat(images, 3, axis=3) if images.shape[3] == 1 else images
    if steps.get("do_resize"):
        images = _resized(images, steps["size"], steps["resample"])
    if steps.get("do_center_crop"):
        images = _cropped(images, steps["crop_size"])
    if steps.get("do_rescale"):
        images = images.astype(np.float32) * np.float32(steps["rescale_factor"])
    if steps.get("do_normalize"):
        images = _normalised(images, steps["image_mean"], steps["image_std"])
    return np.ascontiguousarray(np.moveaxis(images, 3, 1))


def _with_channels(inputs: Array) -> Array:
    if inputs.ndim == 3:
        return inputs[:, :, :, None]
    if inputs.ndim == 4 and inputs.shape[3] in (1, 3):
        return inputs
    raise PermanentError(
        "input_shape",
        f"preprocessing takes images of shape [height, width], or with 1 or 3 channels last; "
        f"a sample has shape {list(inputs.shape[1:])}",
    )


def _resized(images: Array, size: Mapping[str, int], resample: int) -> Array:
    images = _as_dtype(images, "uint8")  # Pillow resizes bytes
    height, width = size["height"], size["width"]
    resized = np.empty((len(images), height, width, images.shape[3]), dtype=np.uint8)
    for row, image in enumerate(images):
        picture = Image.fromarray(image[:, :, 0] if image.shape[2] == 1 else image)
        picture = picture.resize((width, height), Image.Resampling(resample))
        resized[row] = np.asarray(picture).reshape(height, width, -1)
    return resized


def _cropped(images: Array, size: Mapping[str, int]) -> Array:
    height, width = size["height"], size["width"]
    if images.shape[1] < height or images.shape[2] < width:
        raise PermanentError(
            "input_shape",
            f"do_center_crop cuts {height} x {width} out of images of "
            f"{images.shape[1]} x {images.shape[2]}",
        )
    top, left = (images.shape[1] - height) // 2, (images.shape[2] - width) // 2
    return images[:, top : top + height, left : left + width]


def _normalised(images: Array, mean: list[float], std: list[float]) -> NDArray[np.float32]:
    if len(mean) not in (1, images.shape[3]):
        raise PermanentError(
            "input_shape",
            f"image_mean has {len(mean)} channels where the samples have {images.shape[3]}",
        )
    centred = images.astype(np.float32) - np.asarray(mean, dtype=np.float32)
    return centred / np.asarray(std, dtype=np.float32)


def _as_dtype(inputs: Array, dtype: str) -> Array:
    """Return ``inputs`` as the graph's dtype if no value changes by it."""
    if inputs.dtype == dtype:
        return inputs
    cast = inputs.astype(dtype) if _fits(inputs, dtype) else None
    if cast is None:
        raise PermanentError(
            "input_dtype",
            f"the samples are {inputs.dtype} where {dtype} is needed, and some of their values "
            "would change; state the conversion as preprocessing",
        )
    return cast


def _fits(inputs: Array, dtype: str) -> bool:
    if dtype == "float32":
        return inputs.dtype == np.uint8
    whole = np.isfinite(inputs).all() and (inputs == np.floor(inputs)).all()
    return bool(whole and (inputs >= 0).all() and (inputs <= 255).all())
