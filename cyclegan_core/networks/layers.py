"""The pieces that generators and discriminators are made of."""

from collections.abc import Callable
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

Norm = Literal["instance", "batch", "channel", "none"]
Upsampling = Literal["resize", "transposed"]

INITIAL_STD = 0.02


class ChannelNorm(nn.LayerNorm):
    """Layer norm over the channels of every pixel of (B, C, H, W), as in ConvNeXt (Liu et al. 2022).

    It takes no statistics over the picture, so one bright spot cannot dim all the rest: the droplet-like blotches that
    instance norm invites (Karras et al. 2020, "Analyzing and improving the image quality of StyleGAN", section 2) have
    no cause. Unlike batch norm it does the same in training and in use.
    """

    def __init__(self, channels: int) -> None:
        super().__init__(channels, eps=1e-5)

    def forward(self, x: Tensor) -> Tensor:
        x = F.layer_norm(x.permute(0, 2, 3, 1), self.normalized_shape, self.weight, self.bias, self.eps)
        return x.permute(0, 3, 1, 2)


def normalisation(norm: Norm) -> Callable[[int], nn.Module]:
    """Builder of a normalisation layer for a number of channels; `instance` is the CycleGAN paper's."""
    if norm == "instance":
        return nn.InstanceNorm2d
    if norm == "batch":
        return nn.BatchNorm2d
    if norm == "channel":
        return ChannelNorm
    if norm == "none":
        return lambda channels: nn.Identity()
    raise ValueError(f"norm must be instance, batch, channel or none, not {norm!r}")


def conv_block(in_channels: int, out_channels: int, *, kernel: int, norm: Norm, stride: int = 1) -> list[nn.Module]:
    """Reflection-padded convolution, normalisation and ReLU; a stride of 2 halves height and width."""
    return [
        nn.Conv2d(in_channels, out_channels, kernel, stride, kernel // 2, padding_mode="reflect", bias=norm != "batch"),
        normalisation(norm)(out_channels),
        nn.ReLU(inplace=True),
    ]


def upsampling_block(
    in_channels: int, out_channels: int, *, kind: Upsampling, norm: Norm, separable: bool = False, factor: int = 2
) -> list[nn.Module]:
    """`factor` times the height and width, then normalisation and ReLU.

    `transposed` is the paper's layer; `resize` (nearest neighbour, then convolution) leaves no checkerboard
    (Odena et al. 2016, "Deconvolution and checkerboard artifacts") and can be separable.
    """
    bias = norm != "batch"
    if kind == "resize":
        grow: list[nn.Module] = [nn.Upsample(scale_factor=factor, mode="nearest")]
        if separable:
            grow += separable_conv(in_channels, out_channels, norm=norm)
        else:
            grow.append(nn.Conv2d(in_channels, out_channels, 3, 1, 1, padding_mode="reflect", bias=bias))
    elif kind == "transposed":
        grow = [nn.ConvTranspose2d(in_channels, out_channels, 3, factor, 1, output_padding=factor - 1, bias=bias)]
    else:
        raise ValueError(f"upsampling must be resize or transposed, not {kind!r}")
    return [*grow, normalisation(norm)(out_channels), nn.ReLU(inplace=True)]


def separable_conv(in_channels: int, out_channels: int, *, norm: Norm) -> list[nn.Module]:
    """Depthwise 3x3 then pointwise 1x1 convolution: about an eighth of the arithmetic of a full 3x3.

    Source: the separable residual block of GAN Compression (Li et al. 2020).
    """
    bias = norm != "batch"
    return [
        nn.Conv2d(in_channels, in_channels, 3, 1, 1, groups=in_channels, padding_mode="reflect", bias=bias),
        normalisation(norm)(in_channels),
        nn.Conv2d(in_channels, out_channels, 1, bias=bias),
    ]


class ResidualBlock(nn.Module):
    """`x + f(x)` with two 3x3 convolutions; keeps the shape (B, C, H, W)."""

    def __init__(self, channels: int, *, norm: Norm, separable: bool = False) -> None:
        super().__init__()

        def conv() -> list[nn.Module]:
            if separable:
                return separable_conv(channels, channels, norm=norm)
            return [nn.Conv2d(channels, channels, 3, 1, 1, padding_mode="reflect", bias=norm != "batch")]

        self.body = nn.Sequential(
            *conv(), normalisation(norm)(channels), nn.ReLU(inplace=True), *conv(), normalisation(norm)(channels)
        )

    def forward(self, x: Tensor) -> Tensor:
        return x + self.body(x)


@torch.no_grad()
def initialise(module: nn.Module) -> None:
    """N(0, 0.02) weights and zero biases, in place (Zhu et al. 2017, appendix); batch-norm scales are N(1, 0.02)."""
    for layer in module.modules():
        if any(p.is_meta for p in layer.parameters(recurse=False)):
            continue  # only its size is asked for, and torch would load its compiler, for seconds, to fill it
        if isinstance(layer, (nn.Conv2d, nn.ConvTranspose2d)):
            nn.init.normal_(layer.weight, 0.0, INITIAL_STD)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
        elif isinstance(layer, nn.BatchNorm2d):
            nn.init.normal_(layer.weight, 1.0, INITIAL_STD)
            nn.init.zeros_(layer.bias)
