"""The presets: one complete recipe for each translation."""

from dataclasses import replace

from cyclegan_core.errors import CycleganError
from train.config import Stage, TrainConfig

UTKFACE_LICENCE = "UTKFace: non-commercial research"

# Small enough for two cores: no layer works at full resolution, and only the change is painted.
GENDER = TrainConfig(
    translation="gender",
    directions=("to_female", "to_male"),
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
    discriminator_arguments={"channels": 32, "layers": 3},
    output="change",
    gain=1.07,
    data_licence=UTKFACE_LICENCE,
    batch=2,  # steps decide, not pictures
    ema_half_life=4_000,
    cycle=3.0,
    cycle_every=2,
    identity=1.0,
    identity_every=4,
    variation=0.2,
    chroma_variation=2.0,
    excess=8.0,
    attribute=0.4,
    attribute_end=0.15,
    certainty=0.8,
    cross_domain=True,
)

PRESETS: dict[str, TrainConfig] = {
    "gender": GENDER,
    # Its classifier's gradient is weaker than gender's, so it weighs more.
    "age": replace(
        GENDER,
        translation="age",
        directions=("older", "younger"),
        gain=1.15,
        cycle=2.5,
        variation=0.12,
        excess=7.0,
        attribute=0.55,
        attribute_end=0.2,
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
        cycle_end=1.5,
        cycle_every=2,
        identity=5.0,
        identity_end=1.0,
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
    # The same grown to the paper's 256 pixels: half of the budget at 128, where a step costs a quarter.
    "cyclegan256": TrainConfig(
        translation="custom",
        directions=("a_to_b", "b_to_a"),
        size=256,
        stages=(Stage(128, 8, 0.5), Stage(256, 4, 0.5)),
        generator_arguments={"channels": 64, "blocks": 9, "upsampling": "resize"},
        discriminator_arguments={"channels": 64, "layers": 3},
        ema_half_life=10_000,
    ),
    # For domains whose shapes differ, such as photographs and cartoons: self-attention in generators and discriminators
    # (SAGAN), hinge loss, spectral norm and differentiable augmentation, grown from 64 pixels. Made for a GPU.
    "attention": TrainConfig(
        translation="custom",
        directions=("a_to_b", "b_to_a"),
        size=256,
        stages=(Stage(64, 16, 0.3), Stage(128, 8, 0.4), Stage(256, 4, 0.3)),
        generator_arguments={"channels": 64, "blocks": 6, "upsampling": "resize", "attention": [4]},
        discriminator_arguments={"channels": 64, "layers": 3, "norm": "none", "spectral": True, "attention": [4]},
        adversarial="hinge",
        diff_augment="color,translation",
        discriminator_pace=2.0,
        cycle=5.0,
        cycle_end=2.0,
        identity=2.5,
        identity_end=0.5,
        ema_half_life=10_000,
    ),
}


def preset(name: str) -> TrainConfig:
    """Raises CycleganError for a name that is none."""
    if name not in PRESETS:
        raise CycleganError(f"there is no preset {name!r}; there are {', '.join(PRESETS)}")
    return PRESETS[name]
