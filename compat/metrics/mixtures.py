"""Galleries in which some vectors are the new version's already: what a backfill passes through."""

import hashlib
from collections.abc import Mapping

import numpy as np

from compat.errors import ShapeError

SEED = "mixture-1"
"""Chosen once: the same ids are new in every comparison."""

MIXTURES: Mapping[str, float] = {"mixed25": 0.25, "mixed50": 0.5, "mixed75": 0.75}
"""Share of new vectors in the gallery, by its name."""


def mixtures(
    old: np.ndarray, new: np.ndarray, ids: np.ndarray, is_gallery: np.ndarray
) -> dict[str, np.ndarray]:
    """Return embeddings whose gallery rows are partly new, for each of ``MIXTURES``.

    Which rows are new depends on their ids alone, by a hash: not on the order of rows. A row that
    is new in one mixture is new in each greater one, as in a backfill.

    Args:
        old: (n, D) embeddings of the old version.
        new: (n, D) embeddings of the new version.
        ids: (n,) ids of the samples, all different.
        is_gallery: (n,) bool.

    Returns:
        By name, (n, D) embeddings; the old ones alone where the dimensions differ, so that the new
        version's queries cannot be asked of them either.

    Raises:
        ShapeError: lengths differ.

    Example:
        >>> old, new, ids = np.zeros((4, 1)), np.ones((4, 1)), np.array(["a", "b", "c", "d"])
        >>> made = mixtures(old, new, ids, np.ones(4, dtype=bool))
        >>> {name: float(vectors.sum()) for name, vectors in made.items()}
        {'mixed25': 1.0, 'mixed50': 2.0, 'mixed75': 3.0}
    """
    if len({len(old), len(new), len(ids), len(is_gallery)}) != 1:
        raise ShapeError(f"embeddings are {old.shape} and {new.shape}, ids {ids.shape}")
    if old.shape != new.shape:
        return dict.fromkeys(MIXTURES, old)
    gallery = np.flatnonzero(is_gallery)
    in_order = gallery[np.argsort([_hash(name) for name in ids[gallery].tolist()], kind="stable")]
    made = {}
    for name, share in MIXTURES.items():
        is_new = np.zeros(len(ids), dtype=bool)
        is_new[in_order[: round(share * len(gallery))]] = True
        made[name] = np.where(is_new[:, None], new, old)
    return made


def _hash(name: object) -> bytes:
    return hashlib.blake2b(f"{SEED}:{name}".encode(), digest_size=16).digest()
