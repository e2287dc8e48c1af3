"""From the body of a request to a query that is well formed."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from compat.metadata import fault_of
from workers.indexing.protocol import Vectors
from workers.serving.errors import SearchError

DEFAULT_K = 10
LARGEST_K = 1000
LARGEST_VERSIONS = 16
KINDS = ("vector", "vectors", "input", "item_id")


@dataclass(frozen=True)
class Query:
    """What is asked: exactly one of ``vectors``, ``sample`` and ``item_id`` is there.

    Attributes:
        k: how many hits, 1 to ``LARGEST_K``.
        vectors: (1, D) float32 by the version that made it, as ``model:number``.
        sample: (1, ...) uint8 or float32, for every encoder of the live view.
        item_id: an item of the gallery, whose stored vector is used.
        where: only items whose metadata equal it in every name that it has.
    """

    k: int
    vectors: Mapping[str, Vectors] = field(default_factory=dict)
    sample: NDArray[np.generic] | None = None
    item_id: str = ""
    where: Mapping[str, Any] = field(default_factory=dict)


def parse(body: bytes) -> Query:
    """Return the query in a request's body.

    Raises:
        SearchError: ``invalid_json``, ``invalid_query``, ``invalid_filter``, ``invalid_k``,
            ``input_shape``, ``not_finite``.
    """
    return query_of(json_of(body))


def json_of(body: bytes) -> Any:
    """Return what a body says, or raise ``invalid_json``."""
    try:
        return json.loads(body)
    except (ValueError, RecursionError) as exc:
        raise SearchError("invalid_json", f"the body is no JSON: {exc}") from None


def query_of(asked: Any) -> Query:
    """Return the query that an object asks for; raises what ``parse`` does but for its form."""
    kind = _kind(asked)
    where = asked.get("filter", {})
    if fault := fault_of(where):
        raise SearchError("invalid_filter", fault)
    return replace(_asked(kind, asked), where=where)


def _asked(kind: str, asked: dict[str, Any]) -> Query:
    k = asked.get("k", DEFAULT_K)
    if type(k) is not int or not 1 <= k <= LARGEST_K:
        raise SearchError("invalid_k", f"k is a whole number from 1 to {LARGEST_K}")
    if kind == "vector":
        return Query(k, vectors={asked["producer"]: _vector(asked["vector"])})
    if kind == "vectors":
        return Query(k, vectors=_vectors(asked["vectors"]))
    if kind == "input":
        return Query(k, sample=_sample(asked["input"]))
    return Query(k, item_id=asked["item_id"])


def _kind(asked: Any) -> str:
    """Return which of the three is asked for, after checking that it is one of them alone."""
    given = [kind for kind in KINDS if isinstance(asked, dict) and kind in asked]
    if len(given) != 1:
        raise SearchError("invalid_query", f"an object with exactly one of {', '.join(KINDS)}")
    texts = {"vector": ("producer",), "item_id": ("item_id",)}.get(given[0], ())
    if unknown := sorted(set(asked) - {"k", "filter", given[0], *texts}):
        raise SearchError("invalid_query", f"{unknown[0][:50]!r} does not go with {given[0]}")
    if not all(isinstance(asked.get(name), str) and asked[name] for name in texts):
        raise SearchError("invalid_query", f"{given[0]} needs the text {texts[0]}")
    return given[0]


def _vector(value: Any) -> Vectors:
    if not isinstance(value, list) or not all(type(number) in {int, float} for number in value):
        raise SearchError("invalid_query", "a vector is a list of numbers")
    try:
        return _float32(np.array([value], dtype=np.float64))
    except OverflowError:
        raise _not_finite() from None


def _vectors(value: Any) -> dict[str, Vectors]:
    if not isinstance(value, dict) or not value or len(value) > LARGEST_VERSIONS:
        raise SearchError(
            "invalid_query", f"vectors are an object by version, 1 to {LARGEST_VERSIONS} of them"
        )
    return {producer: _vector(vector) for producer, vector in value.items()}


def _sample(value: Any) -> NDArray[np.generic]:
    """Return one sample; whole numbers from 0 to 255 are pixels, as an evaluation set has them."""
    try:
        sample = np.asarray([value])
    except (ValueError, TypeError):  # lists of unequal lengths
        sample = np.empty(0, dtype=object)
    if sample.dtype.kind not in "iuf":
        raise SearchError("input_shape", "an input is numbers in nested lists of one shape")
    if sample.dtype.kind != "f" and ((sample >= 0) & (sample <= 255)).all():
        return sample.astype(np.uint8)
    return _float32(sample)


def _float32(numbers: NDArray[np.generic]) -> NDArray[np.float32]:
    with np.errstate(over="ignore"):  # what is too large becomes infinite and is refused as such
        numbers = numbers.astype(np.float32)
    if not np.isfinite(numbers).all():
        raise _not_finite()
    return numbers


def _not_finite() -> SearchError:
    return SearchError("not_finite", "a number is not finite in float32")
