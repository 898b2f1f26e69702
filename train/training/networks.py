"""From a config to networks: generators, discriminators, and the averaged generators."""

from dataclasses import dataclass

import torch
from torch import nn

from cyclegan_core.errors import CycleganError, TranslationError
from cyclegan_core.networks import build_discriminator
from cyclegan_core.translations.config import Crop, Direction, TranslationConfig
from cyclegan_core.translations.translation import build_generators
from train.config.train_config import TrainConfig


@dataclass
class Networks:
    """The networks that are trained: two generators and two discriminators.

    discriminator_a: tells real pictures of domain A from translated ones; discriminator_b likewise. encoder: frozen,
    float (B, 3, S, S) to features (B, D), for feature constancy; None where the config does not ask for it.
    """

    a_to_b: nn.Module
    b_to_a: nn.Module
    discriminator_a: nn.Module
    discriminator_b: nn.Module
    encoder: nn.Module | None = None

    def generators(self) -> dict[str, nn.Module]:
        return {"a_to_b": self.a_to_b, "b_to_a": self.b_to_a}

    def discriminators(self) -> dict[str, nn.Module]:
        return {"discriminator_a": self.discriminator_a, "discriminator_b": self.discriminator_b}


def describe(config: TrainConfig, crop: Crop | None) -> TranslationConfig:
    """The config of the translation that a run makes."""
    return TranslationConfig(
        name=config.translation,
        directions=dict(zip(Direction, config.directions, strict=True)),
        generator=config.generator,
        generator_arguments=config.generator_arguments,
        crop=crop,
        output=config.output,
        data_licence=config.data_licence,
    )


def check_described(config: TrainConfig) -> None:
    """Raises CycleganError where the discriminators cannot be built, or the translation could not be read again."""
    build_discriminator(config.discriminator, config.discriminator_arguments)
    try:
        TranslationConfig.from_dict(describe(config, None).to_dict())
    except TranslationError as error:
        raise CycleganError(str(error).removeprefix("config.json: ")) from error


def build_networks(config: TrainConfig, device: torch.device) -> Networks:
    """New networks on the device. Raises CycleganError."""
    generators = build_generators(describe(config, None))
    discriminators = [build_discriminator(config.discriminator, config.discriminator_arguments) for _ in Direction]
    for stage in config.all_stages():
        _check_size(stage.size, [*generators.values(), *discriminators])
    placed = [
        net.to(device).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        for net in (*generators.values(), *discriminators)
    ]
    nets = Networks(*placed)
    if config.compile:
        # In place, so that names of weights stay as they are. Compiled networks have no gradients of gradients, which
        # the penalties need.
        compiled = [*nets.generators().values()]
        if not (config.r1 or config.gradient_penalty):
            compiled += nets.discriminators().values()
        for net in compiled:
            net.compile()
    return nets


def _check_size(size: int, networks: list[nn.Module]) -> None:
    """Raises CycleganError for a side in pixels that one of the networks cannot take."""
    for network in networks:
        multiple, smallest = getattr(network, "multiple", 1), getattr(network, "smallest", 1)
        if size % multiple or size < smallest:
            what = f"multiples of {multiple}" if multiple > 1 else "sizes"
            name = type(network).__name__
            raise CycleganError(f"this {name} takes {what} from {smallest} pixels on, not {size}; choose another size")


@torch.no_grad()
def average(ema: nn.Module, nets: nn.Module, config: TrainConfig, batch: int, pictures: int) -> None:
    """Exponential moving average of the weights; its half-life grows with the run (Karras et al. 2020, ADA).

    batch: pictures of this step. pictures: of the run until now.
    """
    half_life = min(config.ema_half_life, max(config.ema_ramp * pictures, 1))
    decay = 0.5 ** (batch / half_life)
    torch._foreach_lerp_(list(ema.parameters()), list(nets.parameters()), 1 - decay)
    for buffer, latest in zip(ema.buffers(), nets.buffers(), strict=True):
        buffer.copy_(latest)
