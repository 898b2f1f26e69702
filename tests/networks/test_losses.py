"""Losses by value; the penalties have a file of their own."""

import math

import pytest
import torch

from cyclegan_core import losses

REAL, FAKE = (2.0, -1.0, 0.5), (0.25, -2.0)


def softplus(x: float) -> float:
    return math.log(1 + math.exp(x))


@pytest.mark.parametrize(
    ("name", "generator", "discriminator"),
    [
        ("least_squares", (0.75**2 + 9) / 2, 0.5 * (1 + 4 + 0.25) / 3 + 0.5 * (0.0625 + 4) / 2),
        (
            "vanilla",
            (softplus(-0.25) + softplus(2)) / 2,
            (softplus(-2) + softplus(1) + softplus(-0.5)) / 3 + (softplus(0.25) + softplus(-2)) / 2,
        ),
        ("hinge", 1.75 / 2, (0 + 2 + 0.5) / 3 + (1.25 + 0) / 2),
        ("wasserstein", 1.75 / 2, -1.5 / 3 - 1.75 / 2),
    ],
)
def test_adversarial_losses_by_value(name: str, generator: float, discriminator: float) -> None:
    loss, real, fake = losses.ADVERSARIAL[name], torch.tensor(REAL), torch.tensor(FAKE)
    assert float(loss.generator(fake)) == pytest.approx(generator)
    assert float(loss.discriminator(real, fake)) == pytest.approx(discriminator)


@pytest.mark.parametrize("name", list(losses.ADVERSARIAL))
def test_several_scales_count_alike_whatever_their_sizes(name: str) -> None:
    torch.manual_seed(0)
    loss = losses.ADVERSARIAL[name]
    real, fake = ([torch.randn(2, 1, n, n) for n in (8, 3)] for _ in range(2))
    each = [float(loss.discriminator(r, f)) for r, f in zip(real, fake, strict=True)]
    assert float(loss.discriminator(real, fake)) == pytest.approx(sum(each) / 2)
    assert float(loss.generator(fake)) == pytest.approx(sum(float(loss.generator(f)) for f in fake) / 2)


@pytest.mark.parametrize("name", list(losses.ADVERSARIAL))
def test_the_players_pull_scores_apart(name: str) -> None:
    loss = losses.ADVERSARIAL[name]
    real, fake = (torch.zeros(3, requires_grad=True) for _ in range(2))
    loss.discriminator(real, fake).backward()
    assert real.grad is not None
    assert fake.grad is not None
    assert bool((real.grad < 0).all())  # going down the slope, real scores rise
    assert bool((fake.grad > 0).all()) or name == "least_squares"  # whose fakes belong at 0, where these are
    wanted = torch.zeros(3, requires_grad=True)
    loss.generator(wanted).backward()
    assert wanted.grad is not None
    assert bool((wanted.grad < 0).all())


def test_cycle_and_identity_are_mean_absolute_errors() -> None:
    a, b = torch.zeros(2, 3, 4, 4), torch.full((2, 3, 4, 4), -0.25)
    assert float(losses.cycle_consistency_loss(a, b)) == pytest.approx(0.25)
    assert float(losses.identity_loss(a, b)) == pytest.approx(0.25)


def test_cycle_and_identity_by_square_and_of_no_other_kind() -> None:
    a, b = torch.zeros(1, 3, 2, 2), torch.tensor([0.5, -1.0, 0.0]).reshape(1, 3, 1, 1).expand(1, 3, 2, 2)
    for loss in (losses.cycle_consistency_loss, losses.identity_loss):
        assert float(loss(a, b, "l2")) == pytest.approx(1.25 / 3)
        assert float(loss(a, b, kind="l1")) == pytest.approx(0.5)
        with pytest.raises(ValueError, match="l1 or l2, not 'huber'"):
            loss(a, b, "huber")  # type: ignore[arg-type]


def test_colour_loss_sees_squares_and_not_what_is_drawn_in_them() -> None:
    drawn = torch.zeros(1, 3, 36, 36)
    drawn[..., ::2, :], drawn[..., 1::2, :] = 0.5, -0.5  # lines in squares of 2 by 2 pixels
    assert losses.colour_loss(drawn, torch.zeros_like(drawn)) == 0
    grey = torch.full((1, 3, 36, 36), 0.3)
    # A brighter grey is luma alone: its U and V are 0.
    assert float(losses.colour_loss(grey, torch.zeros_like(grey))) == pytest.approx(0.3, abs=1e-5)
    red = torch.zeros(1, 3, 36, 36)
    red[:, 0] = 1.0
    # |Y| and Huber of U and V, whose straight part is |x| - 0.05.
    assert float(losses.colour_loss(red, torch.zeros_like(red))) == pytest.approx(0.299 + 0.097 + 0.565, abs=1e-5)


@pytest.mark.parametrize("name", list(losses.ADVERSARIAL))
def test_fooled_is_the_share_of_the_fakes_in_the_discriminators_loss(name: str) -> None:
    loss, (real, fake) = losses.ADVERSARIAL[name], torch.randn(2, 4, 1, 3, 3)
    expected = loss.discriminator(real, fake) - loss.real(real)
    torch.testing.assert_close(loss.fooled(fake), expected)
    assert float(loss.fooled([fake, fake])) == pytest.approx(float(loss.fooled(fake)), rel=1e-5)
