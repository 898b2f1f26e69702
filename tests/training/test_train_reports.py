"""What people report of CycleGAN trainers: odd pictures, tiny sets, moved folders, full disks, terminals that close."""

import errno
import os
import shutil
import signal
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from cyclegan_core.errors import CycleganError
from cyclegan_core.translations.translation import Translation
from tests.training.test_train import TINY, go, start, wait_for, weights
from train import run
from train.config.schedule import Budget
from train.evaluation import features
from train.training import loop, snapshots
from train.training.distributed import ProcessGroup
from train.training.initialisation import read_initialisation

MODES = {
    "grey.png": "L", "grey_alpha.png": "LA", "palette.png": "P", "bits.png": "1", "alpha.png": "RGBA",
    "print.jpg": "CMYK", "print.tif": "CMYK", "deep.tif": "I;16", "video.jpg": "YCbCr", "UPPER.JPEG": "RGB",
    "moving.gif": "P", "bitmap.bmp": "RGB", "alpha.webp": "RGBA", "lab.tif": "LAB",
}  # fmt: skip


def picture(width: int = 20, height: int = 20, seed: int = 0) -> Image.Image:
    return Image.fromarray(np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8))


def whole_pictures(folder: Path, a: int = 4, b: int = 4) -> Path:
    """Two domains of pictures that are no crops of faces."""
    for split, count in (("trainA", a), ("trainB", b)):
        (folder / split).mkdir(parents=True)
        for number in range(count):
            picture(seed=number).save(folder / split / f"{number:02d}.png")
    return folder


def trained(translation: Translation) -> bool:
    return all(bool(torch.isfinite(p).all()) for p in weights(translation))


def test_pictures_of_every_mode_and_shape_train_and_broken_ones_are_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = whole_pictures(tmp_path / "data", a=0) / "trainA"
    for name, mode in MODES.items():
        deep = Image.fromarray(np.full((20, 20), 40_000, np.uint16))
        (deep if mode == "I;16" else picture().convert(mode)).save(folder / name)
    picture(30, 300).save(folder / "tall.png")
    picture(500, 17).save(folder / "wide.png")
    (folder / "empty.png").write_bytes(b"")
    (folder / "page.jpg").write_bytes(b"<html>404 Not Found</html>")
    (folder / "cut.png").write_bytes((folder / "tall.png").read_bytes()[:40])
    (folder / "gone.png").symlink_to(folder / "nowhere.png")
    for name in ("Thumbs.db", ".DS_Store", "._grey.png", "labels.csv"):
        (folder / name).write_bytes(b"no picture")
    translation = go(tmp_path / "data", tmp_path / "run", pictures=24)
    assert trained(translation)
    assert translation.config.training["train_a"] == len(MODES) + 2
    said = capsys.readouterr().out
    named = {line.split(": ")[1] for line in said.splitlines() if line.startswith("skipped: ")}
    assert named == {"empty.png", "page.jpg", "cut.png", "gone.png"}


@pytest.mark.medium
@pytest.mark.parametrize(
    "changes",
    [
        {"preprocess": "resize_and_crop", "load_size": 24},
        {"preprocess": "scale_width_and_crop"},
        {"preprocess": "crop", "stages": [[8, 4, 0.5], [16, 2, 0.5]]},
    ],
)
def test_squares_cut_at_random_train_and_resume_exactly(changes: dict[str, Any], tmp_path: Path) -> None:
    data = whole_pictures(tmp_path / "data")
    picture(70, 18).save(data / "trainA" / "wide.png")
    picture(17, 90).save(data / "trainB" / "tall.png")
    (data / "trainB" / "broken.png").write_bytes(b"no picture")
    config = TINY.with_fields(changes)
    whole = go(data, tmp_path / "whole", config, pictures=24)
    assert trained(whole)
    assert whole.config.training["config"]["preprocess"] == changes["preprocess"]
    for stop in (2, 3):
        go(data, tmp_path / "parts", config, pictures=24, stop_after=stop)
    parts = go(data, tmp_path / "parts", config, pictures=24)
    assert all(torch.equal(a, b) for a, b in zip(weights(whole), weights(parts), strict=True))
    with pytest.raises(CycleganError, match=r"holds a run with another .*preprocess"):
        go(data, tmp_path / "parts", TINY.with_fields({**changes, "preprocess": "center_crop", "load_size": None}))


@pytest.mark.parametrize(("a", "b", "batch"), [(1, 1, 2), (2, 1, 8), (3, 8, 8)])
def test_a_batch_may_be_larger_than_the_set(tmp_path: Path, a: int, b: int, batch: int) -> None:
    data = whole_pictures(tmp_path / "data", a, b)
    translation = go(data, tmp_path / "run", replace(TINY, batch=batch), pictures=2 * batch)
    assert trained(translation)
    assert translation.config.training["pictures"] == 2 * batch


def test_batch_norm_trains_on_one_picture_at_a_time(tmp_path: Path) -> None:
    arguments = {"channels": 4, "blocks": 1, "norm": "batch"}
    config = replace(TINY, batch=1, generator="ResnetGenerator", generator_arguments=arguments)
    assert trained(go(whole_pictures(tmp_path / "data", 2, 2), tmp_path / "run", config, pictures=2))


