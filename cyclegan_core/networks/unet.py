"""The U-Net generator: down to the smallest size and up again, with a bridge at every size in between."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from cyclegan_core.networks.layers import (
    Layers,
    Norm,
    SelfAttention,
    SubpixelConv,
    Upsampling,
    attention_at,
    checked_condition,
    initialise,
    normalised,
)


class UnetGenerator(nn.Module):
    """The U-Net of pix2pix: 4x4 convolutions of stride 2, each size bridged to its like on the way up.

    Takes and returns float (B, 3, H, W) in [-1, 1]; H and W must be multiples of `multiple`, which is 2**depth.

    channels: width of the first layer; it doubles three times at most.
    depth: times that height and width are halved: 8 for 256 pixels and 7 for 128 in the authors' code.
    norm: see `layers`; none at the first layer and at the smallest size, which may be a single pixel.
    upsampling: `transposed` as in the paper, `resize` or `shuffle`.
    residual, conditions: as in `ResnetGenerator`.
    attention: for each n, self-attention on the way up where height and width are 1/n, before the bridge joins.

    Source: Isola et al. 2017, "Image-to-image translation with conditional adversarial networks", appendix 6.1.1.
    """

    def __init__(
        self,
        *,
        channels: int = 64,
        depth: int = 8,
        norm: Norm = "instance",
        upsampling: Upsampling = "transposed",
        residual: bool = False,
        attention: Sequence[int] = (),
        conditions: int = 0,
    ) -> None:
        super().__init__()
        if channels < 1 or depth < 2:
            raise ValueError(f"channels must be at least 1 and depth at least 2, not {channels} and {depth}")
        if conditions < 0:
            raise ValueError(f"conditions must be at least 0, not {conditions}")
        self.residual, self.conditions = residual, conditions
        self.multiple = self.smallest = 2**depth
        attentive = attention_at(attention, [2**i for i in range(1, depth)])
        widths = [channels * 2 ** min(i, 3) for i in range(depth)]  # of what each step down returns
        bias = norm != "batch"

        self.downs, self.ups = nn.ModuleList(), nn.ModuleList()
        for i, width in enumerate(widths):
            inner = i == depth - 1
            down: list[nn.Module] = [nn.LeakyReLU(0.2)] if i else []
            down.append(nn.Conv2d(widths[i - 1] if i else 3, width, 4, 2, 1, bias=bias or inner or i == 0))
            down += normalised(width, norm=norm, conditions=conditions) if i and not inner else []
            self.downs.append(Layers(*down))
        for i in reversed(range(depth)):  # from the smallest size outwards; i is the step down that it mirrors
            joined = widths[i] * (1 if i == depth - 1 else 2)
            up: list[nn.Module] = [nn.ReLU()]
            if i:
                up += _grown(joined, widths[i - 1], kind=upsampling, bias=bias)
                up += normalised(widths[i - 1], norm=norm, conditions=conditions)
                up += [SelfAttention(widths[i - 1])] if 2**i in attentive else []
            else:
                up += _grown(joined, 3, kind=upsampling, bias=True)
            self.ups.append(Layers(*up))
        initialise(self)

    def forward(self, x: Tensor, condition: Tensor | None = None) -> Tensor:
        if self.conditions:
            condition = checked_condition(condition, x, self.conditions)
        bridges = [x]
        for down in self.downs:
            bridges.append(down(bridges[-1], condition))
        y = bridges.pop()
        for up in self.ups:
            y = up(y, condition)
            if len(bridges) > 1:  # the picture itself is no bridge
                y = torch.cat([bridges.pop(), y], 1)
        y = torch.tanh(y)
        return torch.clamp(x + y, -1, 1) if self.residual else y


def _grown(in_channels: int, out_channels: int, *, kind: Upsampling, bias: bool) -> list[nn.Module]:
    """Doubles height and width. Zeros lie beyond the border, as reflection needs more than the one pixel there may be.

    The kinds are those of `layers.upsampling_block`.
    """
    if kind == "transposed":
        return [nn.ConvTranspose2d(in_channels, out_channels, 4, 2, 1, bias=bias)]
    if kind == "resize":
        return [nn.Upsample(scale_factor=2, mode="nearest"), nn.Conv2d(in_channels, out_channels, 3, 1, 1, bias=bias)]
    if kind == "shuffle":
        return [SubpixelConv(in_channels, out_channels, 3, 2, padding="zeros", bias=bias)]
    raise ValueError(f"upsampling must be resize, transposed or shuffle, not {kind!r}")
