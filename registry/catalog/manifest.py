"""The manifest of a version: validation, canonical form, version digest; no database."""

import hashlib
import json
import math
from collections.abc import Iterable, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator, ValidationError
from jsonschema.exceptions import relevance

SCHEMA_PATH = Path(__file__).with_name("manifest.schema.json")

MAX_SAMPLE_NUMBERS = 2**26
"""Numbers in one sample (chosen): 256 MiB of float32, far above any image model."""

SIZED_BY = (("do_center_crop", "crop_size"), ("do_resize", "size"))
"""The last step that is switched on decides the height and width of what the graph gets."""

MAX_DEPTH = 8
"""Levels of nesting; the deepest place that the schema knows has four."""


class ManifestError(Exception):
    """A manifest is not valid; ``path`` says where, empty for the document itself."""

    def __init__(self, path: str, detail: str) -> None:
        super().__init__(f"{path}: {detail}" if path else detail)
        self.path = path
        self.detail = detail


@cache
def schema() -> dict[str, Any]:
    """Return the JSON schema, as it is served to clients."""
    return json.loads(SCHEMA_PATH.read_text(encoding="utf-8"))


def validate(document: object) -> dict[str, Any]:
    """Return ``document`` with numbers in canonical form (2.0 becomes 2), if it is valid.

    Raises:
        ManifestError: it is not; the error names the first place that is wrong.
    """
    _require_plain(document)
    errors = Draft202012Validator(schema()).iter_errors(document)
    first = min(errors, key=_deepest_first, default=None)
    if first is not None:
        raise ManifestError(_dotted(first.absolute_path), _in_words(first))
    manifest = _canonical(document)
    if "classes" in manifest["output"]:
        _require_distinct(manifest["output"]["classes"])
    if "input" in manifest:
        _require_modest(manifest["input"]["shape"])
    if "preprocessing" in manifest:
        _require_image(manifest["input"]["shape"], manifest["preprocessing"])
    return manifest


def canonical_json(document: object) -> str:
    """Return the one spelling of ``document``: sorted keys, no spaces, 1.0 written as 1."""
    return json.dumps(
        _canonical(document),
        sort_keys=True,
        separators=(",", ":"),
        ensure_ascii=False,
        allow_nan=False,
    )


def version_digest(artifact_digest: str, manifest: object) -> str:
    """Return the digest that evidence cites: sha256 over artifact digest and manifest.

    ``artifact_digest`` is 64 hexadecimal digits, or empty for recorded outputs.
    """
    return hashlib.sha256(f"{artifact_digest}\n{canonical_json(manifest)}".encode()).hexdigest()


def _canonical(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _canonical(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_canonical(item) for item in value]
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
        return int(value)
    return value


def _require_plain(document: object) -> None:
    """Refuse what JSON schema lets through or stumbles over: NaN, infinities, deep nesting."""
    waiting: list[tuple[tuple[str | int, ...], Any]] = [((), document)]
    while waiting:
        path, value = waiting.pop()
        if isinstance(value, float) and not math.isfinite(value):
            raise ManifestError(_dotted(path), "must be a finite number")
        if len(path) > MAX_DEPTH:
            raise ManifestError(_dotted(path), f"is nested deeper than {MAX_DEPTH} levels")
        if isinstance(value, dict):
            waiting.extend(((*path, key), item) for key, item in value.items())
        elif isinstance(value, list):
            waiting.extend(((*path, index), item) for index, item in enumerate(value))


def _require_distinct(classes: Sequence[str]) -> None:
    seen: set[str] = set()
    for index, name in enumerate(classes):
        if name in seen:
            raise ManifestError(f"output.classes[{index}]", f"the class {name!r} is named twice")
        seen.add(name)


def _require_modest(shape: Sequence[int]) -> None:
    if math.prod(shape) > MAX_SAMPLE_NUMBERS:
        raise ManifestError(
            "input.shape", f"one sample may hold at most {MAX_SAMPLE_NUMBERS} numbers"
        )


def _require_image(shape: Sequence[int], steps: dict[str, Any]) -> None:
    """Preprocessing makes (channels, height, width); the graph's input must agree with it."""
    if len(shape) != 3 or shape[0] not in (1, 3):
        raise ManifestError(
            "input.shape",
            "preprocessing makes images: the shape must be [channels, height, width] "
            "with 1 or 3 channels",
        )
    if steps.get("do_convert_rgb") and shape[0] != 3:
        raise ManifestError("input.shape[0]", "do_convert_rgb makes 3 channels")
    made = next((key for flag, key in SIZED_BY if steps.get(flag)), None)
    if made and list(shape[1:]) != [steps[made]["height"], steps[made]["width"]]:
        raise ManifestError("input.shape", f"height and width must be those of {made}")
    if steps.get("do_normalize"):
        for key in ("image_mean", "image_std"):
            if len(steps[key]) not in (1, shape[0]):
                raise ManifestError(
                    f"preprocessing.{key}", f"must hold 1 number or one for each of {shape[0]}"
                )


def _deepest_first(error: ValidationError) -> tuple[Any, ...]:
    """Order errors so that the one a person can act on comes first."""
    return (-len(error.absolute_path), relevance(error), str(error.absolute_path))


def _dotted(path: Iterable[str | int]) -> str:
    parts = [f"[{part}]" if isinstance(part, int) else f".{part}" for part in path]
    return "".join(parts).removeprefix(".")


def _in_words(error: ValidationError) -> str:
    """Return jsonschema's message, without the instance where that may be long."""
    if error.validator is None or error.validator == "false":
        return "is not allowed here: recorded outputs have neither input nor preprocessing"
    if error.validator in ("minItems", "maxItems", "maxLength", "minLength", "not"):
        rule = error.validator_value
        return {
            "minItems": f"must have at least {rule} entries",
            "maxItems": f"must have at most {rule} entries",
            "minLength": f"must have at least {rule} characters",
            "maxLength": f"must have at most {rule} characters",
            "not": "must not hold control characters",
        }[error.validator]
    if error.validator == "type":
        return f"must be of type {error.validator_value}"
    return error.message[:300]
