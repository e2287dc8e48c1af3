"""Orthogonal Procrustes: the rotation, and the one scale, that bring one space onto another."""

import torch
from torch import Tensor

from compat.adapters.vector_map import VectorMap, require_pairs
from compat.errors import ShapeError


def fit_procrustes(sources: Tensor, targets: Tensor) -> VectorMap:
    """Return the rotation R and scale s that minimise sum ||s x R - y||^2 over the pairs.

    R is U V' of the singular value decomposition of X'Y, s the sum of its singular values over
    ||X||^2. A rotation keeps every distance among the sources, so it can neither repair nor spoil
    what the source encoder knows: it only says where in the target space that lies. Nothing is
    centred: inner products of embeddings are measured from the origin.

    Where D and E differ, the narrower side is thought of as padded with columns of zeros: the rows
    (D < E) or columns (D > E) of R are orthonormal. For D < E that is the least-squares minimum
    among such maps; for D > E it is the minimum of the padded problem, which counts what R drops of
    the sources as an error as well.

    Args:
        sources: (n, D) float32, finite. With fewer pairs than min(D, E) directions that no pair
            shows are turned arbitrarily.
        targets: (n, E) float32, finite; row i is of the same item as row i of ``sources``.

    Returns:
        A map whose ``linear`` is s R and whose ``bias`` is zero.

    Raises:
        ShapeError: another rank, length or dtype than stated, or every source is zero.

    Example:
        >>> x = torch.eye(2)
        >>> fit_procrustes(x, torch.tensor([[0.0, 2.0], [-2.0, 0.0]])).linear.round().tolist()
        [[0.0, 2.0], [-2.0, 0.0]]

    Source: Schoenemann, Psychometrika 31, 1966; as an adapter: arXiv 2509.23471.
    """
    require_pairs(sources, targets)
    x, y = sources.double(), targets.double()
    length = x.square().sum()
    if not length:
        raise ShapeError("every source is zero: there is nothing to turn")
    left, singular, right = torch.linalg.svd(x.T @ y, full_matrices=False)
    rotation = left @ right * (singular.sum() / length)
    return VectorMap(rotation.float(), torch.zeros(y.shape[1]))
