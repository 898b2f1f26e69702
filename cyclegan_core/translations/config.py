"""The config of a translation: what `config.json` holds, checked by pydantic before anything is built from it."""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StrictInt, ValidationError, field_validator
from pydantic_core import PydanticCustomError

from cyclegan_core.errors import TranslationError

FORMAT_VERSION = 1
LARGEST_CROP = 1024
NORMALISATION = {"mean": 127.5, "scale": 127.5}


class Direction(StrEnum):
    """One way through a translation. People see its own name from the config, such as `to_female`."""

    A_TO_B = "a_to_b"
    B_TO_A = "b_to_a"


@dataclass(frozen=True)
class Crop:
    """The square that a generator sees.

    size: its side in pixels. template: where the five landmarks come to lie, as fractions of the side, before the
    margin is added. margin: what is added on every side, as a fraction of the template's square. aspect: height of the
    window in the photo divided by its width, which is squeezed into the square. sharpness: that to which each
    direction has sharper crops softened, see `inference.crops.sharpness`; one that is missing takes them as they are.
    matte: whether a painted crop covers the photo on the head alone, and not what lies behind it; for crops that are
    cut by `faces.alignment.HEAD_TEMPLATE`. colour_transfer: how far each direction moves the colours of a painted crop
    to those of the photo, in (0, 1], see `inference.crops.colour_transfer`; one that is missing leaves them alone.
    hair: by how much each direction's change of the hair in the crop is carried on over the hair around it, in (0, 2],
    see `inference.crops.hair`; one that is missing ends with the crop.
    """

    size: int
    template: tuple[tuple[float, float], ...]
    margin: float = 0.0
    aspect: float = 1.0
    sharpness: Mapping[Direction, float] = field(default_factory=dict)
    matte: bool = False
    colour_transfer: Mapping[Direction, float] = field(default_factory=dict)
    hair: Mapping[Direction, float] = field(default_factory=dict)

    def is_cut_like(self, other: "Crop | None") -> bool:
        """Whether the other one, of whatever size, shows the same part of a face."""
        if other is None:
            return False
        window = (self.template, self.margin, self.aspect)
        return (other.template, other.margin, other.aspect) == window


