"""Compatibility losses against formulas written out in plain Python."""

import math

import pytest
import torch

from compat.errors import ShapeError, UndefinedMeasureError
from compat.training.bct import alignment_loss, bct_loss, influence_loss
from compat.training.heads import CosineHead, fresh_head, frozen_head, synthesised_rows

GENERATOR_SEED = 5


def some(*shape: int, seed: int = GENERATOR_SEED) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def a_frozen_head(classes: int = 3, dimension: int = 4, scale: float = 12.0) -> CosineHead:
    return frozen_head(CosineHead(some(classes, dimension, seed=9), scale))


def cosine(a: list[float], b: list[float]) -> float:
    return (
        sum(x * y for x, y in zip(a, b, strict=True))
        / math.dist(a, [0] * len(a))
        / math.dist(b, [0] * len(b))
    )


def cross_entropy(logits: list[float], label: int) -> float:
    return math.log(sum(math.exp(z) for z in logits)) - logits[label]


def influence_oracle(embeddings, labels, rows, scale, dimension):
    losses = [
        cross_entropy([scale * cosine(e[:dimension], r) for r in rows], label)
        for e, label in zip(embeddings, labels, strict=True)
    ]
    return sum(losses) / len(losses)


@pytest.mark.parametrize("extra_dimensions", [0, 3])
def test_the_influence_loss_is_cross_entropy_on_the_first_old_dimensions(extra_dimensions):
    head, embeddings = a_frozen_head(), some(5, 4 + extra_dimensions)
    labels = [0, 2, 1, 1, 0]

    got = influence_loss(embeddings, torch.tensor(labels), head).item()

    wanted = influence_oracle(embeddings.tolist(), labels, head.weight.tolist(), 12.0, 4)
    assert got == pytest.approx(wanted)


def test_the_compatible_loss_is_the_weighted_sum_of_its_three_terms():
    new_head, old_head = fresh_head(3, 4, seed=1).double(), a_frozen_head()
    embeddings, old_embeddings = some(5, 4), some(5, 4, seed=6)
    labels = torch.tensor([0, 2, 1, 1, 0])
    unit_distance = [
        2 - 2 * cosine(a, b)
        for a, b in zip(embeddings.tolist(), old_embeddings.tolist(), strict=True)
    ]

    got = bct_loss(embeddings, labels, new_head, old_head, old_embeddings, 0.7, 3.0).item()

    rows, old_rows = new_head.weight.tolist(), old_head.weight.tolist()
    own = influence_oracle(embeddings.tolist(), labels.tolist(), rows, 12.0, 4)
    influence = influence_oracle(embeddings.tolist(), labels.tolist(), old_rows, 12.0, 4)
    assert got == pytest.approx(own + 0.7 * influence + 3.0 * sum(unit_distance) / 5)


def test_without_influence_and_alignment_the_old_model_does_not_matter():
    embeddings, labels = some(5, 4), torch.tensor([0, 2, 1, 1, 0])
    head = fresh_head(3, 4, seed=1).double()

    one = bct_loss(embeddings, labels, head, a_frozen_head(), some(5, 4, seed=6), 0.0, 0.0)
    other = bct_loss(embeddings, labels, head, a_frozen_head(scale=3), some(5, 4, seed=7), 0.0, 0.0)

    assert one.item() == other.item()


def test_alignment_does_not_see_lengths_and_is_four_at_the_opposite():
    embeddings = some(5, 4)

    assert alignment_loss(3 * embeddings, embeddings).item() == pytest.approx(0, abs=1e-12)
    assert alignment_loss(embeddings, -embeddings).item() == pytest.approx(4)


def test_the_gradient_reaches_the_new_embedding_and_never_the_old_head():
    embeddings, old_head = some(5, 4).requires_grad_(), a_frozen_head()

    influence_loss(embeddings, torch.tensor([0, 2, 1, 1, 0]), old_head).backward()

    assert embeddings.grad.abs().sum() > 0
    assert old_head.weight.grad is None


def test_a_head_that_still_learns_is_refused():
    head = CosineHead(some(3, 4))

    with pytest.raises(ShapeError, match="frozen"):
        influence_loss(some(2, 4), torch.tensor([0, 1]), head)


def test_an_embedding_shorter_than_the_old_is_refused():
    with pytest.raises(ShapeError, match="dimensions"):
        influence_loss(some(2, 3), torch.tensor([0, 1]), a_frozen_head(dimension=4))


def test_freezing_copies_the_head():
    head = CosineHead(some(3, 4))
    frozen = frozen_head(head)

    with torch.no_grad():
        head.weight.zero_()

    assert frozen.weight.abs().sum() > 0


def test_a_synthesised_row_is_the_mean_unit_embedding_of_its_class():
    embeddings, labels = some(6, 4), torch.tensor([0, 7, 0, 9, 7, 7])

    rows = synthesised_rows(embeddings, labels, [7, 9])

    unit = [[x / math.dist(e, [0] * 4) for x in e] for e in embeddings.tolist()]
    mean = [sum(unit[i][d] for i in (1, 4, 5)) / 3 for d in range(4)]
    assert rows[0].tolist() == pytest.approx(mean)
    assert rows[1].tolist() == pytest.approx(unit[3])


def test_a_class_without_images_has_no_row():
    with pytest.raises(UndefinedMeasureError, match="8"):
        synthesised_rows(some(2, 4), torch.tensor([0, 1]), [1, 8])


def test_labels_of_another_length_are_refused():
    with pytest.raises(ShapeError):
        synthesised_rows(some(3, 4), torch.tensor([0, 1]), [0])


def test_synthesised_rows_give_the_old_head_the_unseen_classes():
    old_embeddings = torch.tensor([[0.0, 0.0, 5.0], [0.0, 0.0, 2.0]])
    head = CosineHead(torch.tensor([[4.0, 0.0, 0.0], [0.0, 9.0, 0.0]]))

    grown = frozen_head(head, synthesised_rows(old_embeddings, torch.tensor([2, 2]), [2]))

    assert grown(torch.tensor([[0.0, 0.0, 1.0]])).argmax().item() == 2
    assert grown(torch.eye(3)).diagonal().tolist() == [12.0, 12.0, 12.0]
