"""Training: it resumes exactly, survives kills, refuses what does not fit, and leaves a usable translation."""

import atexit
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from cyclegan_core import images
from cyclegan_core.errors import CycleganError
from cyclegan_core.faces.alignment import TIGHT_TEMPLATE
from cyclegan_core.translations.config import Crop, Direction
from cyclegan_core.translations.translation import Translation
from tests import ROOT
from train import run
from train.config import presets
from train.config.schedule import Budget
from train.config.train_config import TrainConfig
from train.data.augment import augment
from train.data.folder_domains import ShuffledIndices
from train.data.folders import load_pictures
from train.training.distributed import ProcessGroup
from train.training.initialisation import Initialisation
from train.training.loop import train

TINY = TrainConfig(
    translation="tiny",
    directions=("warmer", "colder"),
    size=16,
    generator="MobileResnetGenerator",
    generator_arguments={"channels": 4, "blocks": 1, "norm": "channel", "residual": True},
    discriminator_arguments={"channels": 4, "layers": 1, "norm": "none", "spectral": True},
    output="change",
    batch=2,
    pool=3,
    identity_every=2,
    cross_domain=0.5,
    validation=0.0,
)


def go(
    crops: Path,
    output: Path,
    config: TrainConfig = TINY,
    *,
    pictures: int = 16,
    stop_after: int | None = None,
    initialisation: Initialisation | None = None,
) -> Translation:
    """Trains, and asks to stop after so many steps."""
    steps = 0

    def stop() -> bool:
        nonlocal steps
        steps += 1
        return stop_after is not None and steps > stop_after

    return train(
        config,
        crops,
        output,
        budget=Budget(pictures=pictures),
        group=ProcessGroup(torch.device("cpu")),
        crop=Crop(16, TIGHT_TEMPLATE),
        initialisation=initialisation,
        stop_asked=stop,
    )


def weights(translation: Translation) -> list[torch.Tensor]:
    return [p for d in Direction for p in translation.generators[d].parameters()]


@pytest.mark.medium
def test_a_run_that_stopped_goes_on_exactly(crops: Path, tmp_path: Path) -> None:
    whole = go(crops, tmp_path / "whole")
    go(crops, tmp_path / "halves", stop_after=3)
    torch.manual_seed(999)  # whatever happened in between
    halves = go(crops, tmp_path / "halves")
    for a, b in zip(weights(whole), weights(halves), strict=True):
        assert torch.equal(a, b)


@pytest.mark.medium
def test_the_same_seed_gives_the_same_and_another_does_not(crops: Path, tmp_path: Path) -> None:
    first, second = (go(crops, tmp_path / str(i), pictures=4) for i in range(2))
    other = go(crops, tmp_path / "other", replace(TINY, seed=1), pictures=4)
    assert all(torch.equal(a, b) for a, b in zip(weights(first), weights(second), strict=True))
    assert not all(torch.equal(a, b) for a, b in zip(weights(first), weights(other), strict=True))


def test_what_a_run_leaves(crops: Path, tmp_path: Path) -> None:
    go(crops, tmp_path)
    translation = Translation.load(tmp_path / "translation")
    assert translation.config.directions[Direction.A_TO_B] == "warmer"
    assert translation.config.crop == Crop(16, TIGHT_TEMPLATE)
    assert translation.config.training["pictures"] == 16
    assert images.load(tmp_path / "samples_00000016.png").shape[0] == 8 * 128
    assert not [name for name in os.listdir(tmp_path) if name.startswith(".")]


@pytest.mark.medium
def test_the_weights_move_towards_the_other_domain(crops: Path, tmp_path: Path) -> None:
    config = replace(TINY, learning_rate=3e-3, cycle=1.0, identity=0.0, ema_half_life=20, cross_domain=0.0)
    translation = go(crops, tmp_path, config, pictures=240)
    x = load_pictures(crops / "testA", 16).float() / 127.5 - 1
    with torch.inference_mode():
        change = translation.generators[Direction.A_TO_B](x) - x
    # From red above to blue below: what training is for, whatever else it does.
    assert change[:, 2, 8:].mean() > 0.1
    assert change[:, 0, :8].mean() < -0.1


def test_another_config_is_refused_with_the_fields_that_differ(crops: Path, tmp_path: Path) -> None:
    go(crops, tmp_path, pictures=2)
    with pytest.raises(CycleganError, match="another batch, cycle;"):
        go(crops, tmp_path, replace(TINY, batch=4, cycle=1.0))


