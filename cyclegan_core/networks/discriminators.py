"""Discriminators: a picture in, scores out, unbounded and higher for more real.

Each takes float (B, 3, H, W) in [-1, 1], H and W at least `smallest`.
"""

from collections.abc import Iterable, Sequence
from itertools import pairwise

import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from cyclegan_core.networks.layers import (
    MinibatchStd,
    Norm,
    SelfAttention,
    attention_at,
    check_size,
    initialise,
    normalisation,
)


class _ScoreMap(nn.Module):
    """Layers from pictures to a map of scores, initialised as the paper's are.

    smallest: pixels that a side must have. spectral: spectral normalisation of every convolution.
    """

    def __init__(self, layers: Iterable[nn.Module], smallest: int, *, spectral: bool) -> None:
        super().__init__()
        self.smallest = smallest
        self.net = nn.Sequential(*layers)
        initialise(self)
        if spectral:
            _normalise_spectrally(self)

    def forward(self, x: Tensor) -> Tensor:
        check_size(x, self.smallest)
        return self.net(x)


class PatchDiscriminator(_ScoreMap):
    """The PatchGAN discriminator: C64-C128-C256-C512 and one score a patch.

    Returns scores (B, 1, h, w). With three `layers` each score sees 70x70 pixels, and 256x256 pixels give 30x30 scores.

    channels: width of the first layer. layers: convolutions of stride 2.
    norm: the paper's is `instance` (none on the first layer). spectral: spectral normalisation of every
        convolution (Miyato et al. 2018), which steadies small sets; use it with norm `none`.
    attention: for each n, self-attention after the layer where height and width are 1/n: of 2, 4 ... 2**layers.
    minibatch_std: the last layer is told how much the pictures of the batch differ; see `MinibatchStd`.

    Source: Isola et al. 2017, "Image-to-image translation with conditional adversarial networks", appendix 6.1.2.
    """

    def __init__(
        self,
        *,
        channels: int = 64,
        layers: int = 3,
        norm: Norm = "instance",
        spectral: bool = False,
        attention: Sequence[int] = (),
        minibatch_std: bool = False,
    ) -> None:
        if channels < 1 or layers < 1:
            raise ValueError(f"channels and layers must be at least 1, not {channels} and {layers}")
        attentive = attention_at(attention, [2**i for i in range(1, layers + 1)])
        widths = [min(channels * 2**i, channels * 8) for i in range(layers + 1)]
        modules: list[nn.Module] = [nn.Conv2d(3, widths[0], 4, 2, 1), nn.LeakyReLU(0.2, inplace=True)]
        modules += [SelfAttention(widths[0])] if 2 in attentive else []
        for i, (narrow, wide) in enumerate(pairwise(widths)):
            stride = 2 if i < layers - 1 else 1
            modules += [
                nn.Conv2d(narrow, wide, 4, stride, 1, bias=norm != "batch"),
                normalisation(norm)(wide),
                nn.LeakyReLU(0.2, inplace=True),
            ]
            modules += [SelfAttention(wide)] if stride == 2 and 2 ** (i + 2) in attentive else []
        modules += [MinibatchStd()] if minibatch_std else []
        modules.append(nn.Conv2d(widths[-1] + minibatch_std, 1, 4, 1, 1))
        # Two convolutions without stride take a pixel each off height and width.
        super().__init__(modules, 3 * 2**layers, spectral=spectral)


class PixelDiscriminator(_ScoreMap):
    """Judges every pixel by its colour alone: 1x1 convolutions, scores (B, 1, H, W).

    channels: width of the first layer, half of the second's. norm, spectral: as in `PatchDiscriminator`.
    Source: Isola et al. 2017, appendix 6.1.2, the 1x1 discriminator.
    """

    def __init__(self, *, channels: int = 64, norm: Norm = "instance", spectral: bool = False) -> None:
        if channels < 1:
            raise ValueError(f"channels must be at least 1, not {channels}")
        layers = (
            nn.Conv2d(3, channels, 1),
            nn.LeakyReLU(0.2, inplace=True),
            nn.Conv2d(channels, 2 * channels, 1, bias=norm != "batch"),
            normalisation(norm)(2 * channels),
            nn.LeakyReLU(0.2, inplace=True),
            nn.Conv2d(2 * channels, 1, 1),
        )
        super().__init__(layers, 2, spectral=spectral)  # instance norm needs more than one pixel


class MultiscaleDiscriminator(nn.Module):
    """Patch discriminators of one shape, each for the picture at half the size of the one before.

    Returns a list of score maps, the finest first: detail is judged by the first, layout by the last.
    scales: how many. The other arguments are those of `PatchDiscriminator`.
    Source: Wang et al. 2018, "High-resolution image synthesis and semantic manipulation with conditional GANs",
    section 3.2.
    """

    def __init__(
        self,
        *,
        scales: int = 2,
        channels: int = 64,
        layers: int = 3,
        norm: Norm = "instance",
        spectral: bool = False,
        attention: Sequence[int] = (),
        minibatch_std: bool = False,
    ) -> None:
        super().__init__()
        if not 1 <= scales <= 6:
            raise ValueError(f"scales must be 1 to 6, not {scales}")
        self.discriminators = nn.ModuleList(
            PatchDiscriminator(
                channels=channels,
                layers=layers,
                norm=norm,
                spectral=spectral,
                attention=attention,
                minibatch_std=minibatch_std,
            )
            for _ in range(scales)
        )
        self.smallest = 3 * 2 ** (layers + scales - 1)

    def forward(self, x: Tensor) -> list[Tensor]:
        check_size(x, self.smallest)
        scores = []
        for i, discriminator in enumerate(self.discriminators):
            if i:
                x = F.avg_pool2d(x, 3, 2, 1, count_include_pad=False)
            scores.append(discriminator(x))
        return scores


def _normalise_spectrally(net: nn.Module) -> None:
    for layer in list(net.modules()):
        if isinstance(layer, nn.Conv2d):
            spectral_norm(layer)
