"""Networks of CycleGAN. They know nothing of faces, files or training."""

from collections.abc import Mapping
from typing import Any

from torch import nn

from cyclegan_core.errors import CycleganError
from cyclegan_core.networks.conditioned import Conditioned
from cyclegan_core.networks.discriminators import MultiscaleDiscriminator, PatchDiscriminator, PixelDiscriminator
from cyclegan_core.networks.generators import MobileResnetGenerator, ResnetGenerator
from cyclegan_core.networks.unet import UnetGenerator

__all__ = [
    "DISCRIMINATORS",
    "GENERATORS",
    "Conditioned",
    "MobileResnetGenerator",
    "MultiscaleDiscriminator",
    "PatchDiscriminator",
    "PixelDiscriminator",
    "ResnetGenerator",
    "UnetGenerator",
    "build_discriminator",
]

GENERATORS: dict[str, type[nn.Module]] = {
    "ResnetGenerator": ResnetGenerator,
    "MobileResnetGenerator": MobileResnetGenerator,
    "UnetGenerator": UnetGenerator,
}
DISCRIMINATORS: dict[str, type[nn.Module]] = {
    "PatchDiscriminator": PatchDiscriminator,
    "PixelDiscriminator": PixelDiscriminator,
    "MultiscaleDiscriminator": MultiscaleDiscriminator,
}


def build_discriminator(name: str, arguments: Mapping[str, Any]) -> nn.Module:
    """A new discriminator. Raises CycleganError for a name or an argument that is unknown or out of range."""
    if name not in DISCRIMINATORS:
        raise CycleganError(f"there is no discriminator {name!r}; there are {', '.join(DISCRIMINATORS)}")
    try:
        return DISCRIMINATORS[name](**arguments)
    except (TypeError, ValueError) as error:
        raise CycleganError(f"the arguments of {name} are wrong: {error}") from error
