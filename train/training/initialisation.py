"""Where a run begins that does not begin from nothing: a translation's generators, and a run's discriminators."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from cyclegan_core.errors import CycleganError
from cyclegan_core.networks import MultiscaleDiscriminator, TwoHeadedDiscriminator, build_discriminator
from cyclegan_core.networks.growth import copy_grown, grown_generator, with_larger_squares
from cyclegan_core.translations.translation import Translation
from train.config.train_config import TrainConfig
from train.training.checkpoint import load_checkpoint
from train.training.networks import Networks
from train.training.run_folder import read_translation

Arguments = Mapping[str, Any]


@dataclass(frozen=True)
class Initialisation:
    """A translation and, where it is that of a run's folder, what the checkpoint says of the discriminators.

    discriminators: `config`, which is that of the run, and the `weights` of `discriminator_a` and `discriminator_b`.
    """

    translation: Translation
    discriminators: dict[str, Any] | None = None


def read_initialisation(name: str) -> Initialisation:
    """What `--init` names: an embedded translation, a folder, a Hub repo or the folder of a run. Raises CycleganError.

    A run's discriminators know both domains; new ones would first lead the generators back to where those began.
    """
    translation = read_translation(name)
    saved = load_checkpoint(Path(name)) if Path(name).is_dir() else None
    if saved is None:
        return Initialisation(translation)
    return Initialisation(
        translation, {"config": saved["config"], "weights": saved["networks"].get("discriminators", {})}
    )


def _initialise_generators(generators: Mapping[Any, nn.Module], translation: Translation, config: TrainConfig) -> None:
    """Copies weights in place. A translation of one way is the start of that way only. Raises CycleganError."""
    begun = translation.config
    for direction, generator in generators.items():
        if direction not in translation.generators:
            continue
        old = translation.generators[direction]
        factor = _multiple(generator) // _multiple(old)
        grown = factor > 1 and grown_generator(config.generator, begun.generator_arguments, factor)
        try:
            if dict(config.generator_arguments) == grown:
                copy_grown(old, generator)
            else:
                generator.load_state_dict(old.state_dict())
        except RuntimeError as error:
            raise CycleganError(
                f"{translation.source} has another generator than this preset; it cannot be the start"
            ) from error


def _multiple(generator: nn.Module) -> int:
    """What height and width of its pictures must be multiples of."""
    return getattr(generator, "multiple", 1)


def discriminators_continue(initialisation: Initialisation, config: TrainConfig) -> bool:
    """Whether the discriminators of this config go on from those of the start, with no new one among them."""
    discriminator = build_discriminator(config.discriminator, config.discriminator_arguments)
    pairs = _pairs("discriminator_a", discriminator, initialisation, config)
    return sum(len(target.state_dict()) for target, _ in pairs) == len(discriminator.state_dict())


def initialise(initialisation: Initialisation, nets: Networks, config: TrainConfig) -> None:
    """Copies the weights of generators and, where they fit, of discriminators, in place. Raises CycleganError."""
    _initialise_generators(nets.generators(), initialisation.translation, config)
    for name, discriminator in nets.discriminators().items():
        for target, weights in _pairs(name, discriminator, initialisation, config):
            target.load_state_dict(weights)


def _pairs(
    name: str, discriminator: nn.Module, initialisation: Initialisation, config: TrainConfig
) -> list[tuple[nn.Module, dict[str, Tensor]]]:
    """The parts of a discriminator that go on from the start, each with its weights; none where they do not fit."""
    if initialisation.discriminators is None:
        return []
    begun = initialisation.discriminators["config"]
    weights = _below(initialisation.discriminators["weights"], name)
    if begun["discriminator"] == config.discriminator and begun["size"] == config.size:
        pairs = [(discriminator, weights)]
    elif isinstance(discriminator, MultiscaleDiscriminator):  # each goes on at the size at which it was
        old = [weights] if begun["discriminator"] == "PatchDiscriminator" else []
        if begun["discriminator"] == config.discriminator:
            scales = begun["discriminator_arguments"].get("scales", 2)
            old = [_below(weights, f"discriminators.{i}") for i in range(scales)]
        finer = (config.size // begun["size"]).bit_length() - 1
        same_sizes = finer >= 0 and begun["size"] << finer == config.size
        pairs = list(zip(discriminator.discriminators[finer:], old, strict=False)) if same_sizes else []
    elif isinstance(discriminator, TwoHeadedDiscriminator) and begun["discriminator"] == config.discriminator:
        pairs = [(discriminator, with_larger_squares(weights, "trunk.1.weight", discriminator))]
    else:  # of patches, on pictures of another size
        pairs = [(discriminator, weights)] if begun["discriminator"] == config.discriminator else []
    return pairs if all(_fits(target, own) for target, own in pairs) else []


def _below(weights: Mapping[str, Tensor], name: str) -> dict[str, Tensor]:
    """The weights below a module's name, with that name taken off theirs."""
    prefix = f"{name}."
    return {key[len(prefix) :]: value for key, value in weights.items() if key.startswith(prefix)}


def _fits(module: nn.Module, weights: Mapping[str, Tensor]) -> bool:
    own = module.state_dict()
    return {name: own[name].shape for name in own} == {name: weights[name].shape for name in weights}
