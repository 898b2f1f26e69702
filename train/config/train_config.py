"""The settings of a training run, checked by pydantic. The presets are in `presets.py`."""

import dataclasses
import math
from collections.abc import Callable, Mapping
from typing import Annotated, Any, Literal, NamedTuple, Self

from pydantic import ConfigDict, Field, ValidationError, model_validator
from pydantic.dataclasses import dataclass

from cyclegan_core.diff_augment import operations
from cyclegan_core.errors import CycleganError

Distance = Literal["l1", "l2"]
Count = Annotated[int, Field(ge=1)]
NotNegative = Annotated[float, Field(ge=0)]
Share = Annotated[float, Field(ge=0, le=1)]
Beta = Annotated[float, Field(ge=0, le=0.999999)]

OF_THE_DEVICE = frozenset({"bf16", "compile", "accumulate"})  # a run may go on with other values of these
# Loss weights of earlier versions; a checkpoint that was trained with one of them cannot go on without it.
RETIRED_LOSSES = ("attribute", "attribute_end", "variation", "chroma_variation", "excess")


class Stage(NamedTuple):
    """A part of a run at one picture size."""

    size: Count  # pixels of the square that the networks see
    batch: Count  # pictures of each domain in a step
    share: Annotated[float, Field(gt=0, le=1)]  # of the whole budget


