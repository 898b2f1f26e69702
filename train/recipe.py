"""The config of a run: a preset or an earlier recipe, and what the command line says otherwise."""

import argparse
import json
from contextlib import suppress
from dataclasses import fields
from typing import Any

import torch

from cyclegan_core.errors import CycleganError
from cyclegan_core.translation import Translation
from cyclegan_core.translation_config import Direction
from train.config import TrainConfig
from train.distributed import Team
from train.presets import PRESETS, preset
from train.start import Start, grown, judges_go_on

HEAD_START = 0.05  # of the budget, for new discriminators of a run that starts from a translation


def recipe(options: argparse.Namespace, start: Start | None, team: Team) -> TrainConfig:
    """The preset with what the command line, and the translation that it starts from, say otherwise.

    options: of `train/run.py`. Raises CycleganError.
    """
    init = start.translation if start else None
    if options.preset or init is None:
        config = preset(options.preset or "gender")
    else:
        config, whose = recipe_of(init)
        if team.leads:
            print(f"Recipe: {whose}", flush=True)
    changes: dict[str, Any] = {}
    if init is not None:
        described = init.config
        changes = {
            "generator": described.generator,
            "generator_arguments": described.generator_arguments,
            "output": described.output,
            "gain": described.gain,
        }
        changes["stages"] = ()  # it has been through them
        if described.crop is not None:
            changes["size"] = described.crop.size
        if not options.preset:
            changes["translation"] = described.name
            changes["directions"] = tuple(
                described.directions.get(direction, direction.value) for direction in Direction
            )
    if options.name:
        changes["translation"] = options.name
    if options.directions:
        changes["directions"] = tuple(name.strip() for name in options.directions.split(","))
    if options.licence:
        changes["data_licence"] = options.licence
    for name in ("size", "batch", "learning_rate", "seed"):
        if getattr(options, name) is not None:
            changes[name] = getattr(options, name)
            if name in ("size", "batch"):
                changes["stages"] = ()
    if options.bf16 is None:
        changes["bf16"] = team.device.type == "cuda" and torch.cuda.is_bf16_supported()
    else:
        changes["bf16"] = options.bf16
    if options.compile:
        changes["compile"] = True
    set_by_hand: dict[str, Any] = {}
    for setting in options.set:
        name, equals, value = setting.partition("=")
        if not equals:
            raise CycleganError(f"--set takes FIELD=VALUE, such as --set cycle=5, not {setting!r}")
        try:
            set_by_hand[name] = json.loads(value)
        except json.JSONDecodeError:
            set_by_hand[name] = value  # a word needs no quotes
    if options.grow:
        if init is None:
            raise CycleganError("--grow needs --init, which says what is to grow")
        config = grown_config(config, init, changes, options.size).with_fields(set_by_hand)
    else:
        config = config.with_fields(changes | set_by_hand)
    if start is not None and "head_start" not in set_by_hand:
        config = config.with_fields({"head_start": 0.0 if judges_go_on(start, config) else HEAD_START})
    return config


def recipe_of(init: Translation) -> tuple[TrainConfig, str]:
    """The recipe that a translation was trained by, else the preset of its name or `cyclegan`; and which it is."""
    known = {field.name for field in fields(TrainConfig)}
    told = init.config.training.get("config")
    name = init.config.name if init.config.name in PRESETS else "cyclegan"
    if isinstance(told, dict):
        with suppress(CycleganError):  # of another program, or of another version of this one
            config = preset(name).with_fields({key: value for key, value in told.items() if key in known})
            return config, f"that of {init.config.name}'s own training"
    return preset(name), f"the preset {name}"


def grown_config(config: TrainConfig, start: Translation, changes: dict[str, Any], size: int | None) -> TrainConfig:
    """The config, with its changes, at twice the size of the start, or at the `size` given. Raises CycleganError.

    A discriminator of patches gets a finer one beside it, so that there is one that sees as much of the picture as
    before (the progressive growing of Karras et al. 2018, with Wang et al. 2018's discriminators).
    """
    config = config.with_fields(changes | {"size": start.config.crop.size if start.config.crop else config.size})
    begun = config.size
    size = size or 2 * begun
    factor = size // begun
    if factor < 2 or begun * factor != size or factor & (factor - 1):
        raise CycleganError(f"--grow goes from {begun} pixels to {2 * begun}, {4 * begun} and so on, not to {size}")
    if not config.generator.endswith("ResnetGenerator") or config.output == "change":
        raise CycleganError(
            "--grow is for ResNet generators that paint whole pictures; leave it out: --size alone trains this one on "
            "larger pictures"
        )
    grows: dict[str, Any] = {"size": size, "generator_arguments": grown(config.generator_arguments, factor)}
    if config.discriminator == "PatchDiscriminator":
        grows["discriminator"] = "MultiscaleDiscriminator"
        grows["discriminator_arguments"] = {**config.discriminator_arguments, "scales": factor.bit_length()}
    return config.with_fields(grows)
