"""Averages the weights of translations of one line of training, which are often better together than each alone.

    python train/average.py runs/first runs/second --output runs/mean
    python train/average.py runs/mine/translation gender --weights 2,3 --direction to_female --output runs/mean

GAN training goes around its goal rather than towards it; the mean of what it passes lies nearer. The translations must
have the same generators, and each must have begun with another's weights. `--direction` averages that way alone, and
takes the other from the last one named.
Source: Wortsman et al. 2022, "Model soups: averaging weights of multiple fine-tuned models improves accuracy without
increasing inference time".
"""

import argparse
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import torch

from cyclegan_core.errors import CycleganError
from cyclegan_core.translations.config import Direction
from cyclegan_core.translations.translation import Translation
from train.command_line import command
from train.training.run_folder import read_translation


@torch.no_grad()
def average(
    translations: Sequence[Translation], weights: Sequence[float], directions: Sequence[Direction]
) -> Translation:
    """A translation whose generators of `directions` are the weighted mean of all, and whose rest is of the last one.

    Those of the last one are changed in place. weights: one for each translation; only their ratio counts. Raises
    CycleganError where generators differ.
    """
    last = translations[-1]
    shares = [weight / sum(weights) for weight in weights]
    for direction in directions:
        states = []
        for translation in translations:
            if direction not in translation.generators:
                raise CycleganError(f"{translation.source} has no direction {last.config.directions[direction]}")
            states.append(translation.generators[direction].state_dict())
        shapes = [{name: value.shape for name, value in state.items()} for state in states]
        for translation, shape in zip(translations, shapes, strict=True):
            if shape != shapes[-1]:
                raise CycleganError(f"{translation.source} and {last.source} have different generators")
        mean = {
            name: sum(share * state[name].float() for share, state in zip(shares, states, strict=True)).to(value.dtype)
            for name, value in states[-1].items()
        }
        last.generators[direction].load_state_dict(mean)
    training = {key: value for key, value in last.config.training.items() if key not in ("validation", "quality")}
    training["mean_of"] = {t.source: round(share, 4) for t, share in zip(translations, shares, strict=True)}
    return Translation(replace(last.config, training=training), last.generators)


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    assert __doc__ is not None
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0], allow_abbrev=False)
    about = "folder of a run or of a translation, an embedded one, or a Hub repository; at least two"
    parser.add_argument("translations", nargs="+", metavar="TRANSLATION", help=about)
    parser.add_argument("--weights", help="one number for each, such as 2,3 (default: all alike)")
    parser.add_argument("--direction", help="average this way alone, such as to_female (default: both)")
    parser.add_argument("--half", action="store_true", help="write float16, half as large")
    parser.add_argument("--output", type=Path, required=True, help="gets config.json and model.safetensors")
    return parser.parse_args(arguments)


@command()
def main(arguments: Sequence[str] | None = None) -> None:
    options = parse(arguments)
    if len(options.translations) < 2:
        raise CycleganError("name at least two translations to average")
    weights = _weights(options.weights, len(options.translations))
    translations = [read_translation(name) for name in options.translations]
    ways = {label: direction for direction, label in translations[-1].config.directions.items()}
    if options.direction not in (None, *ways):
        raise CycleganError(f"there is no direction {options.direction!r}; there are {', '.join(ways)}")
    chosen = list(ways.values()) if options.direction is None else [ways[options.direction]]
    average(translations, weights, chosen).save(options.output, half=options.half)
    print(f"The mean of {len(translations)} translations is in {options.output}")


def _weights(text: str | None, count: int) -> list[float]:
    """Raises CycleganError for anything but `count` numbers above 0."""
    if text is None:
        return [1.0] * count
    try:
        weights = [float(part) for part in text.split(",")]
    except ValueError:
        weights = []
    if len(weights) != count or not all(0 < weight < float("inf") for weight in weights):
        raise CycleganError(f"--weights needs {count} numbers above 0, such as {','.join(['1'] * count)}, not {text!r}")
    return weights


if __name__ == "__main__":
    sys.exit(main())