@dataclass(frozen=True)
class TranslationConfig:
    """Everything about a translation but its weights.

    directions: the name of each direction for people; a translation may go one way alone, from A to B.
    generator, generator_arguments: the name of the generator's class and the arguments to build it with.
    crop: None for a translation of whole pictures.
    output: `change` where output minus input is enlarged and added to the photo, `picture` where the output replaces
        the photo. gain: what a change is multiplied by at full strength.
    data_licence: of the pictures it was trained on. training: a summary of the run, for the model card.
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
        """The content of `config.json`."""
        return {
            "format_version": FORMAT_VERSION,
            "name": self.name,
            "directions": {direction.value: self.directions.get(direction) for direction in Direction},
            "generator": {"name": self.generator, "arguments": self.generator_arguments},
            "crop": self.crop and asdict(self.crop) | {"template": [list(point) for point in self.crop.template]},
            "output": self.output,
            "gain": self.gain,
            "normalisation": NORMALISATION,
            "data_licence": self.data_licence,
            "training": self.training,
        }

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> "TranslationConfig":
        """Checks the content of `config.json`. Raises TranslationError that names the first faulty entry."""
        try:
            checked = _ConfigFile.model_validate(content)
        except ValidationError as error:
            raise TranslationError(_sentence(error)) from error
        names = {Direction.A_TO_B: checked.directions.a_to_b, Direction.B_TO_A: checked.directions.b_to_a}
        crop = checked.crop
        return cls(
            name=checked.name,
            directions={direction: name for direction, name in names.items() if name is not None},
            generator=checked.generator.name,
            generator_arguments=checked.generator.arguments,
            crop=crop.built() if crop else None,
            output=checked.output,
            gain=checked.gain,
            data_licence=checked.data_licence,
            training=checked.training,
        )


def check_arguments(arguments: Mapping[str, Any]) -> None:
    """Refuses arguments with which a generator would be so large that even counting its parameters takes hours.

    Raises TranslationError that names the argument. Whether the arguments make sense otherwise, the generator says.
    """
    try:
        _Arguments.model_validate(arguments)
    except ValidationError as error:
        raise TranslationError(_sentence(error, "generator.arguments")) from error


# ---- the content of the file, entry by entry


class _Entries(BaseModel):
    model_config = ConfigDict(strict=True, allow_inf_nan=False)


NAME = r"^[a-zA-Z0-9_][a-zA-Z0-9_.-]{0,63}$"
DIRECTION_NAME = r"^[a-zA-Z0-9_-]{1,40}$"
_DirectionName = Annotated[str, Field(pattern=DIRECTION_NAME)]
_EitherDirection = Literal["a_to_b", "b_to_a"]
_Coordinate = Annotated[float, Field(ge=-1, le=2)]
_Point = Annotated[list[_Coordinate], Field(min_length=2, max_length=2)]


class _Directions(_Entries):
    a_to_b: _DirectionName
    b_to_a: _DirectionName | None  # must be there: null says that there is no way back, a missing entry is a mistake

    @field_validator("b_to_a")
    @classmethod
    def _differs(cls, name: str | None, info: Any) -> str | None:
        if name is not None and name == info.data.get("a_to_b"):
            raise PydanticCustomError("same_name", "must not have the same name as directions.a_to_b")
        return name


class _Generator(_Entries):
    name: str
    arguments: dict[str, Any]


class _Crop(_Entries):
    size: int = Field(ge=8, le=LARGEST_CROP)
    template: list[_Point] = Field(min_length=5, max_length=5)
    margin: float = Field(0.0, ge=0, le=2)
    aspect: float = Field(1.0, ge=0.5, le=2)
    sharpness: dict[_EitherDirection, Annotated[float, Field(gt=0, le=1000)]] = {}
    matte: bool = False
    colour_transfer: dict[_EitherDirection, Annotated[float, Field(gt=0, le=1)]] = {}
    hair: dict[_EitherDirection, Annotated[float, Field(gt=0, le=2)]] = {}

    @field_validator("template")
    @classmethod
    def _has_two_eyes(cls, template: list[list[float]]) -> list[list[float]]:
        if math.dist(template[0], template[1]) < 0.02:
            raise PydanticCustomError("one_eye", "must not have both eyes at one place")
        return template

    def built(self) -> Crop:
        def by_direction(values: Mapping[Any, float]) -> dict[Direction, float]:
            return {Direction(name): value for name, value in values.items()}

        return Crop(
            size=self.size,
            template=tuple((x, y) for x, y in self.template),
            margin=self.margin,
            aspect=self.aspect,
            sharpness=by_direction(self.sharpness),
            matte=self.matte,
            colour_transfer=by_direction(self.colour_transfer),
            hair=by_direction(self.hair),
        )


class _ConfigFile(_Entries):
    format_version: int
    name: str = Field(pattern=NAME)
    directions: _Directions
    generator: _Generator
    crop: _Crop | None
    output: Literal["change", "picture"]
    gain: float = Field(1.0, ge=0.1, le=4)
    normalisation: dict[str, Any]
    data_licence: str
    training: dict[str, Any]

    @field_validator("format_version")
    @classmethod
    def _is_known(cls, version: int) -> int:
        if version != FORMAT_VERSION:
            raise PydanticCustomError(
                "version", "is {version}, and this program reads {known}; update the older one of the two",
                {"version": version, "known": FORMAT_VERSION},
            )  # fmt: skip
        return version

    @field_validator("normalisation")
    @classmethod
    def _is_the_only_one(cls, normalisation: dict[str, Any]) -> dict[str, Any]:
        if normalisation != NORMALISATION:
            raise PydanticCustomError("normalisation", "must be {known}", {"known": str(NORMALISATION)})
        return normalisation


_Blocks = Annotated[int, Field(ge=0, le=100)]
_BlocksOfSizes = Annotated[list[Annotated[StrictInt, Field(ge=0, le=100)]], Field(max_length=16, strict=False)]


class _Arguments(_Entries):
    """The paper's largest network has 64 channels, 9 blocks and 2 downsamplings."""

    channels: int = Field(1, ge=0, le=4096)
    blocks: _Blocks = 0
    downsamplings: int = Field(0, ge=0, le=10)
    depth: int = Field(0, ge=0, le=12)
    patch: int = Field(0, ge=0, le=16)
    coarse: int = Field(0, ge=0, le=64)
    skips: int = Field(0, ge=0, le=6)
    conditions: int = Field(0, ge=0, le=1000)
    attention: list[Annotated[StrictInt, Field(ge=-(2**20), le=2**20)]] = Field([], max_length=16, strict=False)
    encoder_blocks: _BlocksOfSizes = []
    decoder_blocks: _BlocksOfSizes = []

    @field_validator("encoder_blocks", "decoder_blocks")
    @classmethod
    def _are_few(cls, blocks: list[int]) -> list[int]:
        if sum(blocks) > 100:
            raise PydanticCustomError("many_blocks", "must add up to at most 100")
        return blocks


OWN_ERRORS = ("version", "same_name", "one_eye", "normalisation", "many_blocks")
_WORDS = {
    "Input should": "must",
    "List should": "must",
    "a valid integer": "a whole number",
    "a valid string": "text",
    "a valid number": "a number",
    "a valid dictionary": "an object",
}
_PATTERNS = {
    DIRECTION_NAME: "must be 1 to 40 letters, digits, _ or -",
    NAME: "must be 1 to 64 letters, digits, _, - or ., and begin with none of the last two",
}


def _sentence(error: ValidationError, prefix: str = "") -> str:
    """The first of pydantic's errors as one sentence that names the entry."""
    first = error.errors(include_url=False)[0]
    entry = ".".join(str(part) for part in (prefix, *first["loc"]) if part != "")
    if first["type"] == "missing":
        return f"config.json lacks {entry}"
    words = first["msg"].partition(" or instance of")[0]
    if first["type"] == "string_pattern_mismatch":
        words = _PATTERNS[first["ctx"]["pattern"]]
    for pydantic_words, ours in _WORDS.items():
        words = words.replace(pydantic_words, ours)
    if first["type"] in OWN_ERRORS:  # whose words say what is there
        return f"config.json: {entry} {words}"
    value = first["input"]
    is_short = isinstance(value, str | int | float) or value is None
    given = repr(value if not isinstance(value, str) else value[:60])[:80] if is_short else type(value).__name__
    return f"config.json: {entry} {words}, not {given}"