@dataclass(frozen=True, config=ConfigDict(strict=True, allow_inf_nan=False, extra="forbid"))
class TrainConfig:
    """The settings of one run. Lengths are in pictures: one picture is one of each domain, seen by both generators.

    Tuples may be given as lists, which is what JSON has. Fields called `*_end` are the value at the end of the run, on
    a straight line from the field without `_end`; None keeps that field constant. Raises CycleganError, in one sentence
    that names the field, for a value of the wrong type or outside its range.
    """

    translation: str
    directions: Annotated[tuple[str, str], Field(strict=False)]  # display names of A to B and of B to A
    size: Count = 64  # pixels of the square that the networks see
    # Progressive resizing: sizes that grow up to `size`. Empty: one stage of `size` and `batch`.
    stages: Annotated[tuple[Stage, ...], Field(strict=False)] = ()
    generator: str = "ResnetGenerator"
    generator_arguments: dict[str, Any] = dataclasses.field(default_factory=dict)
    discriminator: str = "PatchDiscriminator"
    discriminator_arguments: dict[str, Any] = dataclasses.field(default_factory=dict)
    output: Literal["picture", "change"] = "picture"  # `change`: output minus input is added to the photo
    data_licence: str = "unknown"

    batch: Count = 8  # pictures of each domain in a step, over all processes
    accumulate: Count = 1  # parts that a batch is cut into, one after the other, where memory is short
    learning_rate: Annotated[float, Field(gt=0)] = 2e-4
    hold: Share = 0.5  # share of the budget at the full learning rate, before `lr_policy` lowers it
    final_rate: Share = 0.0  # share of the learning rate below which no policy goes; linear and cosine end at it
    # How the rate falls after `hold`. linear: in a straight line. cosine: along half a cosine. step: by `lr_factor`, at
    # once and again after each `lr_step`. plateau: by `lr_factor` whenever `lr_patience` snapshots in a row had no
    # better validation score.
    lr_policy: Literal["linear", "cosine", "step", "plateau"] = "linear"
    lr_factor: Annotated[float, Field(gt=0, lt=1)] = 0.1
    lr_step: Annotated[float, Field(gt=0, le=1)] = 0.25  # share of the budget
    lr_patience: Count = 5
    gradient_clip: NotNegative = 0.0  # largest norm of the gradient of all generators or discriminators; 0: no limit
    discriminator_pace: NotNegative = 1.0  # their learning rate as a multiple (two time scales: Heusel et al. 2017)
    # Share of the budget, at its beginning, in which the discriminators learn alone: a run that starts from a
    # translation has new ones, and until they know the domains they would lead its generators back to the beginning.
    head_start: Share = 0.0
    betas: Annotated[tuple[Beta, Beta], Field(strict=False)] = (0.5, 0.99)
    ema_half_life: Count = 5_000  # pictures after which an old weight counts half
    # Share of the run until now that the half-life is at most. A generator that swings wants more.
    ema_ramp: Annotated[float, Field(gt=0, le=1)] = 0.1
    pool: Annotated[int, Field(ge=0)] = 50  # pictures in the history that the discriminators see

    adversarial: Literal["least_squares", "vanilla", "hinge", "wasserstein"] = "least_squares"
    gradient_penalty: NotNegative = 0.0  # weight of WGAN-GP's penalty (10 in the paper) between real and fake pictures
    clip: NotNegative = 0.0  # largest weight of the discriminators, as in the first WGAN (0.01 there); 0: no limit
    r1: NotNegative = 0.0  # weight of the zero-centred gradient penalty on real pictures (Mescheder et al. 2018)
    r1_every: Count = 16  # steps between two such penalties, whose weight grows by as much (lazy: Karras et al. 2020)
    diff_augment: str = ""  # such as `color,translation,cutout`: differentiable augmentation, for small sets
    diff_augment_probability: Share = 1.0  # with which each of its operations is applied to a picture
    cycle: NotNegative = 10.0
    cycle_end: NotNegative | None = None
    cycle_loss: Distance = "l1"
    cycle_every: Count = 1  # steps between two cycle-consistency losses, whose weight grows by as much
    identity: NotNegative = 5.0
    identity_end: NotNegative | None = None
    identity_loss: Distance = "l1"
    identity_every: Count = 1  # the same for identity losses
    constancy: NotNegative = 0.0  # weight of feature constancy: features of a fixed encoder stay (Taigman et al. 2017)
    colour: NotNegative = 0.0  # weight of the colour loss over squares of a sixth of the side (Chen et al. 2019)
    # Weight with which real pictures of the other domain are shown to a discriminator as fakes, so that it goes on
    # checking the attribute when the translations already look real. 0: off.
    cross_domain: NotNegative = 0.0

    # How a picture becomes a square where train/prepare.py has not made it one. center_crop: its middle, at `size`. The
    # others bring it to `load_size`, resize_and_crop in width and height, scale_width_and_crop in width (crop leaves
    # it as it is), and cut a square of `size` at random.
    preprocess: Literal["center_crop", "resize_and_crop", "scale_width_and_crop", "crop"] = "center_crop"
    load_size: Count | None = None  # pixels; None: as many as `size`
    flip: bool = True
    turn: NotNegative = 6.0  # degrees; turn, zoom and shift imitate an unsteady alignment
    zoom: NotNegative = 0.06
    shift: NotNegative = 0.04  # of the side
    # Up to so many times what a blur takes away is added: photographs of people are sharper than most sets of faces.
    sharpen: NotNegative = 0.0
    sharpen_b: NotNegative | None = None  # the same for domain B, such as drawings; None: as for A
    validation: Annotated[float, Field(ge=0, le=0.5)] = 0.05  # share of the training pictures kept back for scores
    seed: Annotated[int, Field(ge=0, le=2**63 - 1)] = 0
    bf16: bool = False  # forward passes in bfloat16 where it is safe: faster on a GPU, and on a CPU with AVX512-BF16
    compile: bool = False  # torch.compile: minutes at the start, then faster steps on a GPU

    @model_validator(mode="wrap")
    @classmethod
    def _one_sentence(cls, values: Any, validate: Callable[[Any], Self]) -> Self:
        try:
            return validate(values)
        except ValidationError as error:
            raise CycleganError(_sentence(error)) from error

    @model_validator(mode="after")
    def _fields_fit_together(self) -> Self:
        operations(self.diff_augment)
        limited = self.gradient_penalty or self.clip or self.discriminator_arguments.get("spectral")
        if self.adversarial == "wasserstein" and not limited:
            raise CycleganError(
                "adversarial=wasserstein needs a critic with limits: set gradient_penalty=10, clip=0.01 or spectral "
                "in discriminator_arguments"
            )
        if self.lr_policy == "plateau" and not self.validation:
            raise CycleganError(
                "lr_policy=plateau needs validation pictures: set validation=0.05, or choose linear, cosine or step"
            )
        if self.load_size is not None and self.preprocess not in ("resize_and_crop", "scale_width_and_crop"):
            raise CycleganError(
                f"load_size goes with preprocess=resize_and_crop or scale_width_and_crop, not with {self.preprocess}"
            )
        if self.load_size is not None and self.load_size < self.size:
            raise CycleganError(
                f"load_size must be at least the size that is cut out of it, {self.size}, not {self.load_size}"
            )
        if self.directions[0] == self.directions[1]:
            raise CycleganError(f"directions must be two different names, not {self.directions!r}")
        shares = sum(stage.share for stage in self.all_stages())
        if not math.isclose(shares, 1, abs_tol=1e-6):
            raise CycleganError(f"the shares of the stages must add up to 1, not {shares:g}")
        if self.all_stages()[-1].size != self.size:
            last = self.all_stages()[-1].size
            raise CycleganError(f"the last stage must be at the run's size of {self.size} pixels, not {last}")
        if any(stage.batch % self.accumulate for stage in self.all_stages()):
            raise CycleganError(f"every batch must be a multiple of accumulate, which is {self.accumulate}")
        return self

    def all_stages(self) -> tuple[Stage, ...]:
        """The stages of the run, at least one."""
        return self.stages or (Stage(self.size, self.batch, 1.0),)

    def to_dict(self) -> dict[str, Any]:
        """The fields as JSON values."""
        return {name: _plain(value) for name, value in dataclasses.asdict(self).items()}

    def differences(self, other: Mapping[str, Any]) -> list[str]:
        """Names of the fields that differ in another run's `to_dict`, but for those that only concern the device."""
        mine, recorded = self.to_dict(), known_fields(other)
        differing = [
            f.name
            for f in dataclasses.fields(self)
            if f.name not in OF_THE_DEVICE and mine[f.name] != _plain(recorded.get(f.name, f.default))
        ]
        return differing + [name for name in RETIRED_LOSSES if other.get(name)]

    def with_fields(self, changes: Mapping[str, Any]) -> "TrainConfig":
        """The config with some fields set, given as JSON values. Raises CycleganError for one that it does not have."""
        names = {f.name for f in dataclasses.fields(self)}
        for name in changes:
            if name not in names:
                raise CycleganError(f"there is no field {name!r} to set; there are {', '.join(sorted(names))}")
        return dataclasses.replace(self, **changes)


def known_fields(recorded: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a config that an earlier version has recorded, without those that no longer exist.

    `cross_domain` was true or false then; true is today's weight of 0.5.
    """
    names = {f.name for f in dataclasses.fields(TrainConfig)}
    known = {name: value for name, value in recorded.items() if name in names}
    if isinstance(known.get("cross_domain"), bool):
        known["cross_domain"] = 0.5 if known["cross_domain"] else 0.0
    return known


def _sentence(error: ValidationError) -> str:
    """The first fault, such as `batch must be greater than or equal to 1, not 0`."""
    fault = error.errors(include_url=False)[0]
    where = ".".join(map(str, fault["loc"]))
    if "Input should be" in fault["msg"]:
        return f"{where} {fault['msg'].replace('Input should be', 'must be')}, not {fault['input']!r}"
    return f"{where} cannot be {fault['input']!r}: {fault['msg'][0].lower()}{fault['msg'][1:]}"


def _plain(value: Any) -> Any:
    return [_plain(item) for item in value] if isinstance(value, (tuple, list)) else value
