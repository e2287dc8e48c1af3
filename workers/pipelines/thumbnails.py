"""Small pictures of samples, for people who look through flips."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

SMALL = 64
"""Pixels: anything with no longer side is enlarged, so that a digit can be read."""

ENLARGED = 4
LARGEST = 256
LEAST_SIDE, GREATEST_SIDE = 4, 8192
"""Pixels: outside of these, an array is taken for numbers and not for a picture."""


def write_thumbnails(inputs: np.ndarray, rows: Sequence[int], folder: Path) -> set[int]:
    """Write ``thumbnails/<row>.png`` for some rows, if the inputs look like pictures.

    Grey levels of uint8 are shown as they are; of anything else, stretched from the least to the
    greatest number of all inputs.

    Args:
        inputs: (n, ...) samples; (H, W), (1, H, W), (3, H, W) and (H, W, 3) look like pictures.
        rows: which samples.
        folder: the thumbnails go to a folder inside it.

    Returns:
        The rows that were written.
    """
    if not len(rows) or not _looks_like_a_picture(inputs.shape[1:]):
        return set()
    low, high = (0.0, 255.0) if inputs.dtype == np.uint8 else _range(inputs)
    target = folder / "thumbnails"
    target.mkdir(exist_ok=True)
    for row in rows:
        grey = (inputs[row].astype(np.float64) - low) / (high - low or 1.0) * 255
        _sized(_picture(np.rint(grey).astype(np.uint8))).save(target / f"{row}.png")
    return set(rows)


def _range(inputs: np.ndarray) -> tuple[float, float]:
    return float(inputs.min()), float(inputs.max())


def _looks_like_a_picture(shape: tuple[int, ...]) -> bool:
    if len(shape) == 2:
        sides = shape
    elif len(shape) == 3 and shape[0] in (1, 3):
        sides = shape[1:]
    elif len(shape) == 3 and shape[2] == 3:
        sides = shape[:2]
    else:
        return False
    return all(LEAST_SIDE <= side <= GREATEST_SIDE for side in sides)


def _picture(pixels: np.ndarray) -> Image.Image:
    if pixels.ndim == 3 and pixels.shape[0] == 1:
        pixels = pixels[0]
    elif pixels.ndim == 3 and pixels.shape[0] == 3:
        pixels = pixels.transpose(1, 2, 0)
    return Image.fromarray(np.ascontiguousarray(pixels))


def _sized(picture: Image.Image) -> Image.Image:
    if max(picture.size) <= SMALL:
        width, height = picture.size
        return picture.resize((width * ENLARGED, height * ENLARGED), Image.Resampling.NEAREST)
    picture.thumbnail((LARGEST, LARGEST))
    return picture
