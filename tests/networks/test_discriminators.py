"""Discriminators: pixel, multi-scale, patches of any depth; and the registry."""

import math
from typing import Any

import pytest
import torch
from torch import nn

from cyclegan_core.errors import CycleganError
from cyclegan_core.networks import (
    MultiscaleDiscriminator,
    PatchDiscriminator,
    PixelDiscriminator,
    TwoHeadedDiscriminator,
    build_discriminator,
)


@pytest.mark.parametrize("layers", [1, 2, 4, 5])
def test_patches_of_any_depth_see_what_they_should(layers: int) -> None:
    discriminator = PatchDiscriminator(channels=2, layers=layers, norm="none")
    side = 2 ** (layers + 4)
    x = torch.zeros(1, 3, side, side, requires_grad=True)
    scores = discriminator(x)
    assert scores.shape == (1, 1, side // 2**layers - 2, side // 2**layers - 2)
    middle = scores.shape[-1] // 2
    scores[0, 0, middle, middle].backward()
    assert x.grad is not None
    rows = x.grad.abs().sum((0, 1, 3)).nonzero()
    sees = 7  # two 4x4 convolutions without stride; each one of stride 2 before them doubles that and adds 2
    for _ in range(layers):
        sees = 2 * sees + 2
    assert int(rows.max() - rows.min()) + 1 == sees


def test_pixel_discriminator_has_the_authors_size_and_judges_single_pixels() -> None:
    discriminator = PixelDiscriminator()
    # 3*64+64, 64*128+128, 128*1+1, as in the reference implementation with instance norm.
    assert sum(p.numel() for p in discriminator.parameters()) == 256 + 8320 + 129
    discriminator = PixelDiscriminator(channels=4, norm="none")
    x = torch.rand(1, 3, 6, 8)
    changed = x.clone()
    changed[0, :, 2, 3] += 1
    assert (discriminator(x) - discriminator(changed)).squeeze().nonzero().tolist() == [[2, 3]]


def test_each_scale_judges_half_the_size_of_the_one_before() -> None:
    torch.manual_seed(0)
    discriminator = MultiscaleDiscriminator(scales=3, channels=4, layers=2, norm="none")
    x = torch.rand(2, 3, 64, 64)
    scores = discriminator(x)
    assert [tuple(one.shape) for one in scores] == [(2, 1, 14, 14), (2, 1, 6, 6), (2, 1, 2, 2)]
    assert torch.equal(scores[0], discriminator.discriminators[0](x))
    # Mean of the 3x3 pixels around every second one, without those beyond the border.
    half = torch.empty(2, 3, 32, 32)
    for row in range(32):
        for column in range(32):
            around = x[:, :, max(2 * row - 1, 0) : 2 * row + 2, max(2 * column - 1, 0) : 2 * column + 2]
            half[:, :, row, column] = around.mean((2, 3))
    torch.testing.assert_close(scores[1], discriminator.discriminators[1](half))


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("PatchDiscriminator", {"channels": 4, "layers": 2, "minibatch_std": True, "attention": [4]}),
        ("PixelDiscriminator", {"channels": 4}),
        ("MultiscaleDiscriminator", {"channels": 4, "layers": 2, "attention": [2], "minibatch_std": True}),
    ],
)
@pytest.mark.parametrize(("norm", "spectral"), [("instance", False), ("batch", False), ("none", True)])
def test_every_discriminator_learns(name: str, arguments: dict[str, Any], norm: str, spectral: bool) -> None:
    discriminator = build_discriminator(name, {**arguments, "norm": norm, "spectral": spectral})
    x = torch.randn(4, 3, 32, 32, requires_grad=True)
    scores = discriminator(x)
    maps = scores if isinstance(scores, list) else [scores]
    torch.stack([one.square().mean() for one in maps]).sum().backward()
    assert x.grad is not None
    assert float(x.grad.abs().sum()) > 0
    for parameter_name, parameter in discriminator.named_parameters():
        assert parameter.grad is not None, parameter_name
        assert math.isfinite(float(parameter.grad.abs().sum())), parameter_name


