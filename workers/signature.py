"""What the layers of the workers need to know of a manifest, which has been validated before."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Signature:
    """What a version takes and gives.

    Attributes:
        input_name, input_dtype, input_shape: the graph's input, without the batch axis; the name
            is empty where only recorded outputs exist.
        preprocessing: steps before the graph, or ``None``.
        output_name: the graph's output.
        width: columns of the output: classes, or dimensions.
        classes: names of the output columns; empty for an embedding.
        unit_length: whether the registry scales each embedding to length one.
    """

    input_name: str
    input_dtype: str
    input_shape: tuple[int, ...]
    preprocessing: Mapping[str, Any] | None
    output_name: str
    width: int
    classes: tuple[str, ...]
    unit_length: bool

    @classmethod
    def of(cls, manifest: Mapping[str, Any]) -> "Signature":
        """Return the signature that ``manifest`` states."""
        taken = manifest.get("input", {"name": "", "dtype": "float32", "shape": []})
        given = manifest["output"]
        classes = tuple(given.get("classes", ()))
        return cls(
            input_name=taken["name"],
            input_dtype=taken["dtype"],
            input_shape=tuple(taken["shape"]),
            preprocessing=manifest.get("preprocessing"),
            output_name=given["name"],
            width=len(classes) or given["dimension"],
            classes=classes,
            unit_length=given.get("normalisation") == "l2",
        )

    @property
    def task(self) -> str:
        return "classification" if self.classes else "embedding"
