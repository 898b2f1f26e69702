"""Networks of CycleGAN. They know nothing of faces, files or training."""

from collections.abc import Mapping
from typing import Any

from torch import nn

from cyclegan_core.errors import CycleganError
from cyclegan_core.networks.conditioned import Conditioned
from cyclegan_core.networks.discriminators import MultiscaleDiscriminator, PatchDiscriminator, PixelDiscriminator
from cyclegan_core.networks.generators import MobileResnetGenerator, ResnetGenerator
from cyclegan_core.networks.projected_discriminator import ProjectedDiscriminator
from cyclegan_core.networks.two_headed_discriminator import TwoHeadedDiscriminator
from cyclegan_core.networks.unet import UnetGenerator
from cyclegan_core.networks.unet_resnet import UnetResnetGenerator

__all__ = [
    "DISCRIMINATORS",
    "GENERATORS",
    "Conditioned",
    "MobileResnetGenerator",
    "MultiscaleDiscriminator",
    "PatchDiscriminator",
    "PixelDiscriminator",
    "ProjectedDiscriminator",
    "ResnetGenerator",
    "TwoHeadedDiscriminator",
    "UnetGenerator",
    "UnetResnetGenerator",
    "build_discriminator",
]

GENERATORS: dict[str, type[nn.Module]] = {
    "ResnetGenerator": ResnetGenerator,
    "MobileResnetGenerator": MobileResnetGenerator,
    "UnetGenerator": UnetGenerator,
    "UnetResnetGenerator": UnetResnetGenerator,
}
DISCRIMINATORS: dict[str, type[nn.Module]] = {
    "PatchDiscriminator": PatchDiscriminator,
    "PixelDiscriminator": PixelDiscriminator,
    "MultiscaleDiscriminator": MultiscaleDiscriminator,
    "ProjectedDiscriminator": ProjectedDiscriminator,
    "TwoHeadedDiscriminator": TwoHeadedDiscriminator,
}


def build_discriminator(name: str, arguments: Mapping[str, Any]) -> nn.Module:
    """A new discriminator. Raises CycleganError for a name or an argument that is unknown or out of range."""
    if name not in DISCRIMINATORS:
        raise CycleganError(f"there is no discriminator {name!r}; there are {', '.join(DISCRIMINATORS)}")
    try:
        return DISCRIMINATORS[name](**arguments)
    except (TypeError, ValueError) as error:
        raise CycleganError(f"the arguments of {name} are wrong: {error}") from error
