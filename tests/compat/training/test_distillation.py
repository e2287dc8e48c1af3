"""Distillation losses against formulas written out in plain Python."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from compat.errors import ShapeError
from compat.training.distillation import (
    Distance,
    distillation_loss,
    focal_weights,
    logit_distance,
    softened_divergence,
)


def softmax(logits, temperature):
    powers = [math.exp(z / temperature) for z in logits]
    return [p / sum(powers) for p in powers]


def divergence_oracle(new, old, temperature):
    p, q = softmax(old, temperature), softmax(new, temperature)
    terms = (a * math.log(a / b) for a, b in zip(p, q, strict=True) if a > 0)
    return temperature**2 * sum(terms)


def loss_oracle(new, old, labels, mix, alpha, beta, temperature, distance):
    total = 0.0
    for z, o, y in zip(new, old, labels, strict=True):
        if distance is Distance.KL:
            apart = divergence_oracle(z, o, temperature)
        else:
            apart = sum((a - b) ** 2 for a, b in zip(z, o, strict=True)) / len(z) / 2
        weight = alpha + beta * (max(range(len(o)), key=o.__getitem__) == y)
        total += (1 - mix) * -math.log(softmax(z, 1)[y]) + mix * weight * apart
    return total / len(labels)


def logits():
    return arrays.arrays("float64", (4, 3), elements=st.floats(-8, 8))


@given(
    new=logits(),
    old=logits(),
    labels=st.lists(st.integers(0, 2), min_size=4, max_size=4),
    mix=st.floats(0, 1),
    alpha=st.floats(0, 2),
    beta=st.floats(0, 6),
    temperature=st.floats(0.5, 10),
    distance=st.sampled_from(Distance),
)
def test_the_loss_agrees_with_its_formula(
    new, old, labels, mix, alpha, beta, temperature, distance
):
    got = distillation_loss(
        torch.tensor(new),
        torch.tensor(old),
        torch.tensor(labels),
        mix=mix,
        alpha=alpha,
        beta=beta,
        temperature=temperature,
        distance=distance,
    ).item()

    wanted = loss_oracle(
        new.tolist(), old.tolist(), labels, mix, alpha, beta, temperature, distance
    )
    assert got == pytest.approx(wanted, rel=1e-9, abs=1e-9)


def some_logits(seed: int) -> torch.Tensor:
    return torch.randn(6, 3, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


LABELS = torch.tensor([0, 1, 2, 0, 1, 2])


def test_without_beta_focal_distillation_is_plain_distillation():
    new, old = some_logits(1), some_logits(2)

    got = distillation_loss(new, old, LABELS, mix=0.4, alpha=1, beta=0)

    plain = (
        0.6 * torch.nn.functional.cross_entropy(new, LABELS)
        + 0.4
        * torch.nn.functional.kl_div(
            (new / 2).log_softmax(1), (old / 2).softmax(1), reduction="batchmean"
        )
        * 4
    )
    assert got.item() == pytest.approx(plain.item())


def test_without_alpha_only_what_the_old_model_gets_right_is_distilled():
    new, old = some_logits(1).requires_grad_(), some_logits(2)

    distillation_loss(new, old, LABELS, mix=1, alpha=0, beta=1).backward()

    moved = new.grad.abs().sum(dim=1) > 0
    assert moved.tolist() == (old.argmax(dim=1) == LABELS).tolist()


def test_a_copy_of_the_old_model_pays_nothing_for_distillation():
    old = some_logits(2)

    for distance in Distance:
        paid = distillation_loss(old, old, LABELS, mix=1, alpha=1, beta=5, distance=distance)
        assert paid.item() == pytest.approx(0, abs=1e-12)


def test_a_constant_added_to_the_logits_moves_only_the_logit_distance():
    old = some_logits(2)

    assert softened_divergence(old + 3, old, 2.0).tolist() == pytest.approx([0] * 6, abs=1e-12)
    assert logit_distance(old + 3, old).tolist() == pytest.approx([4.5] * 6)


def test_hopeless_old_logits_stay_finite():
    new = torch.tensor([[0.0, 0.0]], requires_grad=True)

    loss = distillation_loss(
        new, torch.tensor([[2000.0, -2000.0]]), torch.tensor([0]), mix=1, temperature=1
    )
    loss.backward()

    assert loss.item() == pytest.approx(math.log(2))
    assert new.grad.isfinite().all()


def test_focal_weights_are_two_valued():
    weights = focal_weights(torch.tensor([[1.0, 2.0], [2.0, 1.0]]), torch.tensor([1, 1]), 0.5, 4)

    assert weights.tolist() == [4.5, 0.5]


@pytest.mark.parametrize(("alpha", "beta"), [(-1, 0), (0, -1)])
def test_negative_weights_are_refused(alpha, beta):
    with pytest.raises(ShapeError, match="negative"):
        focal_weights(some_logits(1), LABELS, alpha, beta)


@pytest.mark.parametrize("mix", [-0.1, 1.1])
def test_a_share_outside_the_unit_interval_is_refused(mix):
    with pytest.raises(ShapeError, match="share"):
        distillation_loss(some_logits(1), some_logits(2), LABELS, mix=mix)


def test_logits_of_other_classes_are_refused():
    with pytest.raises(ShapeError, match="logits"):
        distillation_loss(some_logits(1), some_logits(2)[:, :2], LABELS, mix=0.5)
