"""A dense residual generator with skip connections, without any norm: fast where matrix units do the arithmetic."""

from collections.abc import Sequence
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cyclegan_core.networks.layers import NormFreeResidualBlock, SubpixelConv, initialise_he

CHANGE_STD = 0.002  # of the last layer where it paints a change: the network starts as the identity


class UnetResnetGenerator(nn.Module):
    """Residual blocks at three or more sizes, down and up again, with the encoder's features added on the way up.

    Takes and returns float (B, 3, H, W) in [-1, 1]; H and W must be multiples of `multiple`. All convolutions are dense
    and none works at full size, as depthwise layers, norms and full-size layers are bound by memory, dense ones by
    arithmetic: in bfloat16 on a CPU with AMX this one trains several times faster than a network of separable layers
    with as many multiply-adds.

    channels: width at the second size; the first has half of it, each further one twice as much as the one before.
    patch: side of the square of pixels that is folded into channels before the first layer and unfolded after the last
        (pixel unshuffle and shuffle, Shi et al. 2016).
    blocks: residual blocks at the smallest size.
    encoder_blocks: residual blocks at each size on the way down, the largest first; each is followed by a convolution
        of stride 2.
    decoder_blocks: residual blocks at each size on the way up, the smallest first.
    skips: at how many sizes on the way up the encoder's features are added, the smallest first. Without the largest, a
        painter of another style is not tempted to keep the photo's outlines.
    residual: predict the change and add it to the input; else the picture is painted whole, through tanh.
    smooth: blur what is painted by (1, 2, 1) / 4 along both axes. A generator of CycleGAN hides its input from the
        discriminator in patterns as fine as the unfolded squares of 2 pixels (Chu et al. 2017, "CycleGAN, a master of
        steganography"); in ageing they show as hatched cheeks. This filter has a zero just there.
    enlargements: how many times the size is doubled beyond `patch`. The encoder sees larger squares of pixels and works
        as it did; what the decoder paints is enlarged, and a finer layer with blocks of its own adds to it.

    Sources: the skips are U-Net's (Ronneberger et al. 2015), added as in LinkNet (Chaurasia and Culurciello 2017); the
    blocks are the norm-free pre-activation blocks of EDSR (Lim et al. 2017) and Fixup (Zhang et al. 2019), whose second
    convolution starts small. Enlarging what is painted and adding to it is StyleGAN2's (Karras et al. 2020).
    """

    def __init__(
        self,
        *,
        channels: int = 64,
        patch: int = 2,
        blocks: int = 6,
        encoder_blocks: Sequence[int] = (0, 1),
        decoder_blocks: Sequence[int] = (2, 1),
        skips: int = 2,
        residual: bool = False,
        smooth: bool = False,
        enlargements: int = 0,
    ) -> None:
        super().__init__()
        depth = len(encoder_blocks)
        if channels < 2 or patch < 1 or min(blocks, enlargements, *encoder_blocks, *decoder_blocks) < 0:
            raise ValueError("channels must be at least 2, patch at least 1 and every other number at least 0")
        if len(decoder_blocks) != depth or not 0 <= skips <= depth:
            raise ValueError(
                f"decoder_blocks must have as many numbers as encoder_blocks, {depth}, and skips must be 0 to {depth}"
            )
        self.residual, self.skips, self.smooth = residual, skips, smooth
        square = patch * 2**enlargements  # pixels a side that one place of the first layer sees
        self.multiple = self.smallest = square * 2**depth
        widths = [channels // 2 * 2**i for i in range(depth + 1)]

        self.stem = nn.Sequential(nn.PixelUnshuffle(square), nn.Conv2d(3 * square**2, widths[0], 3, 1, 1))
        self.encoder, self.down = nn.ModuleList(), nn.ModuleList()
        for (narrow, wide), count in zip(pairwise(widths), encoder_blocks, strict=True):
            self.encoder.append(_blocks(narrow, count))
            self.down.append(nn.Conv2d(narrow, wide, 4, 2, 1))
        self.middle = _blocks(widths[-1], blocks)
        self.up, self.decoder = nn.ModuleList(), nn.ModuleList()
        for (wide, narrow), count in zip(pairwise(reversed(widths)), decoder_blocks, strict=True):
            self.up.append(SubpixelConv(wide, narrow, 1, 2, padding="zeros", bias=True))
            self.decoder.append(_blocks(narrow, count))
        self.painter = SubpixelConv(widths[0], 3, 3, patch, padding="zeros", bias=True)
        finer = [_Finer(widths[0], patch) for _ in range(enlargements)]
        self.finer = nn.ModuleList(finer)
        initialise_he(self)
        for painter in ([self.painter] if residual else []) + [part.painter for part in finer]:
            if not painter.weight.is_meta:
                with torch.no_grad():
                    painter.weight.normal_(0, CHANGE_STD)

    def forward(self, x: Tensor) -> Tensor:
        y = self.stem(x)  # (B, C/2, H/patch, W/patch)
        skips = []
        for blocks, down in zip(self.encoder, self.down, strict=True):
            y = blocks(y)
            skips.append(y)
            y = down(_activated(y))
        y = self.middle(y)
        for i, (up, blocks) in enumerate(zip(self.up, self.decoder, strict=True)):
            y = up(_activated(y))
            if i < self.skips:
                y = y + skips[-1 - i]
            y = blocks(y)
        painted = self.painter(_activated(y))  # (B, 3, H, W) without enlargements
        for finer in self.finer:
            y, addition = finer(y)
            painted = F.interpolate(painted, scale_factor=2.0, mode="bilinear", align_corners=False) + addition
        if self.smooth:
            painted = _smoothed(painted)
        return torch.clamp(x + painted, -1, 1) if self.residual else torch.tanh(painted)


class _Finer(nn.Module):
    """Features (B, C, h, w) at twice their size, and what they add to a picture of `patch` times that size."""

    def __init__(self, channels: int, patch: int) -> None:
        super().__init__()
        self.up = SubpixelConv(channels, channels, 1, 2, padding="zeros", bias=True)
        self.blocks = _blocks(channels, 1)
        self.painter = SubpixelConv(channels, 3, 3, patch, padding="zeros", bias=True)

    def forward(self, features: Tensor) -> tuple[Tensor, Tensor]:
        features = self.blocks(self.up(_activated(features)))
        return features, self.painter(_activated(features))


def _activated(features: Tensor) -> Tensor:
    """Leaky, as all that is known passes here: behind a plain ReLU all of it died within 2,000 steps of a run."""
    return F.leaky_relu(features, 0.2)


def _smoothed(pictures: Tensor) -> Tensor:
    """Two means over 2 x 2 pixels are the filter (1, 2, 1) / 4 along both axes."""
    padded = F.pad(pictures, (1, 1, 1, 1), mode="replicate")
    return F.avg_pool2d(F.avg_pool2d(padded, 2, 1), 2, 1)


def _blocks(channels: int, count: int) -> nn.Sequential:
    return nn.Sequential(*(NormFreeResidualBlock(channels) for _ in range(count)))
