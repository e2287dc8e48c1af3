"""Job: look into canaries that the owner of an index handed in."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from workers.errors import PermanentError
from workers.indexing.protocol import Distance
from workers.pipelines.check_canaries import read_canaries
from workers.runners.preprocessing import prepared
from workers.signature import Signature


def main(job: dict[str, Any], folder: Path, report: Callable[[int, int], None]) -> dict[str, Any]:
    """Return how many canaries there are, each of which can be embedded and compared.

    Raises:
        PermanentError: ``too_large``, ``zero_embedding``, and what reading canaries and preparing
            samples raises.
    """
    signature = Signature.of(job["manifest"])
    ids, inputs, vectors = read_canaries(folder / job["table"], signature)
    if len(ids) > job["most"]:
        raise PermanentError(
            "too_large", f"{len(ids)} canaries; at most {job['most']} are taken for a segment"
        )
    for one in inputs:
        prepared(one, signature)
    if job["manifest"]["output"]["distance"] == Distance.COSINE:
        lengths = np.linalg.norm(vectors.astype(np.float64), axis=1)
        if not lengths.all():
            raise PermanentError(
                "zero_embedding",
                f"the vector of {ids[int(np.argmin(lengths))]!r} is zero: it has no direction",
            )
    report(1, 1)
    return {"rows": len(ids)}
