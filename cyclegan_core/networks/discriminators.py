"""Discriminators: a picture in, a map of scores out, one for each overlapping patch."""

from itertools import pairwise

from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from cyclegan_core.networks.layers import Norm, initialise, normalisation


class PatchDiscriminator(nn.Module):
    """The PatchGAN discriminator: C64-C128-C256-C512 and one score a patch.

    Takes float (B, 3, H, W) in [-1, 1]; returns unbounded scores (B, 1, h, w), higher for more real.
    With three `layers` each score sees 70x70 pixels, and 256x256 pixels give 30x30 scores.

    channels: width of the first layer. layers: convolutions of stride 2.
    norm: the paper's is `instance` (none on the first layer). spectral: spectral normalisation of every
        convolution (Miyato et al. 2018), which steadies small sets; use it with norm `none`.

    Source: Isola et al. 2017, "Image-to-image translation with conditional adversarial networks", appendix 6.1.2.
    """

    def __init__(self, *, channels: int = 64, layers: int = 3, norm: Norm = "instance", spectral: bool = False) -> None:
        super().__init__()
        if channels < 1 or layers < 1:
            raise ValueError(f"channels and layers must be at least 1, not {channels} and {layers}")
        widths = [min(channels * 2**i, channels * 8) for i in range(layers + 1)]
        modules: list[nn.Module] = [nn.Conv2d(3, widths[0], 4, 2, 1), nn.LeakyReLU(0.2, inplace=True)]
        for i, (narrow, wide) in enumerate(pairwise(widths)):
            stride = 2 if i < layers - 1 else 1
            modules += [
                nn.Conv2d(narrow, wide, 4, stride, 1, bias=norm != "batch"),
                normalisation(norm)(wide),
                nn.LeakyReLU(0.2, inplace=True),
            ]
        modules.append(nn.Conv2d(widths[-1], 1, 4, 1, 1))
        self.net = nn.Sequential(*modules)
        initialise(self)
        if spectral:
            for layer in self.net:
                if isinstance(layer, nn.Conv2d):
                    spectral_norm(layer)

    def forward(self, x: Tensor) -> Tensor:
        return self.net(x)
