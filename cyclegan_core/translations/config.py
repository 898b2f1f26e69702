"""The config of a translation: plain data, checked on the way in so that nothing else has to."""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Literal

from cyclegan_core.errors import TranslationError

FORMAT_VERSION = 1
LARGEST_CROP = 1024


class Direction(StrEnum):
    """One way through a translation; people see its own name from the config."""

    A_TO_B = "a_to_b"
    B_TO_A = "b_to_a"


@dataclass(frozen=True)
class Crop:
    """The square that a generator sees.

    size: its side in pixels. template: where the five landmarks come to lie, as fractions of the side, before the
    margin is added. margin: what is added on every side, as a fraction of the template's square.
    """

    size: int
    template: tuple[tuple[float, float], ...]
    margin: float = 0.0


@dataclass(frozen=True)
class TranslationConfig:
    """Everything about a translation but its weights.

    directions: a name for people of each direction; a translation may go one way alone, a to b.
    generator, generator_arguments: the class and how to build it.
    crop: None for a translation of whole pictures. output: `change` where output minus input is enlarged and added to
    the photo, `picture` where the output replaces it. gain: what a change is multiplied by at full strength: a careful
    generator may be shown bolder than it was trained. data_licence: of the pictures it was trained on.
    training: a summary of the run, for people and for the model card.
    """

    name: str
    directions: dict[Direction, str]
    generator: str
    generator_arguments: dict[str, Any]
    crop: Crop | None
    output: Literal["change", "picture"] = "picture"
    gain: float = 1.0
    data_licence: str = "unknown"
    training: dict[str, Any] = field(default_factory=dict)

    def direction(self, name: str) -> Direction:
        """The direction that is called `name` here, or `a_to_b` or `b_to_a`. Raises TranslationError."""
        for direction, label in self.directions.items():
            if name in (label, direction.value):
                return direction
        known = " or ".join(self.directions.values())
        raise TranslationError(f"{self.name} has no direction {name!r}: it goes {known}")

    def to_dict(self) -> dict[str, Any]:
        """What `config.json` holds."""
        return {
            "format_version": FORMAT_VERSION,
            "name": self.name,
            "directions": {direction.value: self.directions.get(direction) for direction in Direction},
            "generator": {"name": self.generator, "arguments": self.generator_arguments},
            "crop": self.crop
            and {"size": self.crop.size, "template": [list(p) for p in self.crop.template], "margin": self.crop.margin},
            "output": self.output,
            "gain": self.gain,
            "normalisation": NORMALISATION,
            "data_licence": self.data_licence,
            "training": self.training,
        }

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> "TranslationConfig":
        """Checks what was read from `config.json`. Raises TranslationError that names the faulty entry."""
        version = _entry(content, "format_version", int)
        if version != FORMAT_VERSION:
            raise TranslationError(
                f"config.json has format version {version}, this program reads {FORMAT_VERSION}; update the older one"
            )
        name = _entry(content, "name", str)
        if not re.fullmatch(r"[\w][\w.-]{0,63}", name, re.ASCII):
            raise TranslationError(f"config.json: name {name[:80]!r} must be 1 to 64 letters, digits, '.', '_' or '-'")
        generator = _entry(content, "generator", dict)
        output = _entry(content, "output", str)
        if output not in ("change", "picture"):
            raise TranslationError(f"config.json: output must be change or picture, not {output!r}")
        gain = content.get("gain", 1.0)
        if not _is_number(gain, 0.1, 4):
            raise TranslationError(f"config.json: gain must be a number from 0.1 to 4, not {gain!r}")
        if content.get("normalisation") != NORMALISATION:
            raise TranslationError(f"config.json: normalisation must be {NORMALISATION}")
        return cls(
            name=name,
            directions=_directions(_entry(content, "directions", dict)),
            generator=_entry(generator, "name", str, "generator."),
            generator_arguments=_entry(generator, "arguments", dict, "generator."),
            crop=_crop(content),
            output=output,
            gain=float(gain),
            data_licence=_entry(content, "data_licence", str),
            training=_entry(content, "training", dict),
        )


