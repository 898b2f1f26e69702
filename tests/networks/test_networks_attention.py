"""Self-attention, pixel shuffle and minibatch standard deviation: by value, by shape and by gradient."""

import math

import pytest
import torch
from torch import Tensor, nn

from cyclegan_core.networks import MobileResnetGenerator, PatchDiscriminator, ResnetGenerator, UnetGenerator
from cyclegan_core.networks.layers import MinibatchStd, SelfAttention, SubpixelConv, initialise


def attended(layer: SelfAttention, x: Tensor) -> Tensor:
    """What the paper says, place by place, for one picture (C, H, W) of even height and width."""
    _, height, width = x.shape

    def project(conv: nn.Conv2d, at: Tensor) -> Tensor:
        assert conv.bias is not None
        return conv.weight[:, :, 0, 0] @ at + conv.bias

    def pooled(conv: nn.Conv2d, row: int, column: int) -> Tensor:
        four = [project(conv, x[:, 2 * row + i, 2 * column + j]) for i in (0, 1) for j in (0, 1)]
        return torch.stack(four).amax(0)

    places = [(row, column) for row in range(height // 2) for column in range(width // 2)]
    y = x.clone()
    for row in range(height):
        for column in range(width):
            query = project(layer.query, x[:, row, column])
            powers = [math.exp(float(query @ pooled(layer.key, *place))) for place in places]
            mix = sum(p / sum(powers) * pooled(layer.value, *place) for p, place in zip(powers, places, strict=True))
            assert isinstance(mix, Tensor)
            y[:, row, column] += layer.gamma * project(layer.out, mix)
    return y


def test_self_attention_is_the_papers_by_value_with_and_without_gradient() -> None:
    torch.manual_seed(0)
    layer = SelfAttention(16)
    x = torch.randn(2, 16, 4, 6)
    assert torch.equal(layer(x), x)  # gamma starts at 0
    with torch.no_grad():
        layer.gamma.fill_(0.7)
        expected = torch.stack([attended(layer, one) for one in x])
        assert (expected - x).abs().max() > 0.05
        torch.testing.assert_close(layer(x), expected, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(layer(x), expected, rtol=1e-4, atol=1e-5)


def test_self_attention_can_be_traced_for_other_engines() -> None:
    layer = SelfAttention(16).eval().requires_grad_(False)
    layer.gamma.fill_(1.0)
    traced = torch.jit.trace(layer, torch.randn(1, 16, 8, 8))  # traces with gradients on, and checks with them off
    x = torch.randn(2, 16, 6, 10)
    torch.testing.assert_close(traced(x), layer(x))


def test_self_attention_takes_odd_sizes_and_few_channels() -> None:
    for channels, size in ((1, (3, 5)), (3, (1, 1)), (8, (7, 2))):
        assert SelfAttention(channels)(torch.rand(1, channels, *size)).shape == (1, channels, *size)


@pytest.mark.parametrize(
    "network",
    [
        ResnetGenerator(channels=4, blocks=1, attention=[4, 2, 1]),
        MobileResnetGenerator(channels=8, blocks=1, patch=2, downsamplings=1, coarse=2, attention=(8, 4, 2)),
        UnetGenerator(channels=4, depth=3, attention=[4, 2]),
        PatchDiscriminator(channels=8, layers=2, attention=[2, 4], minibatch_std=True),
    ],
)
def test_attention_joins_any_network_and_learns(network: nn.Module) -> None:
    layers = [module for module in network.modules() if isinstance(module, SelfAttention)]
    assert len(layers) >= 2
    x = torch.randn(2, 3, 32, 32)
    before = network(x)
    with torch.no_grad():
        for layer in layers:
            layer.gamma.fill_(1.0)
    after = network(x)
    assert after.shape == before.shape
    assert (after - before).abs().max() > 1e-6
    after.square().mean().backward()
    for layer in layers:
        for name, parameter in layer.named_parameters():
            assert parameter.grad is not None, name
            # What is added to all keys of a query alike changes no weight.
            assert name == "key.bias" or float(parameter.grad.abs().sum()) > 0, name


def test_attention_is_where_it_was_asked_for() -> None:
    sizes: list[tuple[int, ...]] = []
    net = ResnetGenerator(channels=4, blocks=1, attention=[4, 1])
    for module in net.modules():
        if isinstance(module, SelfAttention):
            module.register_forward_hook(lambda module, args, y: sizes.append(tuple(y.shape[2:])))
    net(torch.zeros(1, 3, 32, 48))
    assert sizes == [(8, 12), (32, 48)]
    with pytest.raises(ValueError, match=r"n of 1, 2, 4, not 8"):
        ResnetGenerator(channels=4, attention=[8])
    with pytest.raises(ValueError, match=r"n of 2, 4, not 1"):
        PatchDiscriminator(channels=4, layers=2, attention=[1])


def test_pixel_shuffle_by_value_and_without_a_checkerboard_at_the_start() -> None:
    torch.manual_seed(0)
    conv = SubpixelConv(5, 3, 3, 2, padding="reflect", bias=True)
    x = torch.randn(2, 5, 6, 7)
    channels, y = nn.Conv2d.forward(conv, x), conv(x)
    for row in range(12):
        for column in range(14):
            phase = 2 * (row % 2) + column % 2
            assert torch.equal(y[:, :, row, column], channels[:, phase::4, row // 2, column // 2])
    initialise(nn.Sequential(conv))
    y = conv(x)
    assert torch.equal(y, y[:, :, ::2, ::2].repeat_interleave(2, 2).repeat_interleave(2, 3))
    assert float(conv.weight.detach().std()) == pytest.approx(0.02, rel=0.3)


@pytest.mark.parametrize("patch", [1, 2])
@pytest.mark.parametrize("build", [ResnetGenerator, MobileResnetGenerator])
def test_generators_grow_by_pixel_shuffle(build: type[ResnetGenerator], patch: int) -> None:
    net = build(channels=8, blocks=1, upsampling="shuffle", patch=patch)
    y = net(torch.rand(1, 3, 8 * net.multiple, 4 * net.multiple))
    assert y.shape == (1, 3, 8 * net.multiple, 4 * net.multiple)
    y.mean().backward()
    assert all(p.grad is not None for p in net.parameters())


def test_minibatch_std_by_value() -> None:
    torch.manual_seed(0)
    layer = MinibatchStd()
    for batch, groups in ((1, [1]), (3, [3]), (4, [4]), (7, [7]), (8, [4, 4]), (9, [5, 4])):
        x = torch.randn(batch, 2, 3, 3)
        y = layer(x)
        assert torch.equal(y[:, :2], x)
        start = 0
        for size in groups:
            numbers = x[start : start + size].double().numpy()
            expected = float(numbers.std(axis=0).mean())
            plane = y[start : start + size, 2]
            torch.testing.assert_close(plane, torch.full((size, 3, 3), expected), atol=2e-4, rtol=0.0)
            start += size


def test_minibatch_std_tells_fakes_that_are_alike_and_has_a_gradient_there() -> None:
    judge = PatchDiscriminator(channels=4, layers=1, norm="none", minibatch_std=True)
    one = torch.rand(1, 3, 16, 16)
    alike = one.repeat(4, 1, 1, 1).requires_grad_(True)
    varied = torch.cat([one, torch.rand(3, 3, 16, 16)])
    assert (judge(alike)[0] - judge(varied)[0]).abs().max() > 1e-5  # the same picture in other company
    judge(alike).mean().backward()
    assert alike.grad is not None
    assert bool(torch.isfinite(alike.grad).all())
