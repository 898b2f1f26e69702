"""Networks of CycleGAN. They know nothing of faces, files or training."""

from cyclegan_core.networks.discriminators import PatchDiscriminator
from cyclegan_core.networks.generators import MobileResnetGenerator, ResnetGenerator

__all__ = ["MobileResnetGenerator", "PatchDiscriminator", "ResnetGenerator"]
