"""The arrays that workers keep: canonical evaluation sets, and outputs."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

SLICE = "slice:"

CLASS = "class"
"""Stands for the true class in the names of slices, so no column may be called so."""


@dataclass(frozen=True)
class CanonicalSet:
    """An evaluation set as every comparison reads it; see ``docs/formats.md``.

    Attributes:
        ids: (n,) unicode.
        labels: (n,) int64, an index into ``classes``.
        classes: (C,) unicode, sorted.
        is_query, is_gallery: (n,) bool; all false for classification.
        pinned: (n,) bool.
        inputs: (n, ...) uint8 or float32, or ``None``.
        identities: (n,) int64, or ``None``.
        severities: (n,) float32 >= 0, how much a flip of each sample weighs, or ``None``.
        slices: (n,) unicode for each slice column; an empty string is no value.
    """

    ids: NDArray[np.str_]
    labels: NDArray[np.int64]
    classes: NDArray[np.str_]
    is_query: NDArray[np.bool_]
    is_gallery: NDArray[np.bool_]
    pinned: NDArray[np.bool_]
    inputs: NDArray[np.generic] | None
    identities: NDArray[np.int64] | None
    slices: dict[str, NDArray[np.str_]]
    severities: NDArray[np.float32] | None = None

    def write(self, path: Path) -> None:
        """Write the set; equal sets make equal files."""
        arrays = {
            name: getattr(self, name)
            for name in ("ids", "labels", "classes", "is_query", "is_gallery", "pinned")
        }
        for name in ("inputs", "identities", "severities"):
            if getattr(self, name) is not None:
                arrays[name] = getattr(self, name)
        arrays |= {SLICE + name: values for name, values in sorted(self.slices.items())}
        np.savez(path, allow_pickle=False, **arrays)

    @classmethod
    def read(cls, path: Path, *, inputs: bool = True) -> "CanonicalSet":
        """Return the set in ``path``, which a worker wrote; without its inputs if so asked."""
        with np.load(path, allow_pickle=False) as kept:
            return cls(
                ids=kept["ids"],
                labels=kept["labels"],
                classes=kept["classes"],
                is_query=kept["is_query"],
                is_gallery=kept["is_gallery"],
                pinned=kept["pinned"],
                inputs=kept["inputs"] if inputs and "inputs" in kept else None,
                identities=kept.get("identities"),
                severities=kept.get("severities"),
                slices={
                    name.removeprefix(SLICE): kept[name]
                    for name in kept.files
                    if name.startswith(SLICE)
                },
            )


@dataclass(frozen=True)
class Outputs:
    """What one version puts out for one evaluation set; see ``docs/formats.md``.

    Attributes:
        ids: (n,) unicode, in the set's order.
        outputs: (n, D) float32; D is 0 where only class names were recorded.
        predicted: (n,) int64, or ``None`` for embeddings.
        repeat_rows: (m,) int64, rows that were run twice.
        repeat_outputs: (m, D) float32, their second outputs.
    """

    ids: NDArray[np.str_]
    outputs: NDArray[np.float32]
    predicted: NDArray[np.int64] | None
    repeat_rows: NDArray[np.int64]
    repeat_outputs: NDArray[np.float32]

    @classmethod
    def recorded(
        cls,
        ids: NDArray[np.str_],
        outputs: NDArray[np.float32],
        predicted: NDArray[np.int64] | None,
    ) -> "Outputs":
        """Return outputs that nobody can run again."""
        return cls(
            ids=ids,
            outputs=outputs,
            predicted=predicted,
            repeat_rows=np.empty(0, dtype=np.int64),
            repeat_outputs=np.empty((0, outputs.shape[1]), dtype=np.float32),
        )

    def write(self, path: Path) -> None:
        """Write the outputs; equal outputs make equal files."""
        arrays = {
            "ids": self.ids,
            "outputs": self.outputs,
            "repeat_rows": self.repeat_rows,
            "repeat_outputs": self.repeat_outputs,
        }
        if self.predicted is not None:
            arrays["predicted"] = self.predicted
        np.savez(path, allow_pickle=False, **arrays)
