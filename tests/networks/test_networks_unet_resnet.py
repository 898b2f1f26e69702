"""The norm-free U-Net of residual blocks: shapes, start, gradients, refusals, and the engine that runs it."""

from typing import Any

import pytest
import torch

from cyclegan_core.inference import engines
from cyclegan_core.inference.engines import _openvino
from cyclegan_core.networks import UnetResnetGenerator, unet_resnet

SMALL: dict[str, Any] = {"channels": 8, "blocks": 1}


@pytest.mark.parametrize("residual", [False, True])
def test_keeps_the_shape_and_the_range_and_every_parameter_learns(residual: bool) -> None:
    torch.manual_seed(0)
    net = UnetResnetGenerator(**SMALL, residual=residual)
    assert net.multiple == net.smallest == 8  # patch 2, halved twice
    x = torch.rand(2, 3, 24, 16) * 2 - 1
    y = net(x)
    assert y.shape == x.shape
    assert y.abs().max() <= 1
    y.square().mean().backward()
    for name, parameter in net.named_parameters():
        assert parameter.grad is not None, name
        assert float(parameter.grad.abs().sum()) > 0, name


def test_a_residual_network_starts_near_the_identity() -> None:
    torch.manual_seed(0)
    x = torch.rand(2, 3, 64, 64) * 1.8 - 0.9
    assert (UnetResnetGenerator(**SMALL, residual=True)(x) - x).abs().mean() < 0.05
    assert (UnetResnetGenerator(**SMALL)(x) - x).abs().mean() > 0.2


@pytest.mark.parametrize(
    ("patch", "encoder", "decoder", "multiple"), [(1, (1,), (0,), 2), (4, (0, 1, 0), (1, 0, 1), 32)]
)
def test_multiple_of_other_depths(
    patch: int, encoder: tuple[int, ...], decoder: tuple[int, ...], multiple: int
) -> None:
    net = UnetResnetGenerator(
        channels=4, patch=patch, blocks=0, encoder_blocks=encoder, decoder_blocks=decoder, skips=1
    )
    assert net.multiple == multiple
    assert net(torch.zeros(1, 3, multiple, 3 * multiple)).shape == (1, 3, multiple, 3 * multiple)


@pytest.mark.parametrize(
    "arguments",
    [
        {"channels": 1},
        {"patch": 0},
        {"blocks": -1},
        {"encoder_blocks": (0, -1)},
        {"decoder_blocks": (1,)},
        {"skips": 3},
    ],
)
def test_senseless_arguments_are_a_sentence(arguments: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"must (be|have)"):
        UnetResnetGenerator(**arguments)  # type: ignore[arg-type]


@pytest.mark.parametrize("size", [None, 32])
def test_openvino_agrees_with_torch(size: int | None, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("openvino")
    monkeypatch.setattr(engines, "has_bf16", lambda: False)  # in float32, whatever the processor has
    torch.manual_seed(0)
    net = UnetResnetGenerator(**SMALL).eval()
    x = torch.rand(2, 3, 32, 32) * 2 - 1
    with torch.inference_mode():
        expected = net(x).numpy()
    assert abs(_openvino(net, size)(x.numpy()) - expected).max() < 1e-4


def test_smooth_leaves_no_pattern_of_two_pixels() -> None:
    torch.manual_seed(0)
    plain, smooth = (
        UnetResnetGenerator(channels=8, blocks=1, residual=True, smooth=smooth) for smooth in (False, True)
    )
    smooth.load_state_dict(plain.state_dict())
    stripes = torch.ones(16)
    stripes[::2] = -1
    with torch.inference_mode():
        plain.painter.weight.normal_(0, 0.05)
        smooth.load_state_dict(plain.state_dict())
        x = torch.rand(1, 3, 16, 16) - 0.5
        strengths = [float(((network(x) - x)[..., 2:-2, :] @ stripes).abs().mean()) for network in (plain, smooth)]
    assert strengths[1] < 0.2 * strengths[0]
    flat = torch.full((1, 3, 16, 16), 0.25)
    torch.testing.assert_close(unet_resnet._smoothed(flat), flat)