def test_of_one_picture_there_is_no_score_and_no_best(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(features, "PICTURES", 128)
    data = whole_pictures(tmp_path / "data", 1, 3)
    go(data, tmp_path / "run", replace(TINY, validation=0.05), pictures=4)
    said = capsys.readouterr().out
    assert "note: scores of snapshots need at least two pictures in trainA and in trainB" in said
    assert "validation/score" not in said
    assert not (tmp_path / "run" / "best").exists()
    for config, patience in (
        (replace(TINY, validation=0.05), 2),
        (replace(TINY, validation=0.05, lr_policy="plateau"), None),
    ):
        with pytest.raises(CycleganError, match="scores of snapshots need at least two pictures"):
            loop.train(
                config, data, tmp_path / "other", budget=Budget(pictures=4), group=ProcessGroup(torch.device("cpu")),
                patience=patience,
            )  # fmt: skip


@pytest.mark.medium
def test_names_of_any_alphabet_and_a_run_and_data_that_move(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    here, there = tmp_path / "Meine Bilder 2", tmp_path / "日本 ünï 😀"
    data = whole_pictures(here / "my data")
    (data / "trainA" / "00.png").rename(data / "trainA" / "猫 😀 ñ.png")
    os.rename(data / "trainA" / "01.png", os.fsencode(data / "trainA") + b"/\xff\xfe.png")  # no text in any alphabet
    straight = go(data, tmp_path / "straight", pictures=16)
    go(data, here / "run 1", pictures=16, stop_after=3)
    shutil.copytree(here, there)  # as a backup or another machine has it: other times, other places
    for file in there.rglob("*.png"):
        os.utime(file, (1, 1))
    shutil.rmtree(here)
    capsys.readouterr()
    moved = go(there / "my data", there / "run 1", pictures=16)
    said = capsys.readouterr().out
    assert "Resumed after 8 pictures" in said
    assert "other pictures than" not in said
    assert all(torch.equal(a, b) for a, b in zip(weights(straight), weights(moved), strict=True))


@pytest.mark.medium
def test_pictures_that_changed_in_place_are_told_and_others_that_came_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = whole_pictures(tmp_path / "data")
    go(data, tmp_path / "run", pictures=4)
    picture(40, 30).save(data / "trainB" / "02.png")
    capsys.readouterr()
    go(data, tmp_path / "run", pictures=8)
    said = capsys.readouterr().out
    assert "note: trainB holds other pictures than when this run began" in said
    assert "trainA holds other pictures" not in said
    go(data, tmp_path / "run", pictures=12)
    assert "other pictures" not in capsys.readouterr().out, "it is told once"
    picture().save(data / "trainA" / "more.png")
    with pytest.raises(CycleganError, match=r"trainA has 5 pictures .* had 4 .* --init and the folder of this run"):
        go(data, tmp_path / "run", pictures=16)
    (data / "trainA" / "more.png").unlink()
    assert go(data, tmp_path / "run", pictures=16).config.training["pictures"] == 16


def test_an_output_among_the_pictures_is_refused_before_anything_is_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = whole_pictures(tmp_path / "data")
    for dry in ([], ["--dry-run"]):
        asked = ["--data", str(data), "--output", str(data / "trainB"), "--pictures", "2", "--device", "cpu", *dry]
        assert run.main(asked) == 1
        assert "lies among the pictures of trainB" in capsys.readouterr().err
    assert len(list((data / "trainB").iterdir())) == 4


@pytest.mark.medium
@pytest.mark.parametrize("initialised", [False, True])
def test_without_a_checkpoint_a_run_begins_anew_and_what_was_there_stays(
    initialised: bool, crops: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first = go(crops, tmp_path, pictures=8)
    shutil.copytree(tmp_path / "translation", tmp_path / "best")
    (tmp_path / "checkpoint.pt").unlink()
    initialisation = read_initialisation(str(tmp_path)) if initialised else None
    second = go(crops, tmp_path, pictures=4, initialisation=initialisation)
    (aside,) = tmp_path.glob("earlier-*")
    assert f"what an earlier run has left is in {aside} now" in capsys.readouterr().out
    assert {path.name for path in aside.iterdir()} >= {"translation", "best", "log.jsonl", "samples_00000008.png"}
    kept = Translation.load(aside / "translation")
    assert all(torch.equal(a, b) for a, b in zip(weights(first), weights(kept), strict=True))
    assert second.config.training["pictures"] == 4
    assert not (tmp_path / "best").exists()
    go(crops, tmp_path, pictures=8)
    assert len(list(tmp_path.glob("earlier-*"))) == 1, "a run that resumes moves nothing"


def test_a_sheet_that_cannot_be_written_costs_a_note(
    crops: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(snapshots, "save_snapshot_sheet", full)
    assert go(crops, tmp_path, pictures=4).config.training["pictures"] == 4
    assert "note: no sample sheet: [Errno 28] No space left on device" in capsys.readouterr().out
    assert Translation.load(tmp_path / "translation").config.training["pictures"] == 4


@pytest.mark.slow
def test_a_terminal_that_closes_saves_first_and_a_reader_that_ends_stops_nothing(crops: Path, tmp_path: Path) -> None:
    process = start(crops, tmp_path, "--pictures", "100000000")
    wait_for(tmp_path / "translation" / "config.json", process)
    wait_for(tmp_path / "checkpoint.pt", process)
    assert process.stdout is not None
    process.stdout.close()  # as `| head` does; errors go there too
    seen = (tmp_path / "checkpoint.pt").stat().st_mtime_ns
    until = time.monotonic() + 60
    while (tmp_path / "checkpoint.pt").stat().st_mtime_ns == seen and time.monotonic() < until:
        time.sleep(0.05)
    assert process.poll() is None, "it goes on"
    process.send_signal(signal.SIGHUP)
    assert process.wait(timeout=60) == 130
    trained_so_far = Translation.load(tmp_path / "translation").config.training["pictures"]
    checkpoint = torch.load(tmp_path / "checkpoint.pt", weights_only=True)
    assert checkpoint["pictures"] == trained_so_far > 0
