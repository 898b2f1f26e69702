"""What a training run is told. The presets are in `presets.py`."""

import math
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any, Literal, NamedTuple, get_args

from cyclegan_core.diff_augment import operations
from cyclegan_core.errors import CycleganError
from cyclegan_core.losses import ADVERSARIAL

Distance = Literal["l1", "l2"]


class Stage(NamedTuple):
    """A part of a run at one size of picture."""

    size: int  # pixels of the square that the networks see
    batch: int  # pictures of each domain in a step
    share: float  # of the whole budget


@dataclass(frozen=True)
class TrainConfig:
    """One run. Lengths are in pictures: one picture is one of each domain, seen once by both generators.

    Raises CycleganError, naming the field, for a value that makes no sense.
    """

    translation: str
    directions: tuple[str, str]  # names for people of A to B and of B to A
    size: int = 64  # pixels of the square that the networks see
    stages: tuple[Stage, ...] = ()  # progressive resizing: sizes that grow up to `size`; none: `size` and `batch` alone
    generator: str = "ResnetGenerator"
    generator_arguments: dict[str, Any] = field(default_factory=dict)
    discriminator: str = "PatchDiscriminator"
    discriminator_arguments: dict[str, Any] = field(default_factory=dict)
    output: str = "picture"  # `change` where output minus input is enlarged and added to the photo
    data_licence: str = "unknown"

    batch: int = 8  # pictures of each domain in a step, over all processes
    accumulate: int = 1  # parts that a batch is cut into, one after the other, where memory is short
    learning_rate: float = 2e-4
    hold: float = 0.5  # share of the budget at the full learning rate, which then falls in a straight line
    final_rate: float = 0.0  # share of the learning rate at which that line ends
    gradient_clip: float = 0.0  # largest norm of the gradient of all generators, or all discriminators; 0: no limit
    discriminator_pace: float = 1.0  # their learning rate as a multiple (two time scales: Heusel et al. 2017)
    # Share of the budget, at its beginning, in which the discriminators learn alone: a run that starts from a
    # translation has new ones, and until they know the domains they would lead its generators back to the beginning.
    head_start: float = 0.0
    betas: tuple[float, float] = (0.5, 0.99)
    ema_half_life: int = 5_000  # pictures after which an old weight counts half
    pool: int = 50  # pictures in the history that the discriminators see

    adversarial: str = "least_squares"  # or vanilla, hinge, wasserstein
    gradient_penalty: float = 0.0  # weight of WGAN-GP's penalty (10 in the paper) between real and fake pictures
    clip: float = 0.0  # largest weight of the discriminators, as in the first WGAN (0.01 there); 0: no limit
    r1: float = 0.0  # weight of the zero-centred gradient penalty on real pictures (Mescheder et al. 2018)
    r1_every: int = 16  # steps between two such penalties, whose weight grows by as much (lazy: Karras et al. 2020)
    diff_augment: str = ""  # such as `color,translation,cutout`: differentiable augmentation, for small sets
    diff_augment_probability: float = 1.0  # with which each of its operations happens to a picture
    cycle: float = 10.0
    cycle_end: float | None = None  # the weight at the end of the run, on a straight line from `cycle`; None: as it is
    cycle_loss: Distance = "l1"
    identity: float = 5.0
    identity_end: float | None = None
    identity_loss: Distance = "l1"
    cycle_every: int = 1  # steps between cycle-consistency losses, whose weight grows by as much; they cost the most
    identity_every: int = 1  # the same for identity losses
    constancy: float = 0.0  # weight of feature constancy: features of a fixed encoder stay (Taigman et al. 2017)
    colour: float = 0.0  # of squares of 1/16 of the side: keeps skin, hair and background apart (Chen et al. 2019)
    # Weight with which real pictures of the other domain are shown to a discriminator as fakes, so that it keeps
    # watching the attribute when the translations already look real.
    cross_domain: float = 0.0

    flip: bool = True
    turn: float = 6.0  # degrees; these three are what an unsteady alignment does
    zoom: float = 0.06
    shift: float = 0.04  # of the side
    validation: float = 0.05  # share of the training pictures that is kept back to score snapshots
    seed: int = 0
    bf16: bool = False  # forward passes in bfloat16 where it is safe: faster on a GPU, and on a CPU with AVX512-BF16
    compile: bool = False  # torch.compile: minutes at the start, then faster steps on a GPU

    def __post_init__(self) -> None:
        for name in ("size", "batch", "accumulate", "ema_half_life", "r1_every", "cycle_every", "identity_every"):
            _check(name, getattr(self, name), int, at_least=1)
        _check("pool", self.pool, int, at_least=0)
        _check("learning_rate", self.learning_rate, float, at_least=1e-12)
        weights = ("gradient_penalty", "clip", "r1", "cycle", "identity", "constancy")
        rest = ("colour", "discriminator_pace")
        for name in (*weights, *rest, "turn", "zoom", "shift", "cross_domain", "gradient_clip"):
            _check(name, getattr(self, name), float, at_least=0)
        for name in ("cycle_end", "identity_end"):
            if getattr(self, name) is not None:
                _check(name, getattr(self, name), float, at_least=0)
        for name in ("hold", "final_rate", "head_start", "diff_augment_probability"):
            _check(name, getattr(self, name), float, at_least=0, at_most=1)
        _check("validation", self.validation, float, at_least=0, at_most=0.5)
        for name in ("flip", "bf16", "compile"):
            _check(name, getattr(self, name), bool)
        _check("seed", self.seed, int, at_least=0, at_most=2**63 - 1)
        for name in ("translation", "generator", "discriminator", "data_licence", "diff_augment"):
            _check(name, getattr(self, name), str)
        for name, kind in (("directions", str), ("betas", float)):
            pair = getattr(self, name)
            if not isinstance(pair, (list, tuple)) or len(pair) != 2:
                raise CycleganError(f"{name} must be a pair, not {pair!r}")
            for value in pair:
                _check(name, value, kind, at_least=0, at_most=0.999999)
        for name in ("cycle_loss", "identity_loss"):
            _one_of(name, getattr(self, name), get_args(Distance))
        _one_of("output", self.output, ("picture", "change"))
        _one_of("adversarial", self.adversarial, tuple(ADVERSARIAL))
        operations(self.diff_augment)
        limited = self.gradient_penalty or self.clip or self.discriminator_arguments.get("spectral")
        if self.adversarial == "wasserstein" and not limited:
            raise CycleganError(
                "adversarial=wasserstein needs a critic with limits: set gradient_penalty=10, clip=0.01 or spectral "
                "in discriminator_arguments"
            )
        for name in ("generator_arguments", "discriminator_arguments"):
            _check(name, getattr(self, name), dict)
        # What comes from JSON has lists where this has tuples.
        object.__setattr__(self, "directions", tuple(self.directions))
        object.__setattr__(self, "betas", tuple(self.betas))
        object.__setattr__(self, "stages", _stages(self.stages, self.size))
        if len(set(self.directions)) != 2:
            raise CycleganError(f"directions must be two different names, not {self.directions!r}")
        if any(stage.batch % self.accumulate for stage in self.all_stages()):
            raise CycleganError(f"every batch must be a multiple of accumulate, which is {self.accumulate}")

    def all_stages(self) -> tuple[Stage, ...]:
        return self.stages or (Stage(self.size, self.batch, 1.0),)

    def to_dict(self) -> dict[str, Any]:
        """As JSON knows it."""
        return {name: _plain(value) for name, value in asdict(self).items()}

    def differences(self, other: dict[str, Any]) -> list[str]:
        """Names of the fields that another run's `to_dict` has otherwise, but for those of the device that trains."""
        mine = self.to_dict()
        told = [f for f in fields(self) if f.name not in ("bf16", "compile", "accumulate")]
        return [f.name for f in told if mine[f.name] != _plain(other.get(f.name, f.default))]

    def with_fields(self, changes: dict[str, Any]) -> "TrainConfig":
        """The config with some fields set, given as JSON values. Raises CycleganError for one that it does not have."""
        known = {f.name for f in fields(self)}
        for name in changes:
            if name not in known:
                raise CycleganError(f"there is no field {name!r} to set; there are {', '.join(sorted(known))}")
        return replace(self, **changes)