NORMALISATION = {"mean": 127.5, "scale": 127.5}


# The largest whole number that an argument of a generator may be: a hostile config could ask for so many layers that
# even counting their parameters takes hours. The paper's largest network has 64 channels, 9 blocks, 2 downsamplings.
LARGEST_ARGUMENTS = {
    "channels": 4096,
    "blocks": 100,
    "downsamplings": 10,
    "depth": 12,
    "patch": 16,
    "coarse": 64,
    "skips": 6,
    "conditions": 1000,
}
LISTS, LONGEST_LIST = ("attention", "encoder_blocks", "decoder_blocks"), 16


def check_arguments(arguments: Mapping[str, Any]) -> None:
    """Refuses arguments of a generator that would build a monster. Raises TranslationError that names the argument.

    Whether they make sense otherwise, the generator says.
    """
    for name, largest in LARGEST_ARGUMENTS.items():
        value = arguments.get(name, 0)
        if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= largest:
            raise TranslationError(
                f"config.json: the generator's arguments are wrong: {name} must be a whole number up to {largest:,}, "
                f"not {str(value)[:40]!r}"
            )
    for name in LISTS:
        numbers = arguments.get(name, ())
        if (
            not isinstance(numbers, (list, tuple))
            or len(numbers) > LONGEST_LIST
            or not all(isinstance(n, int) and not isinstance(n, bool) and abs(n) <= 2**20 for n in numbers)
            or (name != "attention" and sum(numbers) > LARGEST_ARGUMENTS["blocks"])
        ):
            raise TranslationError(
                f"config.json: the generator's arguments are wrong: {name} must be a list of at most {LONGEST_LIST} "
                f"whole numbers"
            )


def _entry(content: Mapping[str, Any], key: str, kind: type, prefix: str = "") -> Any:
    if key not in content:
        raise TranslationError(f"config.json lacks {prefix}{key}")
    value = content[key]
    if not isinstance(value, kind) or isinstance(value, bool):
        raise TranslationError(f"config.json: {prefix}{key} must be {_words(kind)}, not {type(value).__name__}")
    return value


def _words(kind: type) -> str:
    return {str: "text", int: "a whole number", dict: "an object", list: "a list"}.get(kind, kind.__name__)


def _directions(content: Mapping[str, Any]) -> dict[Direction, str]:
    one_way = content.get(Direction.B_TO_A.value, "") is None  # said outright: an entry that is missing is a mistake
    labels = {
        direction: _entry(content, direction.value, str, "directions.")
        for direction in ([Direction.A_TO_B] if one_way else Direction)
    }
    for label in labels.values():
        if not re.fullmatch(r"[\w-]{1,40}", label, re.ASCII):
            raise TranslationError(f"config.json: direction name {label[:60]!r} must be 1 to 40 letters, digits, _, -")
    if len(set(labels.values())) < len(labels):
        raise TranslationError("config.json: both directions have the same name")
    return labels


def _crop(content: Mapping[str, Any]) -> Crop | None:
    if "crop" in content and content["crop"] is None:
        return None
    crop = _entry(content, "crop", dict)
    size = _entry(crop, "size", int, "crop.")
    if not 8 <= size <= LARGEST_CROP:
        raise TranslationError(f"config.json: crop.size must be 8 to {LARGEST_CROP} pixels, not {size}")
    template = _entry(crop, "template", list, "crop.")
    numbers = [n for point in template if isinstance(point, list) and len(point) == 2 for n in point]
    if len(template) != 5 or len(numbers) != 10 or not all(_is_number(n, -1, 2) for n in numbers):
        raise TranslationError("config.json: crop.template must be five [x, y] points as fractions of the crop")
    points = tuple((float(x), float(y)) for x, y in template)
    if math.dist(points[0], points[1]) < 0.02:
        raise TranslationError("config.json: crop.template has both eyes at one place")
    margin = crop.get("margin", 0.0)
    if not _is_number(margin, 0, 2):
        raise TranslationError("config.json: crop.margin must be a number from 0 to 2")
    return Crop(size, points, float(margin))


def _is_number(value: Any, low: float, high: float) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and low <= value <= high
