"""Scores of snapshots: real pictures of the other domain get 0, untouched ones 1, and nothing else is disturbed."""

import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from cyclegan_core import images
from cyclegan_core.faces.alignment import HEAD_ASPECT, HEAD_TEMPLATE, align
from cyclegan_core.faces.embedded_detector import EmbeddedDetector
from cyclegan_core.translations.config import Crop
from tests import ROOT
from train.config.train_config import TrainConfig
from train.evaluation import features, validation
from train.evaluation.samples import MARGIN, Look, save_sheet, save_snapshot_sheet, show_translated
from train.evaluation.validation import Validator

CONFIG = TrainConfig("colours", ("a_to_b", "b_to_a"), size=16, validation=0.25)
CPU = torch.device("cpu")


class Swap(nn.Module):
    """Turns red pictures into blue ones and back, as far as `share` says; or into one picture for all."""

    def __init__(self, share: float = 1.0, *, collapse: bool = False) -> None:
        super().__init__()
        self.share, self.collapse = nn.Parameter(torch.tensor(share)), collapse

    def forward(self, x: Tensor) -> Tensor:
        if self.collapse:
            return x.flip(1).mean(dim=0, keepdim=True).expand_as(x)
        return x * (1 - self.share) + x.flip(1) * self.share


@pytest.fixture(scope="module", autouse=True)
def hardly_trained_features() -> Iterator[None]:
    """In place of the folder's own: the colours of these pictures are learned from few of them, but not from so few."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(features, "PICTURES", 512)
        patch.setattr(features, "BATCH", 32)
        yield


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Whole pictures: domain A is red, domain B blue, each in many shades and patterns."""
    folder = tmp_path_factory.mktemp("colours")
    rng = np.random.default_rng(0)
    for domain, channel in (("A", 0), ("B", 2)):
        (folder / f"train{domain}").mkdir()
        for i in range(60):
            picture = rng.integers(20, 90) + rng.integers(0, 40, (4, 4, 1)).repeat(3, axis=2)
            picture[..., channel] += 100
            path = folder / f"train{domain}" / f"{i:02d}.png"
            images.save(picture.repeat(4, axis=0).repeat(4, axis=1).astype(np.uint8), path)
    return folder


@pytest.fixture(scope="module")
def validator(data: Path) -> Validator:
    return Validator(CONFIG, data, CPU, 0)


def test_a_perfect_translation_scores_0_and_an_untouched_one_1(validator: Validator) -> None:
    assert validator.held_out
    assert validator.look.whole
    perfect = validator.score({"a_to_b": Swap(), "b_to_a": Swap()})
    half = validator.score({"a_to_b": Swap(0.5), "b_to_a": Swap(0.5)})
    untouched = validator.score({"a_to_b": Swap(0.0), "b_to_a": Swap(0.0)})
    assert perfect["score"] == pytest.approx(0, abs=0.15)
    assert untouched["kid_a_to_b"] == pytest.approx(1, abs=0.01)
    assert untouched["score"] == pytest.approx(1, abs=0.3)
    assert perfect["score"] < half["score"] < untouched["score"]
    assert perfect["cycle"] == pytest.approx(0, abs=1e-3)
    assert half["cycle"] > 5
    assert perfect["variety_a_to_b"] == pytest.approx(1, abs=0.3)


def test_one_picture_for_all_scores_worse_than_many(validator: Validator) -> None:
    collapsed = validator.score({"a_to_b": Swap(collapse=True), "b_to_a": Swap()})
    assert collapsed["variety_a_to_b"] < 0.05
    assert collapsed["score"] > validator.score({"a_to_b": Swap(), "b_to_a": Swap()})["score"] + 0.2


def test_scores_are_repeated_and_disturb_no_random_numbers(validator: Validator, data: Path) -> None:
    generators = {"a_to_b": Swap(0.7), "b_to_a": Swap(0.6)}
    torch.manual_seed(3)
    state = torch.get_rng_state()
    first = validator.score(generators)
    assert validator.score(generators) == first
    again = Validator(CONFIG, data, CPU, 0)  # which finds the encoder that was kept
    assert torch.equal(torch.get_rng_state(), state)
    assert again.score(generators) == first


@pytest.mark.medium
def test_training_the_encoder_disturbs_no_random_numbers(data: Path, tmp_path: Path) -> None:
    shutil.copytree(data, tmp_path / "data", ignore=shutil.ignore_patterns(".cache"))
    state = torch.get_rng_state()
    one = features.load_or_train_encoder(tmp_path / "data", CPU)
    assert torch.equal(torch.get_rng_state(), state)
    kept = features.load_or_train_encoder(tmp_path / "data", CPU)
    for mine, other in zip(one.state_dict().values(), kept.state_dict().values(), strict=True):
        assert torch.equal(mine, other)


def test_generators_that_return_no_numbers_get_the_worst_score(validator: Validator) -> None:
    broken = validator.score({"a_to_b": Swap(float("nan")), "b_to_a": Swap()})
    assert broken == {"score": validation.WORST}


