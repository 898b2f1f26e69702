"""Losses by value, and the history of fakes."""

import math

import pytest
import torch

from cyclegan_core import losses
from cyclegan_core.image_pool import ImagePool


def test_least_squares_by_value() -> None:
    real, fake = torch.tensor([1.0, 0.0]), torch.tensor([0.5, -0.5])
    assert float(losses.discriminator_loss(real, fake)) == pytest.approx(0.5 * (0.5 + 0.25))
    assert float(losses.generator_loss(fake)) == pytest.approx((0.25 + 2.25) / 2)


def test_a_perfect_discriminator_has_no_loss() -> None:
    assert losses.discriminator_loss(torch.ones(4), torch.zeros(4)) == 0


def test_cycle_and_identity_are_mean_absolute_errors() -> None:
    a, b = torch.zeros(2, 3, 4, 4), torch.full((2, 3, 4, 4), -0.25)
    assert float(losses.cycle_consistency_loss(a, b)) == pytest.approx(0.25)
    assert float(losses.identity_loss(a, b)) == pytest.approx(0.25)


def test_total_variation_is_blind_to_even_changes_and_sees_speckles() -> None:
    flat = torch.full((1, 3, 8, 8), 0.7)
    speckled = flat.clone()
    speckled[0, 0, 4, 4] = 0
    assert losses.total_variation(flat) == 0
    # One pixel of 0.7 makes four steps, two along each axis of 3 * 7 * 8 steps.
    assert float(losses.total_variation(speckled)) == pytest.approx(2 * 2 * 0.7 / (3 * 7 * 8))


def test_chroma_variation_sees_coloured_steps_only() -> None:
    grey = torch.zeros(1, 3, 8, 8)
    grey[..., 4:] = 0.5
    coloured = torch.zeros(1, 3, 8, 8)
    coloured[:, 0, :, 4:] = 0.5
    assert losses.chroma_variation(grey) == 0
    # R - G has one step of 0.5 in each of 8 rows; the mean is over 2 differences, 8 rows and 7 steps.
    assert float(losses.chroma_variation(coloured)) == pytest.approx(8 * 0.5 / (2 * 8 * 7))


def test_excess_is_the_mean_square() -> None:
    assert float(losses.excess(torch.tensor([[0.5, -0.5, 0.0, 0.0]]))) == pytest.approx(0.125)


def test_attribute_loss_aims_at_its_certainty_and_no_further() -> None:
    at = [float(losses.attribute_loss(torch.tensor([math.log(p / (1 - p))]), True)) for p in (0.8, 0.9, 0.99)]
    assert at[1] == min(at)


def test_attribute_loss_is_cross_entropy() -> None:
    assert float(losses.attribute_loss(torch.zeros(3), belongs_to_b=True)) == pytest.approx(math.log(2))
    assert losses.attribute_loss(torch.full((3,), 9.0), True) < losses.attribute_loss(torch.full((3,), 9.0), False)


def test_pool_hands_out_the_new_until_it_is_full_and_then_a_mix() -> None:
    torch.manual_seed(0)
    pool = ImagePool(50)
    for start in range(0, 50, 10):
        batch = torch.arange(start, start + 10).float().reshape(10, 1, 1, 1)
        assert torch.equal(pool.query(batch), batch)
    given = torch.cat([pool.query(torch.full((10, 1, 1, 1), 1000.0 + i)) for i in range(40)]).flatten()
    old = float((given < 50).float().mean())
    assert len(pool.pictures) == 50
    # Half of the answers are stored pictures; after 400 exchanges nearly all of the first fifty have been given back.
    assert 0.08 < old <= 50 / 400
    assert len(given.unique()) > 60


def test_pool_detaches_and_does_not_alias() -> None:
    pool = ImagePool(1)
    fake = torch.ones(1, 3, 2, 2, requires_grad=True) * 2
    assert not pool.query(fake).requires_grad
    with torch.no_grad():
        fake.mul_(0)
    assert float(pool.pictures[0].mean()) == 2


def test_pool_of_size_zero_is_a_passage() -> None:
    fake = torch.rand(2, 3, 2, 2)
    assert torch.equal(ImagePool(0).query(fake), fake)


def test_negative_pool_is_refused() -> None:
    with pytest.raises(ValueError, match="negative"):
        ImagePool(-1)
