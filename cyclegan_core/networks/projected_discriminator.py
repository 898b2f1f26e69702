"""A discriminator that looks at a picture through the features of a network that has learned ImageNet."""

import math
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from cyclegan_core.networks.layers import check_size
from cyclegan_core.networks.pretrained_features import CHANNELS, PretrainedFeatures

_HALVINGS = (3, 2, 1, 0)  # of each map, before its scores
WIDEST = 256  # channels of a head
# Spectral norm limits slopes: without a gain the head for pixels could not speak up beside features, which are larger,
# and colours and contrast would be left to themselves.
PIXEL_GAIN = 24.0
FOLDED = 4  # side of the square of pixels that is folded into the channels of the head for pixels


class ProjectedDiscriminator(nn.Module):
    """Small discriminators on four maps of pretrained features, each mixed at random with those below it.

    Takes float (B, 3, H, W) in [-1, 1] and returns a list of four score maps (B, 1, s, s), of the finest features
    first; all have s = S/32. It knows from the start what eyes, hair and glasses look like, so it tells shapes apart
    after a few hundred pictures where one that learns from pixels needs thousands.

    channels: width of the finest map after the mixing; it doubles with each coarser one. size: side S in pixels, a
        multiple of 32, to which pictures are brought before the features see them.

    The features and the mixing stay as they are. The features are no part of the state dict, as every process and
    every checkpoint has the same.
    Source: Sauer et al. 2021, "Projected GANs converge faster", with 1x1 convolutions for both kinds of mixing, and
    without batch norm, which small batches cannot use.
    """

    smallest = 32

    def __init__(self, *, channels: int = 32, size: int = 256) -> None:
        super().__init__()
        if channels < 8 or channels % 8:
            raise ValueError(f"channels must be a multiple of 8, not {channels}")
        if size < 64 or size % 32:
            raise ValueError(f"size must be a multiple of 32 from 64 on, not {size}")
        self.size = size
        self._features = (PretrainedFeatures(),)  # a tuple, so not registered
        widths = [channels * 2**i for i in range(len(CHANNELS))]
        for i, (narrow, wide) in enumerate(zip(CHANNELS, widths, strict=True)):
            self.register_buffer(f"across_channels_{i}", _random_projection(narrow, wide))
        for i, (narrow, wide) in enumerate(pairwise(widths)):
            self.register_buffer(f"across_scales_{i}", _random_projection(wide, narrow))
        self.heads = nn.ModuleList(_head(width, n) for width, n in zip(widths, _HALVINGS, strict=True))
        self.pixels = nn.Sequential(nn.PixelUnshuffle(FOLDED), _head(3 * FOLDED**2, 2))

    def forward(self, x: Tensor) -> list[Tensor]:
        check_size(x, self.smallest)
        scores = [self.pixels(PIXEL_GAIN * x)]
        if x.shape[-2:] != (self.size, self.size):
            x = F.interpolate(x, (self.size, self.size), mode="bilinear", antialias=x.shape[-1] > self.size)
        maps = self._features[0](x)
        mixed = [F.conv2d(one, self.get_buffer(f"across_channels_{i}")) for i, one in enumerate(maps)]
        for i in reversed(range(len(mixed) - 1)):
            below = F.interpolate(mixed[i + 1], scale_factor=2, mode="bilinear")
            mixed[i] = mixed[i] + F.conv2d(below, self.get_buffer(f"across_scales_{i}"))
        return scores + [head(one) for head, one in zip(self.heads, mixed, strict=True)]

    def _apply(self, fn: Callable[[Tensor], Tensor], *args: Any, **kwargs: Any) -> "ProjectedDiscriminator":
        self._features[0]._apply(fn, *args, **kwargs)
        return super()._apply(fn, *args, **kwargs)


def _random_projection(narrow: int, wide: int) -> Tensor:
    """Weights of a 1x1 convolution that keeps the size of what passes through it, on average."""
    return torch.randn(wide, narrow, 1, 1) / math.sqrt(narrow)


def _head(width: int, halvings: int) -> nn.Module:
    """Scores of a map. There is no norm, which would hide brightness and contrast from it."""
    layers: list[nn.Module] = []
    for _ in range(halvings):
        wide = min(2 * width, WIDEST)
        layers += [spectral_norm(nn.Conv2d(width, wide, 4, 2, 1)), nn.LeakyReLU(0.2)]
        width = wide
    layers += [spectral_norm(nn.Conv2d(width, WIDEST, 3, 1, 1)), nn.LeakyReLU(0.2)]
    return nn.Sequential(*layers, spectral_norm(nn.Conv2d(WIDEST, 1, 3, 1, 1)))
