"""How far a vector drifts without another encoder, and with one: python -m bench.drift.

The demo's own digits encoders, trained anew. Each row compares what ONNX Runtime makes in batches
of 256 on one thread with the same images embedded or stored in another way; the figures are those
of ``compat.metrics.drift``, over all images of the development part.
"""

import argparse
from collections.abc import Iterator

import numpy as np
import torch
from torch import nn

from bench.machine import print_table
from client.demo import data, recipes
from client.demo.graph import onnx_bytes
from compat.drift import TOLERANCE
from compat.metrics.drift import drifts
from workers.runners.onnx_runner import OnnxRunner

Array = np.ndarray


def embedded(network: nn.Sequential, pixels: Array, *, rows: int = 256, threads: int = 1) -> Array:
    """Return what the runner of the registry makes of images."""
    graph = onnx_bytes(network, (1, 8, 8), "embedding")
    runner = OnnxRunner(graph, recipes.embedder_manifest(), threads=threads)
    return runner.run(pixels, rows=rows)


def in_torch(network: nn.Sequential, images: data.Images, dtype: torch.dtype) -> Array:
    """Return what PyTorch makes of images in numbers of one kind."""
    with torch.no_grad():
        made = network.to(dtype)(recipes.as_input(images).to(dtype)).float().numpy()
    network.to(torch.float32)
    return made


def rounded(values: Array, bits: int) -> Array:
    """Return float32 numbers with so many bits of mantissa, as TF32 has 10."""
    kept = np.uint32(2**32 - 2 ** (23 - bits))
    halved = values.astype("<f4").view(np.uint32) + np.uint32(2 ** (22 - bits))
    return (halved & kept).view("<f4")


def as_tf32(network: nn.Sequential, images: data.Images) -> Array:
    """Return what a network makes of images when every product is of numbers rounded to TF32."""
    values = recipes.as_input(images)
    with torch.no_grad():
        for layer in network:
            if isinstance(layer, nn.Linear):
                weights = torch.from_numpy(rounded(layer.weight.numpy(), 10))
                values = torch.from_numpy(rounded(values.numpy(), 10)) @ weights.T + layer.bias
            else:
                values = layer(values)
    return values.numpy()


def as_bytes(vectors: Array) -> Array:
    """Return vectors as they are after being stored as a byte a number, scaled by their range."""
    low, high = vectors.min(axis=0), vectors.max(axis=0)
    step = (high - low) / 255
    return (np.rint((vectors - low) / step) * step + low).astype(np.float32)


def others(
    made: dict[int, recipes.Embedder], images: data.Images, seed: int
) -> Iterator[tuple[str, Array]]:
    """Yield the same images by other versions, the nearest of which is the same recipe again."""
    pixels = images.pixels
    yield "version 2, independent of 1", embedded(made[2].network, pixels)
    yield "version 3, compatible with 1", embedded(made[3].network, pixels)
    nudged = made[1].network
    for share in (0.001, 0.01, 0.1):
        generator = torch.Generator().manual_seed(seed)
        kept = [p.detach().clone() for p in nudged.parameters()]
        with torch.no_grad():
            for parameter in nudged.parameters():
                noise = torch.randn(parameter.shape, generator=generator)
                parameter.add_(noise * parameter.std() * share)
        yield f"version 1, weights moved by {share:g} of their spread", embedded(nudged, pixels)
        with torch.no_grad():
            for parameter, former in zip(nudged.parameters(), kept, strict=True):
                parameter.copy_(former)


def main(seed: int) -> None:
    """Train, embed in every way, print."""
    parts = data.digits_pool()
    with recipes.repeatable():
        made = recipes.train_embedders(parts, seed)
    images, network = parts.development, made[1].network
    pixels = images.pixels
    usual = embedded(network, pixels)
    same = {
        "the same again": embedded(network, pixels),
        "one row at a time": embedded(network, pixels, rows=1),
        "two threads": embedded(network, pixels, threads=2),
        "PyTorch, float32": in_torch(network, images, torch.float32),
        "products in TF32, imitated": as_tf32(network, images),
        "PyTorch, bfloat16": in_torch(network, images, torch.bfloat16),
        "stored as float16": usual.astype(np.float16),
        "stored as a byte a number": as_bytes(usual),
    }
    rows = []
    for name, vectors in [*same.items(), *others(made, images, seed)]:
        found = drifts(usual, np.asarray(vectors, dtype=np.float32), by_direction=True)
        over = float((found > TOLERANCE).mean())
        figures = (np.median(found), found.max())
        rows.append([name, *(f"{figure:.1e}" for figure in figures), f"{over:.3f}"])
    title = f"Drift of {len(images)} vectors, tolerance {TOLERANCE:g}"
    print_table(title, ("the same images", "median", "worst", "share over"), rows)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=0)
    main(parser.parse_args().seed)