@pytest.mark.parametrize("name", ["PatchDiscriminator", "PixelDiscriminator", "MultiscaleDiscriminator"])
def test_spectral_normalisation_bounds_every_convolution(name: str) -> None:
    torch.manual_seed(0)
    arguments: dict[str, Any] = {"channels": 8, "norm": "none", "spectral": True}
    if name != "PixelDiscriminator":
        arguments |= {"layers": 2, "attention": [2]}
    discriminator = build_discriminator(name, arguments)
    for _ in range(60):  # each pass in training mode improves the estimate by power iteration
        discriminator(torch.randn(1, 3, 32, 32))
    convolutions = [module for module in discriminator.modules() if isinstance(module, nn.Conv2d)]
    assert len(convolutions) >= 3
    for layer in convolutions:
        assert float(torch.linalg.matrix_norm(layer.weight.detach().flatten(1), 2)) == pytest.approx(1, abs=0.05)


@pytest.mark.parametrize(
    ("discriminator", "smallest"),
    [
        (PatchDiscriminator(channels=2, layers=3), 24),
        (MultiscaleDiscriminator(scales=2, channels=2, layers=2), 24),
        (PixelDiscriminator(channels=2), 2),
    ],
)
def test_too_small_pictures_are_a_sentence(discriminator: nn.Module, smallest: int) -> None:
    assert discriminator.smallest == smallest
    discriminator(torch.zeros(1, 3, smallest, smallest))
    with pytest.raises(ValueError, match=f"needs {smallest}: use fewer layers"):
        discriminator(torch.zeros(1, 3, smallest - 1, smallest))


@pytest.mark.parametrize(
    ("name", "arguments", "says"),
    [
        ("Judge", {}, "no discriminator 'Judge'; there are PatchDiscriminator"),
        ("PatchDiscriminator", {"depth": 3}, "arguments of PatchDiscriminator are wrong: .*'depth'"),
        ("PatchDiscriminator", {"layers": 0}, "must be at least 1"),
        ("PatchDiscriminator", {"attention": [3]}, "n of 2, 4, 8, not 3"),
        ("PatchDiscriminator", {"norm": "group"}, "norm must be"),
        ("MultiscaleDiscriminator", {"scales": 0}, "scales must be 1 to 6"),
        ("PixelDiscriminator", {"channels": 0}, "channels must be"),
    ],
)
def test_wrong_names_and_arguments_are_a_sentence(name: str, arguments: dict[str, Any], says: str) -> None:
    with pytest.raises(CycleganError, match=says):
        build_discriminator(name, arguments)


def test_two_heads_score_patches_and_the_whole_picture() -> None:
    discriminator = TwoHeadedDiscriminator(channels=4)
    patches, whole = discriminator(torch.rand(2, 3, 128, 128) * 2 - 1)
    assert patches.shape == (2, 1, 16, 16)
    assert whole.shape == (2, 1, 1, 1)
    (patches.square().mean() + whole.square().mean()).backward()
    for name, parameter in discriminator.named_parameters():
        assert parameter.grad is not None, name
        assert float(parameter.grad.abs().sum()) > 0, name


def test_a_patch_score_sees_its_neighbourhood_and_the_whole_score_all_of_the_picture() -> None:
    discriminator = TwoHeadedDiscriminator(channels=4, minibatch_std=False)
    x = torch.rand(1, 3, 128, 128)
    changed = x.clone()
    changed[..., :8, :8] += 0.5
    before, after = discriminator(x), discriminator(changed)
    difference = (before[0] - after[0]).abs()[0, 0]
    assert difference[0, 0] > 0
    assert not difference[8:, 8:].any()
    assert not torch.equal(before[1], after[1])


def test_two_heads_refuse_in_words() -> None:
    with pytest.raises(ValueError, match="channels and patch must be at least 1"):
        TwoHeadedDiscriminator(channels=0)
    with pytest.raises(ValueError, match="needs 128"):
        TwoHeadedDiscriminator(channels=4)(torch.zeros(1, 3, 120, 128))
