"""Generators: a picture of one domain in, a picture of the other domain out, at the same size."""

from collections.abc import Sequence
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cyclegan_core.networks.layers import (
    Layers,
    Norm,
    Padding,
    ResidualBlock,
    SelfAttention,
    Upsampling,
    attention_at,
    checked_condition,
    conv_block,
    initialise,
    upsampling_block,
)


class ResnetGenerator(nn.Module):
    """The generator of the CycleGAN paper: c7s1-64, d128, d256, R256 x blocks, u128, u64, c7s1-3.

    Takes and returns float (B, 3, H, W) in [-1, 1]; H and W must be multiples of `multiple` and at least `smallest`.

    channels: width of the first layer (64 in the paper).
    blocks: residual blocks; 6 for 128 pixels and 9 for 256 in the paper.
    downsamplings: times that height and width are halved, and the channels doubled, before the blocks.
    patch: side of the square of pixels that is folded into channels before the first layer (pixel unshuffle, Shi et
        al. 2016). With 2, only the last layers, with a quarter of the channels, work at full resolution, where most of
        the time goes.
    coarse: side of the square of pixels that is averaged before the first layer, a power of 2. The generator sees the
        layout alone and paints all detail anew: what a painter of another style needs, and it saves the time that
        looking at detail would take.
    norm, upsampling: see `layers`.
    down_padding: what lies beyond the border for the convolutions of stride 2: `zeros` in the authors' code.
    residual: predict the change and add it to the input (to its layout where the generator is coarse). The network then
        starts near the identity and has only the difference to paint, which a caller may enlarge and add to a bigger
        picture.
    attention: for each n, self-attention where height and width are 1/n: after the blocks, or on the way up after the
        layer that reaches that size.
    skips: of the smaller sizes on the way up, how many, the last ones, paint a picture of their own, which is enlarged
        and added to the next one (the skip generator of Karras et al. 2020, "Analyzing and improving the image quality
        of StyleGAN"). A network that has grown goes on from the picture that it painted before.
    conditions: numbers (B, conditions) that say which of several translations to do, such as a one-hot direction or
        age; `forward` then takes them after the picture.

    Source: Zhu et al. 2017, "Unpaired image-to-image translation using cycle-consistent adversarial networks",
    appendix 7.2; the residual blocks are Johnson et al. 2016's.
    """

    separable = False

    def __init__(
        self,
        *,
        channels: int = 64,
        blocks: int = 9,
        downsamplings: int = 2,
        patch: int = 1,
        coarse: int = 1,
        norm: Norm = "instance",
        upsampling: Upsampling = "transposed",
        down_padding: Padding = "reflect",
        residual: bool = False,
        attention: Sequence[int] = (),
        skips: int = 0,
        conditions: int = 0,
    ) -> None:
        super().__init__()
        if channels < 1 or blocks < 0 or downsamplings < 0 or patch < 1:
            raise ValueError(
                "channels and patch must be at least 1, blocks and downsamplings at least 0, "
                f"not {channels}, {patch}, {blocks} and {downsamplings}"
            )
        if coarse < 1 or coarse & (coarse - 1):
            raise ValueError(f"coarse must be a power of 2, not {coarse}")
        if conditions < 0:
            raise ValueError(f"conditions must be at least 0, not {conditions}")
        if down_padding not in ("reflect", "zeros"):
            raise ValueError(f"down_padding must be reflect or zeros, not {down_padding!r}")
        self.residual, self.coarse, self.conditions = residual, coarse, conditions
        self.multiple = coarse * patch * 2**downsamplings
        self.smallest = 2 * self.multiple  # reflection needs a second pixel
        if not 0 <= skips < coarse.bit_length():
            raise ValueError(f"skips must be 0 to {coarse.bit_length() - 1} where coarse is {coarse}, not {skips}")
        steps = [2] * downsamplings + [patch] * (patch > 1) + [2] * (coarse.bit_length() - 1)
        scale, scales = self.multiple, [self.multiple]
        for factor in steps:
            scale //= factor
            scales.append(scale)
        attentive = attention_at(attention, scales)
        widths = [channels * 2**i for i in range(downsamplings + 1)]
        layers: list[nn.Module] = [nn.AvgPool2d(coarse)] if coarse > 1 else []
        layers += [nn.PixelUnshuffle(patch)] if patch > 1 else []
        layers += conv_block(3 * patch**2, channels, kernel=7, norm=norm, conditions=conditions)
        for narrow, wide in pairwise(widths):
            layers += conv_block(
                narrow, wide, kernel=3, stride=2, norm=norm, padding=down_padding, conditions=conditions
            )
        width, scale = widths[-1], self.multiple
        layers += (
            ResidualBlock(width, norm=norm, separable=self.separable, conditions=conditions) for _ in range(blocks)
        )
        layers += [SelfAttention(width)] if scale in attentive else []

        def grow(narrow: int, factor: int = 2, separable: bool = self.separable) -> None:
            nonlocal width, scale
            layers.extend(
                upsampling_block(
                    width,
                    narrow,
                    kind=upsampling,
                    norm=norm,
                    separable=separable,
                    factor=factor,
                    conditions=conditions,
                )
            )
            width, scale = narrow, scale // factor
            if scale in attentive:
                layers.append(SelfAttention(width))

        for narrow in reversed(widths[:-1]):
            grow(narrow)
        if patch > 1:
            # Few channels at full resolution.
            narrow = max(width // patch**2, 8)
            layers += conv_block(width, narrow, kernel=1, norm=norm, conditions=conditions)
            width = narrow
            grow(narrow, patch, separable=False)
        painters: list[nn.Module] = []
        self._painted_after: list[int] = []  # the layer whose features each painter but the last one gets
        for left in range(coarse.bit_length() - 1, 0, -1):
            if left <= skips:
                painters.append(_painter(width))
                self._painted_after.append(len(layers))
            grow(max(width // 2, 12))
        build = Layers if conditions else nn.Sequential
        self.net = build(*layers, _painter(width))
        self.skips = nn.ModuleList(painters)
        initialise(self)

    def forward(self, x: Tensor, condition: Tensor | None = None) -> Tensor:
        told = (checked_condition(condition, x, self.conditions),) if self.conditions else ()
        y = torch.tanh(self._painted(x, *told) if self.skips else self.net(x, *told))
        return torch.clamp(self._seen(x) + y, -1, 1) if self.residual else y

    def _painted(self, x: Tensor, *told: Tensor) -> Tensor:
        """The sum of the pictures of all sizes, before tanh."""
        sketch: Tensor | None = None
        begin = 0
        for painter, end in zip(self.skips, self._painted_after, strict=True):
            x = self.net[begin:end](x, *told)
            sketch, begin = painter(x) + _enlarged(sketch), end
        return self.net[begin:](x, *told) + _enlarged(sketch)

    def _seen(self, x: Tensor) -> Tensor:
        """The picture without the detail that a coarse generator is not shown."""
        if self.coarse == 1:
            return x
        small = F.avg_pool2d(x, self.coarse)
        return F.interpolate(small, scale_factor=float(self.coarse), mode="bilinear", align_corners=False)


def _painter(channels: int) -> nn.Module:
    """From features to a picture of the same size."""
    return nn.Conv2d(channels, 3, 7, 1, 3, padding_mode="reflect")


def _enlarged(picture: Tensor | None) -> Tensor | float:
    """Twice the height and width; nothing where there is no picture yet."""
    if picture is None:
        return 0.0
    return F.interpolate(picture, scale_factor=2.0, mode="bilinear", align_corners=False)


class MobileResnetGenerator(ResnetGenerator):
    """`ResnetGenerator` with depthwise-separable residual blocks: the arithmetic of the trunk falls to an eighth.

    Where it grows by resize-convolution or pixel shuffle, those convolutions are separable too: at full size they would
    cost the most.

    Source: Li et al. 2020, "GAN Compression: efficient architectures for interactive conditional GANs", section 3.2.
    """

    separable = True
