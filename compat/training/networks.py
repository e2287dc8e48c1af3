"""Named architectures: plain sequences of layers that any version can be rebuilt from.

Every network is a ``torch.nn.Sequential`` of Conv2d, Linear, Flatten and (leaky) ReLU, so that
weights alone say everything else and a graph can be written without tracing.
"""

from collections.abc import Callable

import torch
from torch import nn

from compat.errors import ShapeError


def mlp(inputs: int, hidden: tuple[int, ...], outputs: int, slope: float = 0.0) -> nn.Sequential:
    """Return a perceptron on flattened samples.

    Args:
        inputs: numbers in one sample.
        hidden: width of each hidden layer, first to last.
        outputs: width of the last layer, which has no activation.
        slope: negative slope of the activation; 0 is ReLU.

    Returns:
        A network (B, ...) -> (B, outputs).
    """
    layers: list[nn.Module] = [nn.Flatten()]
    width = inputs
    for wanted in hidden:
        layers += [nn.Linear(width, wanted), _activation(slope)]
        width = wanted
    return nn.Sequential(*layers, nn.Linear(width, outputs))


def convnet(side: int, channels: int, hidden: int, outputs: int) -> nn.Sequential:
    """Return two convolutions of stride 2 and two linear layers, on images of one channel.

    Args:
        side: height and width of an image, a multiple of 4.
        channels: width of the first convolution; the second has twice as many.
        hidden: width of the hidden linear layer.
        outputs: width of the last layer, which has no activation.

    Returns:
        A network (B, 1, side, side) -> (B, outputs).

    Raises:
        ShapeError: ``side`` is no multiple of 4.
    """
    if side % 4:
        raise ShapeError(f"the side of an image must be a multiple of 4, not {side}")
    return nn.Sequential(
        nn.Conv2d(1, channels, 5, stride=2, padding=2),
        nn.ReLU(),
        nn.Conv2d(channels, 2 * channels, 3, stride=2, padding=1),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(2 * channels * (side // 4) ** 2, hidden),
        nn.ReLU(),
        nn.Linear(hidden, outputs),
    )


ARCHITECTURES: dict[str, Callable[[int], nn.Sequential]] = {
    "digits-mlp-64": lambda outputs: mlp(64, (64, 32), outputs),
    "digits-mlp-128": lambda outputs: mlp(64, (128,), outputs),
    "mnist-conv-16": lambda outputs: convnet(28, 16, 64, outputs),
}
"""Each named architecture, by the width of its output."""


def build(architecture: str, outputs: int, seed: int) -> nn.Sequential:
    """Return a freshly initialised network; the same seed gives the same weights.

    The global random state is left as it was found.

    Raises:
        ShapeError: there is no architecture of that name.
    """
    if architecture not in ARCHITECTURES:
        raise ShapeError(f"no architecture {architecture!r}; known: {sorted(ARCHITECTURES)}")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return ARCHITECTURES[architecture](outputs)


def parameter_count(network: nn.Module) -> int:
    """Return how many numbers the network learns."""
    return sum(p.numel() for p in network.parameters())


def _activation(slope: float) -> nn.Module:
    return nn.LeakyReLU(slope) if slope else nn.ReLU()
