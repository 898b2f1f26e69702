"""From a config to networks: generators, discriminators, the classifier that guides, and the averaged generators."""

from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor, nn

from cyclegan_core.errors import CycleganError
from cyclegan_core.networks import PatchDiscriminator
from cyclegan_core.translation import Translation, build_generator
from cyclegan_core.translation_config import Crop, Direction, TranslationConfig
from train.checkpoint import write_atomically
from train.classifier import DomainClassifier, share_of_b, train_classifier
from train.config import TrainConfig
from train.step import Networks


def describe(config: TrainConfig, crop: Crop | None) -> TranslationConfig:
    """The config of the translation that a run makes."""
    return TranslationConfig(
        name=config.translation,
        directions=dict(zip(Direction, config.directions, strict=True)),
        generator=config.generator,
        generator_arguments=config.generator_arguments,
        crop=crop,
        gain=config.gain,
        output=config.output,  # type: ignore[arg-type]  # checked when the translation is read
        data_licence=config.data_licence,
    )


def build_networks(config: TrainConfig, device: torch.device, init: Translation | None) -> Networks:
    """New networks on the device, the generators as those of `init` where it is given. Raises CycleganError."""
    def place(net: nn.Module) -> nn.Module:
        return net.to(device).to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    described = describe(config, None)
    generators = [build_generator(described) for _ in Direction]
    if init is not None:
        for generator, direction in zip(generators, Direction, strict=True):
            try:
                generator.load_state_dict(init.generators[direction].state_dict())
            except RuntimeError as error:
                raise CycleganError(
                    f"{init.source} has another generator than this preset; it cannot be the start"
                ) from error
    judges = [PatchDiscriminator(**config.discriminator_arguments) for _ in Direction]
    return Networks(*map(place, (*generators, *judges)))


def load_or_train_guide(config: TrainConfig, data: Path, a: Tensor, b: Tensor) -> DomainClassifier:
    """The classifier that guides; kept beside the data, as it depends on nothing else and takes minutes to train."""
    size, pictures, radius = config.guide_size, config.guide_pictures, config.guide_radius
    kept = data / f"guide_{size}px_radius{radius:g}_{pictures}_seed{config.seed}.pt"
    if kept.is_file():
        guide = DomainClassifier()
        guide.load_state_dict(torch.load(kept, weights_only=True))
        return guide.to(a.device).eval().requires_grad_(False)
    print(f"Training the classifier that guides, on {pictures:,} pictures of the training split", flush=True)
    seen = replace(config, size=size)
    guide = train_classifier(a, b, seen, pictures=pictures, seed=config.seed, radius=radius)
    right = 1 - share_of_b(guide, a, size=size), share_of_b(guide, b, size=size)
    print(f"It puts {right[0]:.1%} of A and {right[1]:.1%} of B right (pictures it was trained on)", flush=True)
    write_atomically(kept, guide.state_dict())
    return guide


@torch.no_grad()
def average(ema: dict[str, nn.Module], nets: dict[str, nn.Module], config: TrainConfig, done: int) -> None:
    """Exponential moving average of the weights; its half-life grows with the run (Karras et al. 2020, ADA)."""
    half_life = min(config.ema_half_life, max(0.1 * done, 1))
    decay = 0.5 ** (config.batch / half_life)
    for name, net in nets.items():
        for kept, fresh in zip(ema[name].parameters(), net.parameters(), strict=True):
            kept.lerp_(fresh, 1 - decay)
        for buffer, latest in zip(ema[name].buffers(), net.buffers(), strict=True):
            buffer.copy_(latest)
