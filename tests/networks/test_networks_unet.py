"""The U-Net: shapes, bridges, gradients; test_convert.py compares it with the authors' by value."""

import pytest
import torch

from cyclegan_core.networks import UnetGenerator


@pytest.mark.parametrize("upsampling", ["transposed", "resize", "shuffle"])
@pytest.mark.parametrize("norm", ["instance", "batch", "channel", "none"])
def test_unet_keeps_the_shape_and_the_range_and_learns(upsampling: str, norm: str) -> None:
    net = UnetGenerator(channels=4, depth=3, norm=norm, upsampling=upsampling)  # type: ignore[arg-type]
    assert net.multiple == net.smallest == 8
    y = net(torch.rand(2, 3, 24, 16) * 2 - 1)
    assert y.shape == (2, 3, 24, 16)
    assert y.abs().max() <= 1
    y.square().mean().backward()
    for name, parameter in net.named_parameters():
        assert parameter.grad is not None, name
        assert bool(torch.isfinite(parameter.grad).all()), name


@pytest.mark.parametrize("upsampling", ["transposed", "resize", "shuffle"])
def test_unet_goes_down_to_a_single_pixel_in_training(upsampling: str) -> None:
    net = UnetGenerator(channels=2, depth=6, upsampling=upsampling)  # type: ignore[arg-type]
    assert net(torch.rand(1, 3, 64, 64)).shape == (1, 3, 64, 64)


def test_bridges_carry_detail_past_the_smallest_size() -> None:
    net = UnetGenerator(channels=8, depth=4, norm="none")
    with torch.no_grad():
        for parameter in net.downs[2].parameters():  # nothing reaches the smaller sizes
            parameter.zero_()
    x = torch.rand(1, 3, 32, 32)
    changed = x.clone()
    changed[0, :, 5, 5] += 0.5
    difference = (net(x) - net(changed)).abs().sum((0, 1))
    assert difference[5, 5] > 0
    assert not difference[:, 16:].any()


def test_a_residual_unet_that_paints_nothing_is_the_identity() -> None:
    net = UnetGenerator(channels=4, depth=2, residual=True)
    with torch.no_grad():
        for parameter in net.ups[-1].parameters():
            parameter.zero_()
    x = torch.rand(1, 3, 8, 8) * 2 - 1
    assert torch.equal(net(x), x)


@pytest.mark.parametrize("arguments", [{"depth": 1}, {"channels": 0}, {"conditions": -1}, {"upsampling": "bilinear"}])
def test_senseless_arguments_are_refused(arguments: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="must be"):
        UnetGenerator(**arguments)  # type: ignore[arg-type]
