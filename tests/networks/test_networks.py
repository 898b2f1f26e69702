"""Generators and discriminators: shapes, sizes, the paper's numbers, gradients."""

import copy
import math

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from cyclegan_core.networks import MobileResnetGenerator, PatchDiscriminator, ResnetGenerator
from cyclegan_core.networks.layers import ChannelNorm


def parameters(module: nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


@pytest.mark.parametrize(("blocks", "millions"), [(6, 7.84), (9, 11.38)])
def test_resnet_generator_has_the_papers_size(blocks: int, millions: float) -> None:
    # 7.84 and 11.38 million are what the reference implementation counts for its ResNet-6 and ResNet-9.
    assert parameters(ResnetGenerator(blocks=blocks)) / 1e6 == pytest.approx(millions, abs=0.005)


def test_patch_discriminator_sees_70_pixels_and_scores_30_by_30() -> None:
    judge = PatchDiscriminator()
    assert parameters(judge) / 1e6 == pytest.approx(2.76, abs=0.005)
    assert judge(torch.zeros(1, 3, 256, 256)).shape == (1, 1, 30, 30)
    # The receptive field of one score, by the gradient of a network without normalisation.
    judge = PatchDiscriminator(channels=4, norm="none")
    x = torch.zeros(1, 3, 256, 256, requires_grad=True)
    judge(x)[0, 0, 15, 15].backward()
    assert x.grad is not None
    rows = x.grad.abs().sum((0, 1, 3)).nonzero()
    assert int(rows.max() - rows.min()) + 1 == 70


@pytest.mark.parametrize("build", [ResnetGenerator, MobileResnetGenerator])
@pytest.mark.parametrize("upsampling", ["resize", "transposed"])
@pytest.mark.parametrize("norm", ["instance", "batch", "channel", "none"])
def test_generators_keep_the_shape_and_the_range(build: type[ResnetGenerator], upsampling: str, norm: str) -> None:
    generator = build(channels=4, blocks=1, upsampling=upsampling, norm=norm)  # type: ignore[arg-type]
    y = generator(torch.rand(2, 3, 24, 40) * 2 - 1)
    assert y.shape == (2, 3, 24, 40)
    assert y.abs().max() <= 1


@pytest.mark.parametrize(
    ("patch", "downsamplings", "coarse"), [(1, 0, 1), (1, 2, 1), (2, 1, 1), (4, 1, 1), (1, 1, 4), (2, 0, 2)]
)
def test_sizes_that_are_a_multiple_pass(patch: int, downsamplings: int, coarse: int) -> None:
    generator = ResnetGenerator(channels=4, blocks=1, patch=patch, downsamplings=downsamplings, coarse=coarse)
    side = 8 * generator.multiple
    assert generator(torch.zeros(1, 3, side, 2 * side)).shape == (1, 3, side, 2 * side)


@pytest.mark.parametrize("residual", [False, True])
def test_coarse_generator_sees_the_layout_and_no_detail(residual: bool) -> None:
    generator = MobileResnetGenerator(channels=8, blocks=1, downsamplings=1, coarse=4, residual=residual)
    layout = torch.rand(1, 3, 8, 8)
    plain = layout.repeat_interleave(4, 2).repeat_interleave(4, 3)
    detail = torch.tensor([[1.0, -1.0], [-1.0, 1.0]]).repeat(16, 16) * 0.1  # averages to nothing
    torch.testing.assert_close(generator(plain), generator(plain + detail))
    assert (generator(plain) - generator(plain.flip(3))).abs().max() > 1e-4
    with pytest.raises(ValueError, match="power of 2"):
        MobileResnetGenerator(coarse=3)


def test_a_skip_generator_adds_up_what_each_size_paints() -> None:
    generator = ResnetGenerator(channels=8, blocks=1, downsamplings=1, coarse=4, skips=2, upsampling="resize")
    x = torch.rand(2, 3, 32, 32) * 2 - 1
    whole = torch.atanh(generator(x))

    def alone(number: int) -> torch.Tensor:
        """What is painted where only one of the three paints."""
        only = copy.deepcopy(generator)
        for i, painter in enumerate([*only.skips, list(only.net.children())[-1]]):
            for parameter in painter.parameters():
                parameter.data *= i == number
        return torch.atanh(only(x))

    torch.testing.assert_close(whole, alone(0) + alone(1) + alone(2), atol=1e-5, rtol=1e-4)
    # The first one paints at a quarter of the size: enlarged it is smooth, and its pixels stand where they were.
    assert alone(0).diff(dim=3).abs().mean() < 0.5 * F.avg_pool2d(alone(0), 4).diff(dim=3).abs().mean()
    with pytest.raises(ValueError, match="skips must be 0 to 2 where coarse is 4"):
        ResnetGenerator(coarse=4, skips=3)


def test_mobile_blocks_cost_an_eighth() -> None:
    plain = ResnetGenerator(channels=16, blocks=9).net[12]
    mobile = MobileResnetGenerator(channels=16, blocks=9).net[12]
    assert parameters(plain) / parameters(mobile) > 6


def test_a_residual_generator_that_paints_nothing_is_the_identity() -> None:
    generator = ResnetGenerator(channels=4, blocks=1, residual=True)
    last = [m for m in generator.modules() if isinstance(m, nn.Conv2d)][-1]
    nn.init.zeros_(last.weight)
    x = torch.rand(1, 3, 16, 16) * 2 - 1
    assert torch.equal(generator(x), x)


def test_initial_weights_are_normal_with_deviation_0_02() -> None:
    torch.manual_seed(0)
    weights = torch.cat([m.weight.detach().flatten() for m in ResnetGenerator().modules() if isinstance(m, nn.Conv2d)])
    assert float(weights.mean()) == pytest.approx(0, abs=1e-4)
    assert float(weights.std()) == pytest.approx(0.02, rel=0.01)


def test_channel_norm_looks_at_one_pixel_only() -> None:
    norm = ChannelNorm(5)
    x = torch.randn(2, 5, 4, 4)
    changed = x.clone()
    changed[0, :, 1, 2] += torch.randn(5) * 100
    moved = (norm(x) - norm(changed)).abs().sum(1).nonzero().tolist()
    assert moved == [[0, 1, 2]]
    assert torch.allclose(norm(x).mean(1), torch.zeros(2, 4, 4), atol=1e-5)


def test_spectral_normalisation_bounds_every_layer() -> None:
    judge = PatchDiscriminator(channels=8, norm="none", spectral=True)
    for _ in range(30):  # each pass in training mode improves the estimate by power iteration
        judge(torch.randn(1, 3, 32, 32))
    convolutions = [layer for layer in judge.modules() if isinstance(layer, nn.Conv2d)]
    assert len(convolutions) >= 3
    for layer in convolutions:
        assert float(torch.linalg.matrix_norm(layer.weight.detach().flatten(1), 2)) == pytest.approx(1, abs=0.05)


@pytest.mark.parametrize("network", [ResnetGenerator(channels=4, blocks=1), PatchDiscriminator(channels=4, layers=2)])
def test_every_parameter_gets_a_gradient(network: nn.Module) -> None:
    network(torch.randn(2, 3, 32, 32)).square().mean().backward()
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None, name
        assert math.isfinite(float(parameter.grad.abs().sum())), name


@pytest.mark.parametrize(
    "arguments",
    [{"channels": 0}, {"blocks": -1}, {"patch": 0}, {"norm": "group"}, {"upsampling": "bilinear"}],
)
def test_senseless_arguments_are_refused(arguments: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="must be"):
        ResnetGenerator(**arguments)  # type: ignore[arg-type]