def _stages(stages: Any, size: int) -> tuple[Stage, ...]:
    try:
        checked = tuple(Stage(*stage) for stage in stages)
    except TypeError as error:
        raise CycleganError(f"stages must be a list of [size, batch, share], not {stages!r}") from error
    for stage in checked:
        _check("the size of a stage", stage.size, int, at_least=1)
        _check("the batch of a stage", stage.batch, int, at_least=1)
        _check("the share of a stage", stage.share, float, at_least=1e-6)
    if checked and not math.isclose(sum(stage.share for stage in checked), 1, abs_tol=1e-6):
        raise CycleganError(f"the shares of the stages must add up to 1, not {sum(s.share for s in checked):g}")
    if checked and checked[-1].size != size:
        raise CycleganError(f"the last stage must be at the run's size of {size} pixels, not {checked[-1].size}")
    return checked


def _check(name: str, value: Any, kind: type, *, at_least: float = -math.inf, at_most: float = math.inf) -> None:
    wanted = {int: "a whole number", float: "a number", bool: "true or false", dict: "an object", str: "a text"}[kind]
    right = isinstance(value, (int, float) if kind is float else kind) and (kind is bool or not isinstance(value, bool))
    if right and kind in (int, float):
        right = at_least <= value <= at_most and math.isfinite(value)
        if at_most < math.inf:
            wanted += f" from {at_least:g} to {at_most:g}"
        elif at_least > -math.inf:
            wanted += f" of at least {at_least:g}"
    if not right:
        raise CycleganError(f"{name} must be {wanted}, not {value!r}")


def _one_of(name: str, value: Any, choices: tuple[str, ...]) -> None:
    if value not in choices:
        raise CycleganError(f"{name} must be one of {', '.join(choices)}, not {value!r}")


def _plain(value: Any) -> Any:
    return [_plain(item) for item in value] if isinstance(value, (tuple, list)) else value
