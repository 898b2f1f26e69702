"""Gradient penalties, clipped weights and feature constancy: by value, and by the gradient that they give."""

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from cyclegan_core import losses
from cyclegan_core.networks import MultiscaleDiscriminator, PatchDiscriminator, PixelDiscriminator


def linear_judge(weights: list[float], scale: float = 1.0) -> nn.Conv2d:
    """Scores each pixel by its colours: the slope of the sum of the scores is `weights` at every pixel."""
    discriminator = nn.Conv2d(3, 1, 1, bias=False)
    with torch.no_grad():
        discriminator.weight.copy_(torch.tensor(weights).reshape(1, 3, 1, 1) * scale)
    return discriminator


class Scales(nn.Module):
    """Gives the scores of several discriminators as a list."""

    def __init__(self, *discriminators: nn.Module) -> None:
        super().__init__()
        self.discriminators = nn.ModuleList(discriminators)

    def forward(self, x: Tensor) -> list[Tensor]:
        return [discriminator(x) for discriminator in self.discriminators]


class Square(nn.Module):
    """A discriminator whose slope at x is x: half of the sum of squares."""

    def forward(self, x: Tensor) -> Tensor:
        return 0.5 * x.square().flatten(1).sum(1, keepdim=True)


@pytest.mark.parametrize("target", [1.0, 0.0, 3.0])
def test_gradient_penalty_of_a_linear_judge_by_value(target: float) -> None:
    # |(3, 4, 12)| = 13 at each of 32 pixels.
    discriminator = linear_judge([3.0, 4.0, 12.0])
    real, fake = torch.rand(2, 3, 4, 8), torch.rand(2, 3, 4, 8)
    slope = 13 * math.sqrt(32)
    penalty = losses.gradient_penalty(discriminator, real, fake, target=target)
    assert float(penalty.detach()) == pytest.approx((slope - target) ** 2, rel=1e-4)
    # d/ds of (s * slope - target)² at s = 1, where s scales the weights.
    (gradient,) = torch.autograd.grad(penalty, discriminator.weight)
    expected = 2 * (slope - target) * slope
    assert float((gradient * discriminator.weight.detach()).sum()) == pytest.approx(expected, rel=1e-3)


def test_scores_of_all_scales_add_up_in_penalties() -> None:
    """R1 takes the mean of each map of 16 scores, the gradient penalty their sum."""
    discriminator = Scales(linear_judge([3.0, 4.0, 12.0]), linear_judge([1.0, 0.0, 0.0]))
    x = torch.rand(2, 3, 4, 4)
    expected = 16 * sum(s**2 for s in (4.0, 4.0, 12.0))
    # Of each map the mean over its 16 scores, so that a weight means the same for any number of patches.
    assert float(losses.r1_penalty(discriminator, x).detach()) == pytest.approx(expected / 16**2, rel=1e-4)
    penalty = float(losses.gradient_penalty(discriminator, x, x).detach())
    assert penalty == pytest.approx((math.sqrt(expected) - 1) ** 2, rel=1e-4)


def test_gradient_penalty_looks_between_real_and_fake_each_pair_at_a_place_of_its_own() -> None:
    torch.manual_seed(0)
    real, fake = torch.zeros(64, 3, 2, 2), torch.ones(64, 3, 2, 2)
    real[0], fake[0] = -1, -1
    seen: list[Tensor] = []
    discriminator = Square()
    discriminator.register_forward_pre_hook(lambda module, args: seen.append(args[0].detach()))
    losses.gradient_penalty(discriminator, real, fake)
    places = seen[0].flatten(1)
    assert torch.equal(places.amin(1), places.amax(1))  # one share for all of a picture
    assert torch.equal(places[0], torch.full((12,), -1.0))
    assert 0 <= float(places[1:].min()) < 0.1
    assert 0.9 < float(places[1:].max()) <= 1
    assert float(places[1:].mean()) == pytest.approx(0.5, abs=0.1)


def test_r1_by_value() -> None:
    x = torch.randn(3, 3, 4, 4)
    expected = sum(float(v) ** 2 for v in x.flatten()) / 3
    assert float(losses.r1_penalty(Square(), x).detach()) == pytest.approx(expected, rel=1e-4)