@pytest.mark.medium
def test_a_set_too_small_to_hold_any_out_is_scored_on_what_it_has(data: Path, validator: Validator) -> None:
    small = Validator(replace(CONFIG, validation=0.0), data, CPU, 0)
    assert not small.held_out
    assert small.score({"a_to_b": Swap(0.0), "b_to_a": Swap(0.0)})["kid_b_to_a"] == pytest.approx(1, abs=0.01)


def test_the_sheet_of_a_snapshot_shows_source_translated_back_and_identity(tmp_path: Path) -> None:
    red = torch.zeros(3, 3, 8, 8, dtype=torch.uint8)
    red[:, 0] = 200
    pictures = {"a_to_b": red, "b_to_a": red.flip(1)[:2]}
    generators = {"a_to_b": Swap(), "b_to_a": Swap(0.0)}
    path = tmp_path / "sheet.png"
    save_snapshot_sheet(path, generators, pictures, Look(8, whole=True), side=20)
    sheet = images.load(path)
    assert sheet.shape == (8 * 20, MARGIN + 3 * 20, 3)
    rows = [tuple(sheet[20 * row + 10, MARGIN + 10]) for row in range(8)]
    r, b = (200, 0, 0), (0, 0, 200)
    assert rows == [r, b, b, r, b, b, r, r]
    assert sheet[:20, :MARGIN].max() > 200  # the row is named


def test_a_sheet_shows_every_picture_that_it_is_given(tmp_path: Path) -> None:
    pictures = torch.arange(50, 60, dtype=torch.uint8).reshape(10, 1, 1, 1).expand(10, 3, 8, 8)
    generators = {"a_to_b": Swap(0.0)}
    path = tmp_path / "s.png"
    save_sheet(path, generators, {"a_to_b": pictures}, Look(8, whole=True), side=8)
    sheet = images.load(path)
    assert sheet.shape == (4 * 8, 8 * 8, 3)
    assert sheet[4, 4::8, 0].tolist() == list(range(50, 58))
    assert sheet[28, 4::8, 0].tolist() == [58, 59, 0, 0, 0, 0, 0, 0]


def test_a_change_is_faded_out_on_faces_and_goes_to_the_edge_on_whole_pictures() -> None:
    pictures = torch.full((1, 3, 32, 32), 100, dtype=torch.uint8)

    class Lighter(Swap):
        def forward(self, x: Tensor) -> Tensor:
            return x + 0.2

    face, whole = (
        show_translated(Lighter(), pictures, Look(16, "change", gain=2.0, whole=whole), "a_to_b")[0]
        for whole in (False, True)
    )
    assert face[16, 16, 0] == pytest.approx(151, abs=1)
    assert face[0, 0, 0] == 100
    assert np.abs(whole.astype(int) - 151).max() <= 1


def test_a_painted_head_is_shown_before_its_own_background() -> None:
    photo = images.load(ROOT / "examples" / "astronaut.jpg")
    face = max(EmbeddedDetector().detect(photo), key=lambda face: face.width)
    crop = align(face.landmarks, np.array(HEAD_TEMPLATE), 64, aspect=HEAD_ASPECT).crop(photo)
    pictures = torch.from_numpy(crop).permute(2, 0, 1)[None]

    class Negative(Swap):
        def forward(self, x: Tensor) -> Tensor:
            return -x

    everything, head = (
        np.abs(show_translated(Negative(), pictures, Look(64, crop=window), "a_to_b")[0].astype(int) - crop).mean(2)
        for window in (None, Crop(64, HEAD_TEMPLATE, aspect=HEAD_ASPECT, matte=True))
    )
    assert everything[30:34, 30:34].mean() > 20
    assert np.abs(head - everything)[30:34, 30:34].max() <= 1, "the face"
    wall = np.s_[38:50, 52:58]
    assert head[wall].mean() < 0.3 * everything[wall].mean()


@pytest.mark.medium
def test_a_replaced_picture_trains_the_encoder_again(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    copy = tmp_path / "data"
    shutil.copytree(data, copy, ignore=shutil.ignore_patterns(".cache"))
    for expected in (True, False):
        features.load_or_train_encoder(copy, CPU)
        assert ("Training features" in capsys.readouterr().out) == expected
    shutil.copyfile(copy / "trainA" / "01.png", copy / "trainA" / "00.png")
    features.load_or_train_encoder(copy, CPU)
    assert "Training features" in capsys.readouterr().out, "another picture under the same name"


@pytest.mark.medium
def test_domains_that_cannot_be_told_apart_have_scores_that_are_small_and_a_note(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Both domains hold red pictures, so that the estimated distance between them is about 0, or below it."""
    red = sorted((data / "trainA").iterdir())
    for domain, files in (("A", red[::2]), ("B", red[1::2])):
        (tmp_path / f"train{domain}").mkdir()
        for path in files:
            shutil.copyfile(path, tmp_path / f"train{domain}" / path.name)
    validator = Validator(replace(CONFIG, validation=0.4), tmp_path, CPU, 0)
    assert "cannot be told apart" in capsys.readouterr().out
    untouched = validator.score({"a_to_b": Swap(0.0), "b_to_a": Swap(0.0)})
    assert abs(untouched["kid_a_to_b"]) <= 1
    assert validator.score({"a_to_b": Swap(), "b_to_a": Swap()})["score"] > untouched["score"], "blue is neither"
