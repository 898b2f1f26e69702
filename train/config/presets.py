"""The presets: one complete recipe for each translation."""

from dataclasses import replace

from cyclegan_core.errors import CycleganError
from train.config.train_config import Stage, TrainConfig

UTKFACE_LICENCE = "UTKFace: non-commercial research"

# Dense layers in bfloat16 and the losses of StyleGAN2 in the cycle; `NOTES.md` tells what it replaces and what it gave.
_FACES = TrainConfig(
    translation="gender",
    directions=("to_female", "to_male"),
    size=128,
    generator="UnetResnetGenerator",
    generator_arguments={"channels": 64, "residual": True},
    discriminator="TwoHeadedDiscriminator",
    discriminator_arguments={"channels": 48},
    output="change",
    data_licence=UTKFACE_LICENCE,
    batch=4,
    learning_rate=3e-4,
    betas=(0.0, 0.99),
    hold=0.4,
    final_rate=0.02,
    gradient_clip=10.0,
    ema_half_life=2_800,  # 0.999 a step
    pool=0,
    adversarial="vanilla",  # the non-saturating logistic loss
    r1=1.0,
    diff_augment="color,translation",
    diff_augment_probability=0.3,
    cross_domain=0.5,
    cycle=4.0,
    identity=1.0,
    identity_every=4,
)

PRESETS: dict[str, TrainConfig] = {
    "gender": _FACES,
    "age": replace(
        _FACES,
        translation="age",
        directions=("older", "younger"),
        generator_arguments={"channels": 64, "residual": True, "smooth": True},
        r1=0.2,
        cycle=2.0,
    ),
    # Paints whole pictures, and without the largest skip, which would keep the photo's outlines.
    "anime": replace(
        _FACES,
        translation="anime",
        directions=("to_anime", "to_photo"),
        generator_arguments={"channels": 64, "skips": 1},
        output="picture",
        data_licence="selfie2anime and CelebA: non-commercial research",
        diff_augment_probability=0.5,
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
