"""`--init`: what a run takes over from a translation, and from the folder of another run; and how it grows."""

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F

from cyclegan_core.errors import CycleganError
from cyclegan_core.networks.growth import Arguments, grown_generator
from cyclegan_core.translations.config import Direction
from cyclegan_core.translations.source import embedded_names
from cyclegan_core.translations.translation import Translation, build_generators
from tests.training.test_train import TINY, go
from train import run
from train.config import recipe
from train.config.train_config import TrainConfig
from train.training.initialisation import (
    Initialisation,
    discriminators_continue,
    initialise,
    read_initialisation,
)
from train.training.networks import build_networks, describe

CPU = torch.device("cpu")
COARSE = replace(
    TINY,
    size=16,
    generator_arguments={"channels": 8, "blocks": 1, "downsamplings": 1, "coarse": 2, "upsampling": "resize"},
    output="picture",
)


def grown(arguments: Arguments, factor: int) -> dict[str, Any]:
    return grown_generator("ResnetGenerator", arguments, factor)


def weights_of(checkpoint: Path, group: str) -> dict[str, torch.Tensor]:
    weights: dict[str, torch.Tensor] = torch.load(checkpoint, weights_only=True)["networks"][group]
    return weights


def started(config: TrainConfig, initialisation: Initialisation) -> dict[str, torch.Tensor]:
    nets = build_networks(config, CPU)
    initialise(initialisation, nets, config)
    return {f"{name}.{key}": value for name, discriminator in nets.discriminators().items()
            for key, value in discriminator.state_dict().items()}  # fmt: skip


def test_the_discriminators_of_a_run_go_on(crops: Path, tmp_path: Path) -> None:
    go(crops, tmp_path, COARSE, pictures=4)
    initialisation = read_initialisation(str(tmp_path))
    assert discriminators_continue(initialisation, COARSE)
    left = weights_of(tmp_path / "checkpoint.pt", "discriminators")
    now = started(COARSE, initialisation)
    assert now.keys() == left.keys()
    assert all(torch.equal(now[name], left[name]) for name in left)


def test_discriminators_of_another_shape_begin_anew(crops: Path, tmp_path: Path) -> None:
    go(crops, tmp_path, COARSE, pictures=4)
    other = replace(COARSE, discriminator_arguments={"channels": 6, "layers": 1})
    initialisation = read_initialisation(str(tmp_path))
    assert not discriminators_continue(initialisation, other)
    started(other, initialisation)  # and the generators do go on
    assert not discriminators_continue(read_initialisation(str(tmp_path / "translation")), COARSE), (
        "a translation alone has none"
    )


FOLDED = replace(
    TINY,
    size=128,
    generator="UnetResnetGenerator",
    generator_arguments={"channels": 4, "blocks": 1, "skips": 1},
    discriminator="TwoHeadedDiscriminator",
    discriminator_arguments={"channels": 2},
    output="picture",
)


@pytest.mark.medium
def test_larger_squares_of_pixels_go_on_as_the_smaller_ones_did(crops: Path, tmp_path: Path) -> None:
    first = go(crops, tmp_path, FOLDED, pictures=4)
    config = recipe.grown_config(FOLDED, 256)
    initialisation = read_initialisation(str(tmp_path))
    assert discriminators_continue(initialisation, config)
    nets = build_networks(config, CPU)
    initialise(initialisation, nets, config)
    x = torch.rand(2, 3, 128, 128) * 2 - 1
    large = F.interpolate(x, scale_factor=2, mode="nearest")
    with torch.no_grad():
        for direction, new in zip(Direction, nets.generators().values(), strict=True):
            before, after = first.generators[direction](x), new(large)
            enlarged = F.interpolate(before, scale_factor=2, mode="bilinear")  # tanh came before, and comes after
            assert F.l1_loss(after, enlarged) < 0.02 < 0.2 * enlarged.abs().mean()
    old = build_networks(FOLDED, CPU)
    initialise(initialisation, old, FOLDED)
    for small, grown in zip(old.discriminators().values(), nets.discriminators().values(), strict=True):
        for score, same in zip(small(x), grown(large), strict=True):
            assert torch.allclose(score, same, atol=1e-5)


