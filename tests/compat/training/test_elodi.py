"""Logit difference inhibition against its formula, and the ensembles it imitates."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from torch import nn

from compat.errors import ShapeError
from compat.training.elodi import elodi_loss, ensemble_logits, logit_difference_inhibition


def inhibition_oracle(logits, reference, power, margin, top):
    kept = []
    for z, e in zip(logits, reference, strict=True):
        chosen = sorted(range(len(e)), key=lambda c: -e[c])[: top or len(e)]
        kept += [max(abs(z[c] - e[c]) ** power - margin, 0) for c in chosen]
    return sum(kept) / len(kept)


def distinct_rows():
    rows = st.lists(st.integers(-50, 50), min_size=4, max_size=4, unique=True)
    return st.lists(rows.map(lambda row: [x / 10 for x in row]), min_size=3, max_size=3)


@given(
    logits=arrays.arrays("float64", (3, 4), elements=st.floats(-5, 5)),
    reference=distinct_rows(),
    power=st.floats(1, 3),
    margin=st.floats(0, 4),
    top=st.integers(0, 4),
)
def test_inhibition_agrees_with_its_formula(logits, reference, power, margin, top):
    got = logit_difference_inhibition(
        torch.tensor(logits), torch.tensor(reference, dtype=torch.float64), power, margin, top
    ).item()

    wanted = inhibition_oracle(logits.tolist(), reference, power, margin, top)
    assert got == pytest.approx(wanted, abs=1e-9)


def test_differences_within_the_margin_have_no_gradient():
    logits = torch.tensor([[1.5, 3.0]], requires_grad=True)

    logit_difference_inhibition(logits, torch.tensor([[1.0, 1.0]]), margin=1.0).backward()

    assert logits.grad[0, 0] == 0
    assert logits.grad[0, 1] > 0


def test_only_the_ensembles_highest_classes_count():
    reference = torch.tensor([[5.0, 4.0, 0.0]])

    far_in_the_last = torch.tensor([[5.0, 4.0, 90.0]])

    assert logit_difference_inhibition(far_in_the_last, reference, top=2).item() == 0
    assert logit_difference_inhibition(far_in_the_last, reference).item() == pytest.approx(2700)


def test_the_loss_mixes_cross_entropy_and_inhibition():
    logits, reference = torch.tensor([[1.0, 0.0]]), torch.tensor([[0.0, 0.0]])

    got = elodi_loss(logits, reference, torch.tensor([0]), mix=0.25).item()

    assert got == pytest.approx(0.75 * math.log(1 + math.exp(-1)) + 0.25 * 0.5)


def test_an_ensemble_is_the_mean_of_its_members_without_gradient():
    members = [nn.Linear(2, 2) for _ in range(3)]
    inputs = torch.tensor([[1.0, 2.0]])

    logits = ensemble_logits(members, inputs)

    mean = sum(member(inputs).detach() for member in members) / 3
    assert logits.tolist()[0] == pytest.approx(mean.tolist()[0])
    assert not logits.requires_grad


def test_an_ensemble_of_nobody_is_refused():
    with pytest.raises(ShapeError, match="member"):
        ensemble_logits([], torch.zeros(1, 2))


def test_more_classes_than_there_are_cannot_be_chosen():
    with pytest.raises(ShapeError, match="chosen"):
        logit_difference_inhibition(torch.zeros(1, 2), torch.zeros(1, 2), top=3)


def test_logits_of_other_classes_are_refused():
    with pytest.raises(ShapeError, match="logits"):
        logit_difference_inhibition(torch.zeros(1, 2), torch.zeros(1, 3))


def test_a_share_outside_the_unit_interval_is_refused():
    with pytest.raises(ShapeError, match="share"):
        elodi_loss(torch.zeros(1, 2), torch.zeros(1, 2), torch.tensor([0]), mix=2)
