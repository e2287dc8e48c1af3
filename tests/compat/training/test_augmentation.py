"""Jitter moves pixels as far as it says, and by its generator alone."""

import pytest
import torch

from compat.errors import ShapeError
from compat.training.augmentation import jitter


def seeded(seed: int = 1) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def a_dot(side: int = 9) -> torch.Tensor:
    image = torch.zeros(200, 1, side, side)
    image[:, :, side // 2, side // 2] = 1
    return image


def centre_of_mass(images: torch.Tensor) -> torch.Tensor:
    mass = images.sum(dim=(1, 2, 3))
    where = torch.arange(images.shape[2], dtype=images.dtype)
    row = (images.sum(dim=(1, 3)) * where).sum(dim=1) / mass
    column = (images.sum(dim=(1, 2)) * where).sum(dim=1) / mass
    return torch.stack([row, column], dim=1)


def test_no_jitter_is_the_image_itself():
    images = torch.rand(3, 2, 8, 8, generator=seeded())

    same = jitter(images, seeded(), degrees=0, shift=0, stretch=0)

    assert torch.allclose(same, images, atol=1e-5)


def test_a_shift_stays_within_its_pixels_and_uses_them():
    moved = centre_of_mass(jitter(a_dot(), seeded(), degrees=0, shift=2, stretch=0)) - 4

    assert 1.8 < moved.abs().max() < 2.01
    assert moved.mean(dim=0).abs().max() < 0.3


def test_a_turn_keeps_the_centre_in_place():
    turned = jitter(a_dot(), seeded(), degrees=45, shift=0, stretch=0)

    assert torch.allclose(centre_of_mass(turned), torch.full((200, 2), 4.0), atol=1e-3)


def test_a_turn_is_a_rotation_of_square_pixels():
    image = torch.zeros(400, 1, 41, 41)
    image[:, :, 20, 36] = 1

    arms = centre_of_mass(jitter(image, seeded(), degrees=30, shift=0, stretch=0)) - 20

    assert torch.allclose(arms.norm(dim=1), torch.full((400,), 16.0), atol=0.3)
    angles = torch.atan2(arms[:, 0], arms[:, 1]).rad2deg()
    assert 27 < angles.abs().max() < 31


def test_each_image_has_its_own_jitter_and_the_seed_repeats_it():
    images = torch.rand(1, 1, 8, 8, generator=seeded()).repeat(2, 1, 1, 1)

    jittered = jitter(images, seeded(5))

    assert not torch.equal(jittered[0], jittered[1])
    assert torch.equal(jittered, jitter(images, seeded(5)))
    assert not torch.equal(jittered, jitter(images, seeded(6)))


@pytest.mark.parametrize("shape", [(2, 8, 8), (2, 1, 8, 7)])
def test_what_is_no_batch_of_square_images_is_refused(shape):
    with pytest.raises(ShapeError, match="images"):
        jitter(torch.zeros(shape), seeded())
