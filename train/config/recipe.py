"""The config of a run: a preset or an earlier recipe, and what the command line says otherwise."""

import argparse
import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Any

import torch

from cyclegan_core.errors import CycleganError
from cyclegan_core.networks.growth import grown_discriminator, grown_generator, grows
from cyclegan_core.translations.config import Direction, TranslationConfig
from cyclegan_core.translations.translation import Translation
from train.config.presets import PRESETS, preset
from train.config.train_config import TrainConfig, known_fields
from train.monitoring.logs import say
from train.training.distributed import ProcessGroup
from train.training.initialisation import Initialisation, discriminators_continue

HEAD_START = 0.05  # of the budget, for new discriminators of a run that starts from a translation
BEGUN_WITH = "begun with weights trained on"  # between two licences: of the data, and of the weights that came first
# What another run need not have from the one that made its start.
OF_ONE_RUN = ("validation", "seed", "accumulate", "bf16", "compile", "head_start")


def recipe(
    options: argparse.Namespace,
    initialisation: Initialisation | None,
    group: ProcessGroup,
    saved: Mapping[str, Any] | None = None,
) -> TrainConfig:
    """What the command line asks for, on top of a preset or of the recipe of the translation that it starts from.

    options: of `train/run.py`. saved: the config of the run by `--init` that is there already, if any: it goes
    on whatever has become of its start. Raises CycleganError.
    """
    asked = _asked(options, group)
    by_hand = _set_by_hand(options)
    if options.grow and not options.init:
        raise CycleganError("--grow needs --init, which says what is to grow")
    if saved is not None:
        if options.licence and str(saved.get("data_licence")).startswith(f"{options.licence}; {BEGUN_WITH}"):
            del asked["data_licence"]  # as this option was written down when the run began
        return preset("cyclegan").with_fields(known_fields(saved)).with_fields(asked | by_hand)
    if initialisation is None:
        return _with_batch(preset(options.preset or "cyclegan"), options).with_fields(asked | by_hand)
    if options.preset:
        config = preset(options.preset)
    else:
        config, whose = recipe_of(initialisation.translation)
        if group.is_main_process:
            say(f"Recipe: {whose}")
    begun = initialisation.translation.config
    config = config.with_fields(_inherited(begun, config, named=not options.preset))
    if options.licence and begun.data_licence not in ("unknown", options.licence):
        asked["data_licence"] = f"{options.licence}; {BEGUN_WITH} {begun.data_licence}"
    if options.grow:
        asked.pop("size", None)
        config = grown_config(config, options.size)
    config = config.with_fields(asked | by_hand)
    if "head_start" not in by_hand:
        config = config.with_fields(
            {"head_start": 0.0 if discriminators_continue(initialisation, config) else HEAD_START}
        )
    return config


def _asked(options: argparse.Namespace, group: ProcessGroup) -> dict[str, Any]:
    """The fields that options of the command line are about."""
    asked: dict[str, Any] = {}
    if options.name:
        asked["translation"] = options.name
    if options.directions:
        asked["directions"] = tuple(name.strip() for name in options.directions.split(","))
    if options.licence:
        asked["data_licence"] = options.licence
    for name in ("size", "batch", "learning_rate", "seed"):
        if getattr(options, name) is not None:
            asked[name] = getattr(options, name)
    if options.size is not None:
        asked["stages"] = ()
    if options.bf16 is None:
        asked["bf16"] = group.device.type == "cuda" and torch.cuda.is_bf16_supported(including_emulation=False)
    else:
        asked["bf16"] = options.bf16
    if options.compile:
        asked["compile"] = True
    return asked


def _set_by_hand(options: argparse.Namespace) -> dict[str, Any]:
    """What `--set` says. Raises CycleganError."""
    fields_set: dict[str, Any] = {}
    for setting in options.set:
        name, equals, value = setting.partition("=")
        if not equals:
            raise CycleganError(f"--set takes FIELD=VALUE, such as --set cycle=5, not {setting!r}")
        try:
            fields_set[name] = json.loads(value)
        except json.JSONDecodeError:
            fields_set[name] = value  # a word needs no quotes
    return fields_set


def _with_batch(config: TrainConfig, options: argparse.Namespace) -> TrainConfig:
    """The batch that is asked for in every stage; no stages where another size is asked for."""
    if options.size is not None or options.batch is None:
        return config
    return replace(config, stages=tuple(stage._replace(batch=options.batch) for stage in config.stages))


def _inherited(begun: TranslationConfig, config: TrainConfig, *, named: bool) -> dict[str, Any]:
    """What a run takes over from the translation that it starts from."""
    last = config.all_stages()[-1]
    inherited: dict[str, Any] = {
        "generator": begun.generator,
        "generator_arguments": begun.generator_arguments,
        "output": begun.output,
        "stages": (),  # it has been through them
        "size": begun.crop.size if begun.crop else last.size,
        "batch": last.batch,
    }
    if named:
        inherited["translation"] = begun.name
        inherited["directions"] = tuple(begun.directions.get(way, way.value) for way in Direction)
    return inherited


def recipe_of(init: Translation) -> tuple[TrainConfig, str]:
    """The recipe that a translation was trained by, else the preset of its name or `cyclegan`; and which it is."""
    recorded = init.config.training.get("config")
    name = init.config.name if init.config.name in PRESETS else "cyclegan"
    if isinstance(recorded, dict):
        with suppress(CycleganError):  # of another program, or of another version of this one
            recipe = {field: value for field, value in recorded.items() if field not in OF_ONE_RUN}
            return preset(name).with_fields(known_fields(recipe)), f"that of {init.config.name}'s own training"
    return preset(name), f"the preset {name}"


def grown_config(config: TrainConfig, size: int | None) -> TrainConfig:
    """The config at twice its size, or at the `size` given; see `networks.growth`. Raises CycleganError."""
    begun = config.size
    size = size or 2 * begun
    factor = size // begun
    if factor < 2 or begun * factor != size or factor & (factor - 1):
        raise CycleganError(f"--grow goes from {begun} pixels to {2 * begun}, {4 * begun} and so on, not to {size}")
    if not grows(config.generator):
        raise CycleganError(
            f"--grow is for ResNet generators, not for {config.generator}; leave it out: --size alone trains this one "
            "on larger pictures"
        )
    discriminator, arguments = grown_discriminator(config.discriminator, config.discriminator_arguments, factor)
    return config.with_fields(
        {
            "size": size,
            "load_size": config.load_size and factor * config.load_size,
            "generator_arguments": grown_generator(config.generator, config.generator_arguments, factor),
            "discriminator": discriminator,
            "discriminator_arguments": arguments,
        }
    )