def test_a_judge_that_knows_nothing_has_a_finite_penalty_with_a_gradient() -> None:
    discriminator = linear_judge([0.0, 0.0, 0.0])
    penalty = losses.gradient_penalty(discriminator, torch.rand(2, 3, 4, 4), torch.rand(2, 3, 4, 4))
    assert float(penalty.detach()) == pytest.approx(1, abs=1e-4)
    penalty.backward()
    assert discriminator.weight.grad is not None
    assert bool(torch.isfinite(discriminator.weight.grad).all())


JUDGES: dict[str, Callable[[], nn.Module]] = {
    "patch": lambda: PatchDiscriminator(channels=4, layers=2, attention=[2], minibatch_std=True),
    "spectral": lambda: PatchDiscriminator(channels=4, layers=2, norm="none", spectral=True),
    "pixel": lambda: PixelDiscriminator(channels=4),
    "scales": lambda: MultiscaleDiscriminator(channels=4, layers=2),
}


@pytest.mark.parametrize("name", list(JUDGES))
def test_penalties_flatten_real_judges(name: str) -> None:
    """A few steps down the slope of a penalty bring it down: its second derivatives are right in sign."""
    torch.manual_seed(0)
    real, fake = torch.rand(2, 4, 3, 24, 24) * 2 - 1
    for penalty in (
        lambda discriminator: losses.r1_penalty(discriminator, real),
        lambda discriminator: losses.gradient_penalty(discriminator, real, fake, target=0.0),
    ):
        discriminator = JUDGES[name]()
        with torch.no_grad():
            for parameter_name, parameter in discriminator.named_parameters():
                parameter.fill_(1.0) if parameter_name.endswith("gamma") else parameter.mul_(10)
        optimiser = torch.optim.Adam(discriminator.parameters(), 0.01)
        values = []
        for _ in range(8):
            torch.manual_seed(1)
            value = penalty(discriminator)
            optimiser.zero_grad()
            value.backward()
            optimiser.step()
            values.append(float(value.detach()))
        assert values[0] > 0
        assert values[-1] < 0.8 * values[0]


def test_penalties_give_the_pictures_no_gradient() -> None:
    real, fake = (torch.rand(2, 3, 4, 4, requires_grad=True) for _ in range(2))
    (losses.gradient_penalty(linear_judge([1, 1, 1]), real, fake) + losses.r1_penalty(Square(), real)).backward()
    assert real.grad is None
    assert fake.grad is None


def test_clipping_bounds_every_parameter_and_leaves_small_ones() -> None:
    torch.manual_seed(0)
    discriminator = PatchDiscriminator(channels=4)
    before = [p.detach().clone() for p in discriminator.parameters()]
    losses.clip_weights(discriminator, 0.01)
    for old, new in zip(before, discriminator.parameters(), strict=True):
        assert new.requires_grad
        expected = [min(max(value, -0.01), 0.01) for value in old.flatten().tolist()]
        assert torch.equal(new.detach().flatten(), torch.tensor(expected))
    with pytest.raises(ValueError, match="above 0"):
        losses.clip_weights(discriminator, 0)


def test_constancy_by_value() -> None:
    a, b = torch.randn(2, 3, 2, 2), torch.randn(2, 3, 2, 2)
    expected = 0.0
    for x, y in zip(a.flatten(1).tolist(), b.flatten(1).tolist(), strict=True):
        lengths = math.sqrt(sum(v * v for v in x)), math.sqrt(sum(v * v for v in y))
        expected += sum((v / lengths[0] - w / lengths[1]) ** 2 for v, w in zip(x, y, strict=True)) / 2
    assert float(losses.constancy_loss(nn.Flatten(), b, a)) == pytest.approx(expected, rel=1e-4)
    assert float(losses.constancy_loss(nn.Flatten(), 0.1 * b, a)) == pytest.approx(expected, rel=1e-4)
    assert float(losses.constancy_loss(nn.Identity(), a, a)) == 0
    assert float(losses.constancy_loss(nn.Identity(), -a, a)) == pytest.approx(4, rel=1e-4)


def test_constancy_gives_only_the_translated_a_gradient() -> None:
    encoder = nn.Sequential(nn.Conv2d(3, 8, 3, 2), nn.ReLU(), nn.Flatten()).eval().requires_grad_(False)
    translated, original = (torch.rand(2, 3, 9, 9, requires_grad=True) for _ in range(2))
    losses.constancy_loss(encoder, translated, original).backward()
    assert original.grad is None
    assert translated.grad is not None
    assert float(translated.grad.abs().sum()) > 0
    assert all(p.grad is None for p in encoder.parameters())
