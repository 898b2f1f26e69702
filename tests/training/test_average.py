"""The mean of several translations' weights, and of those that one run goes through."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from cyclegan_core.translations.config import Direction
from cyclegan_core.translations.translation import Translation, build_generators
from train import average
from train.config.presets import preset
from train.training import networks


@pytest.fixture
def two(tiny_translation: Path, tmp_path: Path) -> list[str]:
    """Folders of two translations of one kind whose weights are all 1, and all 4."""
    folders = []
    for value in (1.0, 4.0):
        translation = Translation.load(tiny_translation)
        for parameter in (p for g in translation.generators.values() for p in g.parameters()):
            torch.nn.init.constant_(parameter, value)
        translation.save(tmp_path / f"all_{value:g}")
        folders.append(str(tmp_path / f"all_{value:g}"))
    return folders


def values(folder: Path, direction: Direction) -> set[float]:
    generator = Translation.load(folder).generators[direction]
    return {float(value) for parameter in generator.parameters() for value in parameter.unique()}


@pytest.mark.parametrize(("weights", "expected"), [([], 2.5), (["--weights", "2,1"], 2.0)])
def test_the_mean_is_weighted(two: list[str], tmp_path: Path, weights: list[str], expected: float) -> None:
    assert average.main([*two, *weights, "--output", str(tmp_path / "mean")]) == 0
    for direction in Direction:
        assert list(values(tmp_path / "mean", direction)) == [pytest.approx(expected)]
    training = Translation.load(tmp_path / "mean").config.training
    assert list(training["mean_of"].values()) == pytest.approx([2 / 3, 1 / 3] if weights else [0.5, 0.5], abs=1e-4)


def test_one_direction_alone(two: list[str], tmp_path: Path) -> None:
    assert average.main([*two, "--direction", "to_male", "--half", "--output", str(tmp_path / "mean")]) == 0
    assert values(tmp_path / "mean", Direction.B_TO_A) == {2.5}
    assert values(tmp_path / "mean", Direction.A_TO_B) == {4.0}, "that of the last one"


@pytest.mark.parametrize(
    ("more", "says"),
    [
        (["--weights", "1"], "--weights needs 2 numbers above 0, such as 1,1, not '1'"),
        (["--weights", "1,-1"], "--weights needs 2 numbers above 0"),
        (["--weights", "a,b"], "--weights needs 2 numbers above 0"),
        (["--direction", "older"], "there is no direction 'older'; there are to_female, to_male"),
        (["nosuch"], "nosuch"),
    ],
)
def test_what_cannot_be_averaged_is_a_sentence(
    two: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str], more: list[str], says: str
) -> None:
    assert average.main([*two, *more, "--output", str(tmp_path / "mean")]) == 1
    assert says in capsys.readouterr().err
    assert not (tmp_path / "mean").exists()


def test_one_translation_has_no_mean(two: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert average.main([two[0], "--output", str(tmp_path / "mean")]) == 1
    assert "at least two" in capsys.readouterr().err


def test_other_generators_are_refused(two: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = replace(Translation.load(Path(two[0])).config, generator_arguments={"channels": 4, "blocks": 1})
    Translation(config, build_generators(config)).save(tmp_path / "other")
    assert average.main([two[0], str(tmp_path / "other"), "--output", str(tmp_path / "mean")]) == 1
    assert "have different generators" in capsys.readouterr().err


@pytest.mark.parametrize(("ramp", "half_life"), [(0.1, 10), (0.5, 50), (1.0, 80)])
def test_an_average_looks_back_over_a_share_of_the_run(ramp: float, half_life: int) -> None:
    config = replace(preset("gender"), ema_half_life=80, ema_ramp=ramp)
    latest, mean = torch.nn.Linear(1, 1), torch.nn.Linear(1, 1)
    for net, value in ((latest, 1.0), (mean, 0.0)):
        torch.nn.init.constant_(net.weight, value)
    networks.average(mean, latest, config, batch=20, pictures=100)
    assert float(mean.weight.detach()) == pytest.approx(1 - 0.5 ** (20 / half_life))
