"""A small query network for a gallery that a big network made.

The weights side is the paper's (Duggal et al., CVPR 2021, arXiv 2105.06047): train the small
network against the gallery model's frozen classifier. The architecture side is a stand-in for
its CMP-NAS, and no more: a handful of widths is trained in full and the best one under a cost
limit is taken, where the paper searches a super-network.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from compat.errors import UndefinedMeasureError


def multiply_adds(network: nn.Module, sample: Tensor) -> int:
    """Return multiplications of one sample in the linear and convolutional layers.

    Biases and activations are not counted; papers that say FLOPs often mean this number.

    Args:
        network: (1, ...) -> (1, D).
        sample: (1, ...) one input; only its shape matters.
    """
    counted = 0

    def count(layer: nn.Module, _: tuple[Tensor, ...], output: Tensor) -> None:
        nonlocal counted
        counted += output[0].numel() * layer.weight[0].numel()

    layers = [m for m in network.modules() if isinstance(m, nn.Linear | nn.Conv2d)]
    hooks = [layer.register_forward_hook(count) for layer in layers]
    try:
        with torch.no_grad():
            network(sample)
    finally:
        for hook in hooks:
            hook.remove()
    return counted


@dataclass(frozen=True)
class Candidate:
    """One trained query network, measured on a development split.

    Attributes:
        width: what was varied.
        cost: multiplications of one query.
        cross: accuracy of its queries on the big network's gallery.
        own: accuracy of its queries on its own gallery.
    """

    width: int
    cost: int
    cross: float
    own: float

    @property
    def reward(self) -> float:
        """Cross accuracy times own: compatible with the gallery, and good by itself (chosen)."""
        return self.cross * self.own

    @property
    def is_valid(self) -> bool:
        """Whether the big gallery is worth having: cross accuracy exceeds own."""
        return self.cross > self.own


def sweep(
    widths: Sequence[int],
    train: Callable[[int], nn.Module],
    measure: Callable[[nn.Module], tuple[float, float]],
    sample: Tensor,
) -> list[Candidate]:
    """Train and measure one query network a width.

    Args:
        widths: to try.
        train: width -> network trained with ``bct.influence_loss`` on the gallery's frozen head.
        measure: network -> (cross, own) accuracy on development data.
        sample: (1, ...) one input, for the cost.
    """
    candidates = []
    for width in widths:
        network = train(width)
        cross, own = measure(network)
        candidates.append(Candidate(width, multiply_adds(network, sample), cross, own))
    return candidates


def choose(candidates: Sequence[Candidate], cost_limit: int) -> Candidate:
    """Return the candidate with the highest reward within the limit; ties go to the cheaper.

    Raises:
        UndefinedMeasureError: every candidate costs more.
    """
    affordable = [c for c in candidates if c.cost <= cost_limit]
    if not affordable:
        raise UndefinedMeasureError(f"no candidate costs at most {cost_limit} multiplications")
    return max(affordable, key=lambda c: (c.reward, -c.cost))
