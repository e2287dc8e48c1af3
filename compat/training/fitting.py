"""One seeded training loop for every recipe: AdamW, one rise and fall of the learning rate."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import torch
from torch import Tensor, nn


@dataclass(frozen=True)
class Schedule:
    """How long and how hard to train.

    Attributes:
        epochs: passes over the rows.
        batch: rows in one step.
        rate: highest learning rate; it rises for the first 30 % of the steps and falls to zero.
        decay: decoupled weight decay.
    """

    epochs: int
    batch: int = 64
    rate: float = 2e-3
    decay: float = 1e-4


def fit(
    parameters: Iterable[nn.Parameter],
    rows: int,
    loss_of: Callable[[Tensor], Tensor],
    schedule: Schedule,
    seed: int,
) -> None:
    """Minimise ``loss_of(rows of one batch)`` over ``parameters``, in place.

    The order of the rows is the only randomness here and comes from ``seed`` alone.

    Args:
        parameters: what is learned.
        rows: number of training rows.
        loss_of: (B,) row numbers -> scalar loss.
        schedule: length, batch and rates.
        seed: of the order of rows.
    """
    learned = list(parameters)
    optimiser = torch.optim.AdamW(learned, lr=schedule.rate, weight_decay=schedule.decay)
    steps = schedule.epochs * -(-rows // schedule.batch)
    rate = torch.optim.lr_scheduler.OneCycleLR(optimiser, schedule.rate, total_steps=steps)
    generator = torch.Generator().manual_seed(seed)
    for _ in range(schedule.epochs):
        for batch in torch.randperm(rows, generator=generator).split(schedule.batch):
            loss = loss_of(batch)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            rate.step()
