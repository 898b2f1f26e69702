"""What a training run is told, and the presets."""

from dataclasses import asdict, dataclass, field, fields
from typing import Any

from cyclegan_core.errors import CycleganError


@dataclass(frozen=True)
class TrainConfig:
    """One run. Lengths are in pictures: one picture is one of each domain, seen once by both generators."""

    translation: str
    directions: tuple[str, str]  # names for people of A to B and of B to A
    size: int = 64  # pixels of the square that the networks see
    generator: str = "ResnetGenerator"
    generator_arguments: dict[str, Any] = field(default_factory=dict)
    discriminator_arguments: dict[str, Any] = field(default_factory=dict)
    output: str = "picture"  # `change` where output minus input is enlarged and added to the photo
    gain: float = 1.0  # what a change is multiplied by when it is shown; training does not know it
    data_licence: str = "unknown"

    batch: int = 8
    learning_rate: float = 2e-4  # constant over the first half of the budget, then falls to zero
    discriminator_pace: float = 1.0  # their learning rate as a multiple (two time scales: Heusel et al. 2017)
    betas: tuple[float, float] = (0.5, 0.99)
    ema_half_life: int = 5_000  # pictures after which an old weight counts half
    pool: int = 50  # pictures in the history that the discriminators see

    cycle: float = 10.0
    identity: float = 5.0
    cycle_every: int = 1  # steps between cycle-consistency losses, whose weight grows by as much; they cost the most
    identity_every: int = 1  # the same for identity losses
    variation: float = 0.0  # total variation of the change: against speckles and blotches
    chroma_variation: float = 0.0  # the same of its colour differences: against coloured ones
    excess: float = 0.0  # mean square of the change: against glaring ones
    # A classifier of the two domains, trained on the training split alone and then frozen, tells the generators whether
    # the attribute has flipped: where data or time are short the discriminators alone learn that late.
    # The weight goes from `attribute` to `attribute_end`: first the attribute flips, then the discriminators have the
    # last word on what looks real.
    attribute: float = 0.0
    attribute_end: float = 0.0
    certainty: float = 0.9  # the probability that the classifier is to be brought to; more makes a caricature
    guide_size: int = 64  # pixels that the classifier sees: it judges the shape, the discriminators the detail
    guide_radius: float = 1.0  # how far (L2) the pictures that it learns on are moved to mislead it; see train/NOTES.md
    guide_pictures: int = 50_000  # that it learns on
    # Real pictures of the other domain are shown to a discriminator as fakes, so that it keeps watching the attribute
    # when the translations already look real.
    cross_domain: bool = False

    flip: bool = True
    turn: float = 6.0  # degrees; these three are what an unsteady alignment does
    zoom: float = 0.06
    shift: float = 0.04  # of the side
    seed: int = 0
    bf16: bool = False  # forward passes in bfloat16 where it is safe: faster on a GPU, and on a CPU with AVX512-BF16

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    def differences(self, other: dict[str, Any]) -> list[str]:
        """Names of the fields that another run's `to_dict` has otherwise."""
        mine = asdict(self)
        return [f.name for f in fields(self) if _plain(mine[f.name]) != _plain(other.get(f.name))]


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


UTKFACE_LICENCE = "UTKFace: non-commercial research"

PRESETS: dict[str, TrainConfig] = {
    # Small enough for two cores: no layer works at full resolution, and only the change is painted.
    "gender": TrainConfig(
        translation="gender",
        directions=("to_female", "to_male"),
        size=64,
        generator="MobileResnetGenerator",
        generator_arguments={
            "channels": 48,
            "blocks": 6,
            "downsamplings": 1,
            "patch": 2,
            "norm": "channel",
            "upsampling": "resize",
            "residual": True,
        },
        discriminator_arguments={"channels": 24, "layers": 3},
        output="change",
        gain=1.2,
        data_licence=UTKFACE_LICENCE,
        learning_rate=3e-4,
        cycle=3.0,
        cycle_every=2,
        identity=1.0,
        identity_every=4,
        variation=0.3,
        chroma_variation=2.0,
        excess=8.0,
        attribute=0.4,
        attribute_end=0.2,
        certainty=0.8,
        cross_domain=True,
    ),
    # As gender, with more pixels for wrinkles.
    "age": TrainConfig(
        translation="age",
        directions=("older", "younger"),
        size=96,
        generator="MobileResnetGenerator",
        generator_arguments={
            "channels": 48,
            "blocks": 6,
            "downsamplings": 1,
            "patch": 2,
            "norm": "channel",
            "upsampling": "resize",
            "residual": True,
        },
        discriminator_arguments={"channels": 24, "layers": 3},
        output="change",
        gain=1.7,
        data_licence=UTKFACE_LICENCE,
        batch=2,
        learning_rate=2e-4,
        ema_half_life=3_000,
        cycle=3.0,
        cycle_every=2,
        identity=1.0,
        identity_every=4,
        variation=0.1,
        chroma_variation=2.0,
        excess=8.0,
        attribute=0.6,
        attribute_end=0.2,
        certainty=0.8,
        cross_domain=True,
    ),
    # A painter. Its generators see the layout of a face at a quarter of the size and paint the rest: as their identity
    # loss is then that of restoring a drawing from its layout, they learn to draw from every picture of their domain.
    "anime": TrainConfig(
        translation="anime",
        directions=("to_anime", "to_photo"),
        size=128,
        generator="MobileResnetGenerator",
        generator_arguments={
            "channels": 64,
            "blocks": 6,
            "downsamplings": 1,
            "coarse": 4,
            "norm": "channel",
            "upsampling": "resize",
            "residual": True,
        },
        discriminator_arguments={"channels": 32, "layers": 3},
        data_licence="selfie2anime and CelebA: non-commercial research",
        batch=2,  # a painter needs many steps more than it needs many pictures
        ema_half_life=3_000,
        cycle=3.0,
        cycle_every=2,
        identity=5.0,
        identity_every=2,
        attribute=0.2,
        attribute_end=0.1,
        guide_radius=3.0,
        guide_pictures=15_000,
        cross_domain=True,
        shift=0.03,
    ),
    # The paper's own recipe at 128 pixels, for two folders of anything and a GPU.
    "cyclegan": TrainConfig(
        translation="custom",
        directions=("a_to_b", "b_to_a"),
        size=128,
        generator_arguments={"channels": 64, "blocks": 6, "upsampling": "resize"},
        discriminator_arguments={"channels": 64, "layers": 3},
        batch=4,
    ),
}


def preset(name: str) -> TrainConfig:
    """Raises CycleganError for a name that is none."""
    if name not in PRESETS:
        raise CycleganError(f"there is no preset {name!r}; there are {', '.join(PRESETS)}")
    return PRESETS[name]