@pytest.mark.parametrize("factor", [2, 4])
@pytest.mark.parametrize("conditions", [0, 2])
def test_a_grown_generator_paints_what_it_painted_before(
    crops: Path, tmp_path: Path, factor: int, conditions: int
) -> None:
    small = replace(COARSE, generator_arguments=COARSE.generator_arguments | {"conditions": conditions})
    first = go(crops, tmp_path, small, pictures=4)
    config = replace(
        small,
        size=16 * factor,
        generator_arguments=grown(small.generator_arguments, factor),
    )
    nets = build_networks(config, CPU)
    initialise(Initialisation(first), nets, config)
    x = torch.rand(1, 3, 16, 16) * 2 - 1
    large = F.interpolate(x, scale_factor=factor, mode="nearest")
    for direction, new in zip(Direction, nets.generators().values(), strict=True):
        with torch.no_grad():
            before, after = first.generators[direction](x), new(large)
        # Enlarged before or after tanh is all the difference.
        enlarged = F.interpolate(before, scale_factor=factor, mode="bilinear")
        assert F.l1_loss(after, enlarged) < 0.02 < 0.2 * enlarged.abs().mean()


@pytest.mark.medium
def test_growing_by_the_command(crops: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first = tmp_path / "first"
    go(crops, first, COARSE, pictures=4)
    large = shutil.copytree(crops, tmp_path / "large")
    (large / "crops.json").write_text((large / "crops.json").read_text().replace('"size": 16', '"size": 64'))
    asked = ["--data", str(large), "--device", "cpu", "--threads", "1", "--pictures", "4", "--init", str(first)]
    assert run.main([*asked, "--output", str(tmp_path / "second"), "--grow", "--set", "cycle=3"]) == 0
    trained = Translation.load(tmp_path / "second" / "translation").config
    told = trained.training["config"]
    assert (told["size"], trained.generator_arguments["coarse"], told["cycle"]) == (32, 4, 3)
    assert told["discriminator"] == "MultiscaleDiscriminator"
    assert told["discriminator_arguments"] == {**COARSE.discriminator_arguments, "scales": 2}
    assert told["head_start"] == recipe.HEAD_START, "one of the two discriminators is new"
    assert trained.crop is not None
    assert trained.crop.size == 32
    # The coarser of the two began as the old one: with a learning rate of nothing it still is.
    frozen = [*asked, "--output", str(tmp_path / "third"), "--grow", "--learning-rate", "1e-12"]
    assert run.main(frozen) == 0
    old = weights_of(first / "checkpoint.pt", "discriminators")
    new = weights_of(tmp_path / "third" / "checkpoint.pt", "discriminators")
    for name, value in old.items():
        discriminator, _, rest = name.partition(".")
        if rest.endswith((".0._u", ".0._v")):  # spectral norm's own estimates, which every pass makes better
            continue
        assert torch.allclose(new[f"{discriminator}.discriminators.1.{rest}"], value, atol=1e-6)
    again = [*asked[:-1], str(tmp_path / "second"), "--output", str(tmp_path / "fifth"), "--grow"]
    assert run.main(again) == 0
    told = Translation.load(tmp_path / "fifth" / "translation").config.training["config"]
    assert (told["size"], told["generator_arguments"]["skips"]) == (64, 2)
    assert told["discriminator_arguments"]["scales"] == 3
    capsys.readouterr()
    for wrong, words in (
        (["--init", str(first), "--grow", "--size", "48"], "goes from 16 pixels to 32, 64 and so on, not to 48"),
        (["--grow"], "--grow needs --init"),
        (["--init", str(first), "--grow"], "the crops have 16 pixels and the networks see 32"),
    ):
        arguments = ["--data", str(crops), "--output", str(tmp_path / "fourth"), "--pictures", "4", "--device", "cpu"]
        assert run.main([*arguments, *wrong]) == 1
        assert words in capsys.readouterr().err


def test_a_generator_that_cannot_grow_is_a_sentence() -> None:
    with pytest.raises(CycleganError, match="for ResNet generators, not for UnetGenerator"):
        recipe.grown_config(replace(COARSE, generator="UnetGenerator"), None)


def test_discriminators_of_several_sizes_go_on_at_the_size_at_which_they_were(crops: Path, tmp_path: Path) -> None:
    scaled = replace(
        COARSE, size=32, discriminator="MultiscaleDiscriminator",
        discriminator_arguments={"channels": 4, "layers": 1, "scales": 2},
        generator_arguments=grown(COARSE.generator_arguments, 2),
    )  # fmt: skip
    go(crops, tmp_path, scaled, pictures=2)
    initialisation = read_initialisation(str(tmp_path))
    old = weights_of(tmp_path / "checkpoint.pt", "discriminators")
    for size, scales, finer in ((32, 2, 0), (64, 3, 1)):
        arguments = {**scaled.discriminator_arguments, "scales": scales}
        now = started(replace(scaled, size=size, discriminator_arguments=arguments,
                              generator_arguments=grown(COARSE.generator_arguments, size // 16)),
                      initialisation)  # fmt: skip
        for scale in range(2):
            name = f"discriminator_a.discriminators.{scale}.net.0.weight"
            assert torch.equal(now[f"discriminator_a.discriminators.{scale + finer}.net.0.weight"], old[name])
    smaller = replace(scaled, size=16, generator_arguments=scaled.generator_arguments)
    assert not discriminators_continue(initialisation, smaller)


def test_a_set_head_start_stays(crops: Path, tmp_path: Path) -> None:
    go(crops, tmp_path / "first", COARSE, pictures=4)
    options = run.parse(
        ["--data", str(crops), "--output", "x", "--init", str(tmp_path / "first"), "--set", "head_start=0.3"]
    )
    made = recipe.recipe(options, read_initialisation(str(tmp_path / "first")), run.ProcessGroup(CPU))
    assert made.head_start == 0.3


def test_attention_stays_where_it_is() -> None:
    arguments = {"channels": 4, "blocks": 1, "attention": [2, 4]}
    assert grown(arguments, 4) == {
        **arguments,
        "coarse": 4,
        "skips": 2,
        "attention": [8, 16],
    }
    config = TrainConfig("tiny", ("there", "back"), size=64, generator_arguments=grown(arguments, 2))
    small = build_generators(describe(replace(config, generator_arguments=arguments), None))
    nets = build_networks(config, CPU)
    initialise(
        Initialisation(Translation(describe(replace(config, generator_arguments=arguments), None), small)), nets, config
    )
    assert nets.a_to_b(torch.zeros(1, 3, 64, 64)).shape == (1, 3, 64, 64)


def test_a_start_of_another_shape_is_a_sentence(crops: Path, tmp_path: Path) -> None:
    first = go(crops, tmp_path, COARSE, pictures=2)
    arguments = {**grown(COARSE.generator_arguments, 2), "channels": 12}
    config = replace(COARSE, size=32, generator_arguments=arguments)
    with pytest.raises(CycleganError, match="another generator than this preset"):
        initialise(Initialisation(first), build_networks(config, CPU), config)


@pytest.mark.medium
def test_the_command_that_began_with_a_licence_of_its_own_resumes(crops: Path, tmp_path: Path) -> None:
    go(crops, tmp_path / "first", replace(COARSE, data_licence="research only"), pictures=2)
    command = ["--data", str(crops), "--output", str(tmp_path / "second"), "--device", "cpu", "--threads", "1",
               "--init", str(tmp_path / "first"), "--licence", "CC0"]  # fmt: skip
    for pictures in (2, 4):
        assert run.main([*command, "--pictures", str(pictures)]) == 0
    trained = Translation.load(tmp_path / "second" / "translation").config
    assert trained.training["pictures"] == 4
    assert trained.data_licence == "CC0; begun with weights trained on research only"


@pytest.mark.parametrize("name", embedded_names())
def test_the_recorded_recipe_of_an_embedded_translation_can_be_gone_on_with(name: str) -> None:
    translation = Translation.from_pretrained(name)
    config, whose = recipe.recipe_of(translation)
    assert whose == f"that of {name}'s own training"
    assert config.generator == translation.config.generator
