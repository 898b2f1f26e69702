"""The pieces that generators and discriminators are made of."""

from collections.abc import Callable, Iterable
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

Norm = Literal["instance", "batch", "channel", "none"]
Upsampling = Literal["resize", "transposed", "shuffle"]
Padding = Literal["reflect", "zeros"]

INITIAL_STD, CONDITION_STD = 0.02, 0.1


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


class Modulation(nn.Module):
    """Scales and shifts the channels of (B, C, H, W), after their normalisation, as a condition (B, K) says.

    Planes of the condition beside the picture, as in StarGAN, would be lost here: a plane adds a constant to each
    channel, and instance norm takes away just that. Source: Dumoulin et al. 2017, "A learned representation for
    artistic style", section 2.2, for conditions that may lie between two styles.
    """

    def __init__(self, channels: int, conditions: int) -> None:
        super().__init__()
        self.scale = nn.Linear(conditions, channels, bias=False)
        self.shift = nn.Linear(conditions, channels, bias=False)

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        scale, shift = self.scale(condition), self.shift(condition)  # (B, C)
        return x * (1 + scale[:, :, None, None]) + shift[:, :, None, None]


class Layers(nn.Sequential):
    """Layers one after the other, of which some are told the condition."""

    def forward(self, x: Tensor, condition: Tensor | None = None) -> Tensor:
        for layer in self:
            x = layer(x, condition) if isinstance(layer, (Layers, Modulation, ResidualBlock)) else layer(x)
        return x


def checked_condition(condition: Tensor | None, x: Tensor, conditions: int) -> Tensor:
    """The condition (B, conditions) of a batch of pictures. Raises ValueError where it is missing or misshapen."""
    if condition is None or condition.shape != (len(x), conditions):
        shape = "none" if condition is None else f"one of shape {tuple(condition.shape)}"
        raise ValueError(f"this generator needs a condition of shape ({len(x)}, {conditions}), not {shape}")
    return condition.to(x.dtype)


def normalised(channels: int, *, norm: Norm, conditions: int = 0) -> list[nn.Module]:
    """A normalisation layer and, where there are conditions, what they do to its output."""
    layers: list[nn.Module] = [normalisation(norm)(channels)]
    return [*layers, Modulation(channels, conditions)] if conditions else layers


