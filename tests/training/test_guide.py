"""The classifier that guides a training is trained once for a data set, and anew when the data are others."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from train.config.train_config import TrainConfig
from train.evaluation import kept
from train.training.guide import load_or_train_guide

CONFIG = TrainConfig("tiny", ("there", "back"), size=16, guide_size=16, guide_pictures=32, validation=0.0)
CPU = torch.device("cpu")


@pytest.fixture
def data(crops: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(crops, tmp_path / "data", ignore=shutil.ignore_patterns(".cache")))


def trains(config: TrainConfig, data: Path, capsys: pytest.CaptureFixture[str]) -> bool:
    """Whether the guide had to be trained for it."""
    load_or_train_guide(config, data, CPU)
    return "Training the classifier" in capsys.readouterr().out


def test_it_is_kept_and_is_the_same_when_read(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first = load_or_train_guide(CONFIG, data, CPU)
    assert "Training the classifier" in capsys.readouterr().out
    second = load_or_train_guide(CONFIG, data, CPU)
    assert "Training" not in capsys.readouterr().out
    for a, b in zip(first.state_dict().values(), second.state_dict().values(), strict=True):
        assert torch.equal(a, b)
    assert not second.training
    assert not any(p.requires_grad for p in second.parameters())


def test_other_pictures_or_fields_train_another(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert trains(CONFIG, data, capsys)
    assert trains(replace(CONFIG, validation=0.1), data, capsys)  # it must not see what is held out
    assert trains(replace(CONFIG, guide_radius=2.0), data, capsys)
    assert not trains(replace(CONFIG, cycle=1.0), data, capsys)
    file = next((data / "trainA").glob("*.png"))
    file.rename(file.with_name("another.png"))
    assert trains(CONFIG, data, capsys)


def test_a_damaged_one_is_trained_again(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert trains(CONFIG, data, capsys)
    (path,) = (data / ".cache").glob("guide_*.safetensors")
    path.write_bytes(path.read_bytes()[:100])
    assert trains(CONFIG, data, capsys)
    assert not trains(CONFIG, data, capsys)


def test_a_place_that_cannot_be_written_to_costs_a_note_only(
    data: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(kept, "save_file", full)
    load_or_train_guide(CONFIG, data, CPU)
    assert "it will be trained again" in capsys.readouterr().out
    assert not [path for path in (data / ".cache").iterdir() if path.name.startswith(".guide")]
