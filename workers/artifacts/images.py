"""Decode uploaded images: PNG and JPEG, eight bits, nothing else."""

import io
import warnings

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from workers.errors import PermanentError

Image.MAX_IMAGE_PIXELS = None  # the cap below comes first, and says which row

FORMATS = ("PNG", "JPEG")
GREY = ("L", "1", "LA")
COLOUR = ("RGB", "RGBA", "P", "PA", "CMYK", "YCbCr")

BROKEN = (
    UnidentifiedImageError,
    OSError,
    SyntaxError,  # Pillow's PNG reader raises it for a broken chunk
    ValueError,
    EOFError,
)


def decode(encoded: bytes, *, max_pixels: int, row: int) -> NDArray[np.uint8]:
    """Return (height, width) for a grey image, else (height, width, 3); alpha is dropped.

    Raises:
        PermanentError: ``not_an_image``, ``too_large``.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return _decode(encoded, max_pixels, row)
    except BROKEN as exc:
        raise PermanentError(
            "not_an_image", f"the image in row {row} is not a readable PNG or JPEG: {exc}"
        ) from None


def _decode(encoded: bytes, max_pixels: int, row: int) -> NDArray[np.uint8]:
    with Image.open(io.BytesIO(encoded), formats=FORMATS) as image:
        if image.width * image.height > max_pixels:
            raise PermanentError(
                "too_large",
                f"the image in row {row} has {image.width} x {image.height} pixels; at most "
                f"{max_pixels} are taken",
            )
        if image.mode not in GREY + COLOUR:
            raise PermanentError(
                "not_an_image",
                f"the image in row {row} has mode {image.mode}; eight bits a channel are taken",
            )
        return np.asarray(image.convert("L" if image.mode in GREY else "RGB"))