def conv_block(
    in_channels: int,
    out_channels: int,
    *,
    kernel: int,
    norm: Norm,
    stride: int = 1,
    padding: Padding = "reflect",
    conditions: int = 0,
) -> list[nn.Module]:
    """Padded convolution, normalisation and ReLU; a stride of 2 halves height and width."""
    return [
        nn.Conv2d(in_channels, out_channels, kernel, stride, kernel // 2, padding_mode=padding, bias=norm != "batch"),
        *normalised(out_channels, norm=norm, conditions=conditions),
        nn.ReLU(inplace=True),
    ]


class SubpixelConv(nn.Conv2d):
    """A convolution whose channels become pixels: (B, C, H, W) to (B, out_channels, factor * H, factor * W).

    `initialise` starts the channels that become neighbours as equals, as nearest-neighbour up-sampling would, so that
    there is no checkerboard to unlearn (ICNR: Aitken et al. 2017). Source: Shi et al. 2016, "Real-time single image and
    video super-resolution using an efficient sub-pixel convolutional neural network".
    """

    def __init__(
        self, in_channels: int, out_channels: int, kernel: int, factor: int, *, padding: Padding, bias: bool
    ) -> None:
        super().__init__(in_channels, out_channels * factor**2, kernel, 1, kernel // 2, padding_mode=padding, bias=bias)
        self.factor = factor

    def forward(self, x: Tensor) -> Tensor:
        return F.pixel_shuffle(super().forward(x), self.factor)


def upsampling_block(
    in_channels: int,
    out_channels: int,
    *,
    kind: Upsampling,
    norm: Norm,
    separable: bool = False,
    factor: int = 2,
    conditions: int = 0,
) -> list[nn.Module]:
    """`factor` times the height and width, then normalisation and ReLU.

    `transposed` is the paper's layer; `resize` (nearest neighbour, then convolution) leaves no checkerboard
    (Odena et al. 2016, "Deconvolution and checkerboard artifacts"); `shuffle` works at the smaller size: see
    `SubpixelConv`. The last two can be separable.
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
    elif kind == "shuffle":
        if separable:
            grow = separable_conv(in_channels, out_channels, norm=norm)
            grow[-1] = SubpixelConv(in_channels, out_channels, 1, factor, padding="zeros", bias=bias)
        else:
            grow = [SubpixelConv(in_channels, out_channels, 3, factor, padding="reflect", bias=bias)]
    else:
        raise ValueError(f"upsampling must be resize, transposed or shuffle, not {kind!r}")
    return [*grow, *normalised(out_channels, norm=norm, conditions=conditions), nn.ReLU(inplace=True)]


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

    def __init__(self, channels: int, *, norm: Norm, separable: bool = False, conditions: int = 0) -> None:
        super().__init__()

        def conv() -> list[nn.Module]:
            if separable:
                return separable_conv(channels, channels, norm=norm)
            return [nn.Conv2d(channels, channels, 3, 1, 1, padding_mode="reflect", bias=norm != "batch")]

        self.body = Layers(
            *conv(),
            *normalised(channels, norm=norm, conditions=conditions),
            nn.ReLU(inplace=True),
            *conv(),
            normalisation(norm)(channels),
        )

    def forward(self, x: Tensor, condition: Tensor | None = None) -> Tensor:
        return x + self.body(x, condition)


class NormFreeResidualBlock(nn.Module):
    """`x + conv(relu(conv(relu(x))))` with dense 3x3 convolutions and no norm; keeps the shape (B, C, H, W).

    The second convolution is to start small; see `initialise_he`. Source: EDSR (Lim et al. 2017).
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(channels, channels, 3, 1, 1)
        self.second = nn.Conv2d(channels, channels, 3, 1, 1)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.second(F.relu(self.first(F.relu(x))))


class SelfAttention(nn.Module):
    """Lets every place of (B, C, H, W) look at every other: `x + gamma * attention(x)`, where gamma starts at 0.

    Keys and values are pooled 2x2, as in the authors' code, which makes the matrix of weights a quarter as large.
    Source: Zhang et al. 2019, "Self-attention generative adversarial networks", section 3.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        narrow = max(channels // 8, 1)
        self.value_channels = max(channels // 2, narrow)
        self.query = nn.Conv2d(channels, narrow, 1)
        self.key = nn.Conv2d(channels, narrow, 1)
        self.value = nn.Conv2d(channels, self.value_channels, 1)
        self.out = nn.Conv2d(self.value_channels, channels, 1)
        self.gamma = nn.Parameter(torch.zeros(()))

    def forward(self, x: Tensor) -> Tensor:
        batch, _, height, width = x.shape
        query = self.query(x).flatten(2).transpose(1, 2)  # (B, H*W, C/8)
        key = F.max_pool2d(self.key(x), 2, ceil_mode=True).flatten(2).transpose(1, 2)  # (B, H*W/4, C/8)
        value = F.max_pool2d(self.value(x), 2, ceil_mode=True).flatten(2).transpose(1, 2)  # (B, H*W/4, C/2)
        if value.requires_grad:
            # Written out, as the fused kernels have no second derivative, which gradient penalties need.
            seen = torch.softmax(query @ key.transpose(1, 2), dim=-1) @ value  # (B, H*W, C/2)
        else:
            # The fused kernels never hold the matrix of weights, gigabytes for a large picture. They want heads of one
            # width, so queries and keys get zeros, which add nothing to their products.
            missing = self.value_channels - query.shape[-1]
            query, key = (F.pad(head, (0, missing)) for head in (query, key))
            seen = F.scaled_dot_product_attention(query[:, None], key[:, None], value[:, None], scale=1.0)[:, 0]
        return x + self.gamma * self.out(seen.transpose(1, 2).reshape(batch, -1, height, width))


def attention_at(scales: Iterable[int], there: Iterable[int]) -> frozenset[int]:
    """Checks where self-attention is asked for: each n means height and width of 1/n. Raises ValueError."""
    known = set(there)
    for scale in scales:
        if scale not in known:
            words = ", ".join(map(str, sorted(known)))
            raise ValueError(f"attention must be at 1/n of the height for n of {words}, not {scale!r}")
    return frozenset(scales)


class MinibatchStd(nn.Module):
    """Adds a plane to (B, C, H, W): how much the pictures of a group of about four differ, one number for each group.

    A discriminator that sees it notices fakes that are all alike. Groups are neighbours in the batch that is given, so
    real and fake pictures need two calls. A batch of one has nothing to compare: its plane is 0.
    Source: Karras et al. 2018, "Progressive growing of GANs", section 3.
    """

    group = 4

    def forward(self, x: Tensor) -> Tensor:
        planes = []
        for pictures in torch.tensor_split(x, max(len(x) // self.group, 1)):
            deviation = (pictures.float().var(0, correction=0) + 1e-8).sqrt().mean()  # the root has no slope at 0
            planes.append(deviation.expand(len(pictures), 1, *x.shape[2:]))
        return torch.cat([x, torch.cat(planes).to(x.dtype)], 1)


@torch.no_grad()
def initialise(module: nn.Module) -> None:
    """N(0, 0.02) weights and zero biases, in place (Zhu et al. 2017, appendix); batch-norm scales are N(1, 0.02).

    What a condition does starts at N(0, 0.1): less would take a thousand steps to tell two directions apart.
    """
    for layer in module.modules():
        if any(p.is_meta for p in layer.parameters(recurse=False)):
            continue  # only its size is asked for, and torch would load its compiler, for seconds, to fill it
        if isinstance(layer, (nn.Conv2d, nn.ConvTranspose2d)):
            nn.init.normal_(layer.weight, 0.0, INITIAL_STD)
            if isinstance(layer, SubpixelConv):
                _equal_neighbours(layer)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
        elif isinstance(layer, nn.Linear):  # those of `Modulation`
            nn.init.normal_(layer.weight, 0.0, CONDITION_STD)
        elif isinstance(layer, nn.BatchNorm2d):
            nn.init.normal_(layer.weight, 1.0, INITIAL_STD)
            nn.init.zeros_(layer.bias)


SECOND_GAIN = 0.1  # of the second convolution of a norm-free block, so that a deep stack starts near the identity


@torch.no_grad()
def initialise_he(module: nn.Module, slope: float = 0.0) -> None:
    """Weights for networks without norm, in place: every layer passes on the variance that it gets; biases are zero.

    slope: of the leaky ReLU below zero. Source: He et al. 2015, "Delving deep into rectifiers", section 2.2; the small
    second convolution of a block is Fixup's idea (Zhang et al. 2019).
    """
    for layer in module.modules():
        if not isinstance(layer, nn.Conv2d) or layer.weight.is_meta:
            continue
        nn.init.kaiming_normal_(layer.weight, a=slope, nonlinearity="leaky_relu")
        if isinstance(layer, SubpixelConv):
            _equal_neighbours(layer)
        if layer.bias is not None:
            nn.init.zeros_(layer.bias)
    for block in module.modules():
        if isinstance(block, NormFreeResidualBlock) and not block.second.weight.is_meta:
            block.second.weight.mul_(SECOND_GAIN)


def _equal_neighbours(layer: SubpixelConv) -> None:
    neighbours = layer.factor**2
    layer.weight.copy_(layer.weight[::neighbours].repeat_interleave(neighbours, 0))


def check_size(x: Tensor, smallest: int) -> None:
    """Raises ValueError for pictures (B, C, H, W) that a discriminator cannot take."""
    if min(x.shape[2:]) < smallest:
        raise ValueError(
            f"pictures of {x.shape[3]}x{x.shape[2]} pixels are too small for this discriminator, which needs "
            f"{smallest}: use fewer layers or scales, or larger pictures"
        )