@pytest.mark.medium
def test_a_damaged_checkpoint_is_renamed_and_the_same_command_begins_anew(crops: Path, tmp_path: Path) -> None:
    go(crops, tmp_path, pictures=2)
    cut_off = (tmp_path / "checkpoint.pt").read_bytes()[:1000]
    (tmp_path / "checkpoint.pt").write_bytes(cut_off)
    with pytest.raises(CycleganError, match=r"checkpoint.pt in .* is damaged and is now called damaged-"):
        go(crops, tmp_path, pictures=2)
    (aside,) = tmp_path.glob("damaged-*-checkpoint.pt")
    assert aside.read_bytes() == cut_off
    assert go(crops, tmp_path, pictures=4).config.training["pictures"] == 4


@pytest.mark.medium
def test_a_checkpoint_that_is_not_ours_or_cannot_be_read_now_stays_where_it_is(
    crops: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "checkpoint.pt"
    torch.save([1, 2], path)  # some other file of torch
    with pytest.raises(CycleganError, match="written by another program or version"):
        go(crops, tmp_path)
    path.unlink()
    path.mkdir()  # an error of the file system
    with pytest.raises(IsADirectoryError):
        go(crops, tmp_path)
    path.rmdir()
    go(crops, tmp_path, pictures=2)

    def no_memory(*_: object, **__: object) -> None:
        raise RuntimeError("[enforce fail at alloc_cpu.cpp:121] DefaultCPUAllocator: can't allocate memory")

    with monkeypatch.context() as patch:
        patch.setattr(torch, "load", no_memory)
        with pytest.raises(MemoryError):
            go(crops, tmp_path, pictures=4)
    assert not list(tmp_path.glob("damaged-*"))
    assert go(crops, tmp_path, pictures=4).config.training["pictures"] == 4


@pytest.mark.medium
def test_a_run_of_the_version_before_goes_on(crops: Path, tmp_path: Path) -> None:
    """Its discriminators were called judges, `cross_domain` was true or false, and it had fields that are gone."""
    for folder in ("old", "new"):
        go(crops, tmp_path / folder, pictures=4)
    path = tmp_path / "old" / "checkpoint.pt"
    state = torch.load(path, weights_only=True)
    weights_now = state["networks"]["discriminators"]
    state["networks"]["discriminators"] = {
        name.replace("discriminator_", "judge_"): value for name, value in weights_now.items()
    }
    state["config"] |= {"cross_domain": True, "gain": 1.0, "guide_size": 64, "variation": 0.0}
    torch.save(state, path)
    before, now = (go(crops, tmp_path / folder, pictures=8) for folder in ("old", "new"))
    for a, b in zip(weights(before), weights(now), strict=True):
        assert torch.equal(a, b)


def test_a_full_disk_keeps_the_last_good_checkpoint(
    crops: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    go(crops, tmp_path, pictures=2)
    good = (tmp_path / "checkpoint.pt").read_bytes()

    def full(*_: object) -> None:
        raise RuntimeError("PytorchStreamWriter failed writing file")

    monkeypatch.setattr(torch, "save", full)
    with pytest.raises(CycleganError, match="free some space"):
        go(crops, tmp_path, pictures=4)
    assert (tmp_path / "checkpoint.pt").read_bytes() == good


@pytest.mark.medium
def test_training_starts_from_a_translation(crops: Path, tmp_path: Path) -> None:
    first = go(crops, tmp_path / "first", pictures=2)
    second = go(
        crops, tmp_path / "second", replace(TINY, learning_rate=1e-12), pictures=2, initialisation=Initialisation(first)
    )
    for a, b in zip(weights(first), weights(second), strict=True):
        assert torch.allclose(a, b, atol=1e-6)
    with pytest.raises(CycleganError, match="another generator"):
        go(
            crops,
            tmp_path / "third",
            replace(TINY, generator_arguments={"channels": 8}),
            initialisation=Initialisation(first),
        )


def arguments(crops: Path, output: Path, *more: str) -> list[str]:
    asked = ["--preset", "tiny", "--data", str(crops), "--output", str(output), "--device", "cpu"]
    return [*asked, "--snapshot-minutes", "0.02", "--threads", "1", *more]


def command(crops: Path, output: Path, *more: str) -> list[str]:
    script = "import signal, sys; from train import run; from train.config import presets;"
    script += "signal.signal(signal.SIGHUP, signal.SIG_DFL);"  # which is ignored where the tests run under nohup
    script += "from tests.training.test_train import TINY;"
    script += "presets.PRESETS['tiny'] = TINY; sys.exit(run.main(sys.argv[1:]))"
    return [sys.executable, "-c", script, *arguments(crops, output, *more)]


def start(crops: Path, output: Path, *more: str) -> subprocess.Popen[str]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"}
    process = subprocess.Popen(
        command(crops, output, *more), cwd=ROOT, env=environment, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
    atexit.register(process.kill)  # a test that fails leaves it behind
    return process


def wait_for(path: Path, process: subprocess.Popen[str]) -> None:
    until = time.monotonic() + 60
    while not path.exists() and process.poll() is None and time.monotonic() < until:
        time.sleep(0.02)


@pytest.fixture
def tiny_preset(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that this process can run the command that `start` gives to another one."""
    monkeypatch.setitem(presets.PRESETS, "tiny", TINY)


@pytest.mark.slow
@pytest.mark.usefixtures("tiny_preset")
def test_a_run_killed_again_and_again_ends_with_the_same_weights(
    crops: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run.main(arguments(crops, tmp_path / "whole", "--pictures", "160")) == 0
    for moment in (0.0, 0.5):  # seconds after the first checkpoint: in a step, in a snapshot, wherever it is
        process = start(crops, tmp_path / "killed", "--pictures", "160")
        wait_for(tmp_path / "killed" / "checkpoint.pt", process)
        time.sleep(moment)
        process.kill()
        process.communicate(timeout=60)
    capsys.readouterr()
    assert run.main(arguments(crops, tmp_path / "killed", "--pictures", "160")) == 0
    assert "Resumed after" in capsys.readouterr().out
    one, other = (weights(Translation.load(tmp_path / name / "translation")) for name in ("whole", "killed"))
    assert all(torch.equal(a, b) for a, b in zip(one, other, strict=True))


@pytest.mark.slow
@pytest.mark.usefixtures("tiny_preset")
@pytest.mark.parametrize("told", [[signal.SIGTERM], [signal.SIGINT, signal.SIGTERM]])
def test_a_run_that_is_asked_to_stop_saves_first(
    crops: Path, tmp_path: Path, told: list[signal.Signals], capsys: pytest.CaptureFixture[str]
) -> None:
    """Twice at the same moment is what Ctrl-C is under a launcher, which passes on what all have heard already."""
    process = start(crops, tmp_path, "--pictures", "100000000")
    wait_for(tmp_path / "translation" / "config.json", process)
    for number in told:
        process.send_signal(number)
    said, _ = process.communicate(timeout=60)
    assert process.returncode == 130, said
    assert "Saving, then stopping" in said
    assert "Stopped; the same command resumes." in said
    trained = Translation.load(tmp_path / "translation").config.training["pictures"]
    assert run.main(arguments(crops, tmp_path, "--pictures", "1")) == 0
    assert f"Resumed after {trained:,} pictures" in capsys.readouterr().out


def test_shuffles_show_every_picture_once_in_a_pass() -> None:
    sampler = ShuffledIndices(7, seed=0)
    passes = [sorted(sampler.take(7).tolist()) for _ in range(3)]
    assert passes == [list(range(7))] * 3
    sampler.take(3)
    state = sampler.state_dict()
    expected = sampler.take(20).tolist()
    other = ShuffledIndices(7, seed=5)
    other.load_state_dict(state)
    assert other.take(20).tolist() == expected


@pytest.mark.parametrize("check", ["still", "moved"])
def test_augmentation_moves_only_as_far_as_it_is_told(check: str) -> None:
    torch.manual_seed(0)
    pictures = torch.randint(0, 256, (8, 3, 32, 32), dtype=torch.uint8)
    still = replace(TINY, flip=False, turn=0.0, zoom=0.0, shift=0.0)
    if check == "still":
        expected = torch.nn.functional.avg_pool2d(pictures.float() / 127.5 - 1, 2)
        assert torch.allclose(augment(pictures, still, size=16), expected, atol=1e-4)
    else:
        moved = augment(pictures, replace(still, flip=True), size=32)
        plain = pictures.float() / 127.5 - 1
        flipped = [bool(torch.allclose(m, p.flip(-1), atol=1e-4)) for m, p in zip(moved, plain, strict=True)]
        same = [bool(torch.allclose(m, p, atol=1e-4)) for m, p in zip(moved, plain, strict=True)]
        assert any(flipped)
        assert any(same)
        assert all(f != s for f, s in zip(flipped, same, strict=True))


def test_training_needs_neither_gradio_nor_facexlib() -> None:
    code = "import sys\nfor name in ('gradio', 'facexlib', 'torchvision', 'openvino'): sys.modules[name] = None\n"
    run = subprocess.run(
        [sys.executable, "-c", code + "import train.run, train.evaluate, train.publishing.card"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr
