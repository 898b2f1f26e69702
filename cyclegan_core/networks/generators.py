"""Generators: a picture of one domain in, a picture of the other domain out, at the same size."""

from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cyclegan_core.networks.layers import (
    Norm,
    ResidualBlock,
    Upsampling,
    conv_block,
    initialise,
    upsampling_block,
)


class ResnetGenerator(nn.Module):
    """The generator of the CycleGAN paper: c7s1-64, d128, d256, R256 x blocks, u128, u64, c7s1-3.

    Takes and returns float (B, 3, H, W) in [-1, 1]; H and W must be multiples of `multiple` and at least twice that.

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
    residual: predict the change and add it to the input (to its layout where the generator is coarse). The network then
        starts near the identity and has only the difference to paint, which a caller may enlarge and add to a bigger
        picture.

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
        residual: bool = False,
    ) -> None:
        super().__init__()
        if channels < 1 or blocks < 0 or downsamplings < 0 or patch < 1:
            raise ValueError(
                "channels and patch must be at least 1, blocks and downsamplings at least 0, "
                f"not {channels}, {patch}, {blocks} and {downsamplings}"
            )
        if coarse < 1 or coarse & (coarse - 1):
            raise ValueError(f"coarse must be a power of 2, not {coarse}")
        self.residual, self.coarse = residual, coarse
        self.multiple = coarse * patch * 2**downsamplings
        widths = [channels * 2**i for i in range(downsamplings + 1)]
        layers: list[nn.Module] = [nn.AvgPool2d(coarse)] if coarse > 1 else []
        layers += [nn.PixelUnshuffle(patch)] if patch > 1 else []
        layers += conv_block(3 * patch**2, channels, kernel=7, norm=norm)
        for narrow, wide in pairwise(widths):
            layers += conv_block(narrow, wide, kernel=3, stride=2, norm=norm)
        layers += (ResidualBlock(widths[-1], norm=norm, separable=self.separable) for _ in range(blocks))
        for wide, narrow in pairwise(reversed(widths)):
            layers += upsampling_block(wide, narrow, kind=upsampling, norm=norm, separable=self.separable)
        if patch > 1:
            # Few channels at full resolution; a pixel shuffle would cost as little, but prints its grid on the picture.
            narrow = max(channels // patch**2, 8)
            layers += conv_block(channels, narrow, kernel=1, norm=norm)
            layers += upsampling_block(narrow, narrow, kind=upsampling, norm=norm, factor=patch)
            channels = narrow
        for _ in range(coarse.bit_length() - 1):
            narrow = max(channels // 2, 12)
            layers += upsampling_block(channels, narrow, kind=upsampling, norm=norm, separable=self.separable)
            channels = narrow
        self.net = nn.Sequential(*layers, nn.Conv2d(channels, 3, 7, 1, 3, padding_mode="reflect"))
        initialise(self)

    def forward(self, x: Tensor) -> Tensor:
        y = torch.tanh(self.net(x))
        return torch.clamp(self._seen(x) + y, -1, 1) if self.residual else y

    def _seen(self, x: Tensor) -> Tensor:
        """The picture without the detail that a coarse generator is not shown."""
        if self.coarse == 1:
            return x
        small = F.avg_pool2d(x, self.coarse)
        return F.interpolate(small, scale_factor=float(self.coarse), mode="bilinear", align_corners=False)


class MobileResnetGenerator(ResnetGenerator):
    """`ResnetGenerator` with depthwise-separable residual blocks: the arithmetic of the trunk falls to an eighth.

    Where it grows by resize-convolution, those convolutions are separable too: at full size they would cost the most.

    Source: Li et al. 2020, "GAN Compression: efficient architectures for interactive conditional GANs", section 3.2.
    """

    separable = True
