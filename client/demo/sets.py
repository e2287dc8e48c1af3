"""Write the judged images as evaluation sets, in both upload formats of docs/formats.md."""

import io
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from client.demo.data import Images, ink


def write_digits(images: Images, ink_threshold: float, path: Path) -> None:
    """Write an NPZ of an embedding set: every image is a query and a gallery item."""
    np.savez(
        path,
        id=images.ids,
        input=images.pixels,
        label=images.labels.astype(str),
        role=np.full(len(images), "both"),
        ink=ink(images, ink_threshold),
    )


def write_mnist(images: Images, ink_threshold: float, path: Path) -> None:
    """Write a Parquet file of a classification set, its images as PNG."""
    table = pa.table(
        {
            "id": images.ids,
            "image": [_png(p) for p in images.pixels],
            "label": images.labels.astype(str),
            "ink": ink(images, ink_threshold),
        }
    )
    pq.write_table(table, path)


def _png(pixels: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "png")
    return buffer.getvalue()
