"""Several processes that train together give what one process gives.

With `--cpu`, `accelerate launch` starts one process on a machine; with `--multi_gpu` as many as it is told, whatever
they compute on.
"""

import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from cyclegan_core.translations.config import Direction
from cyclegan_core.translations.translation import Translation
from tests import ROOT
from tests.training.test_train import wait_for

SETTINGS = {"PYTHONUNBUFFERED": "1", "OMP_NUM_THREADS": "1"}  # of the environment
FIELDS = {
    "generator": "MobileResnetGenerator",
    "generator_arguments": {"channels": 4, "blocks": 1, "norm": "channel", "residual": True},
    "discriminator_arguments": {"channels": 4, "layers": 1},
    "pool": 6,
    "cross_domain": 0.5,
    "diff_augment": "color,translation",
    "diff_augment_probability": 0.7,
    "gradient_clip": 10.0,
    "validation": 0,
    "stages": [[8, 4, 0.5], [16, 4, 0.5]],
    "learning_rate": 1e-5,  # small, so that what another order of the sums changes does not grow
}


# Convolutions by other kernels, which add the same numbers in another order.
OTHER_KERNELS = "import sys, torch; torch.backends.mkldnn.set_flags(False); from train import run; sys.exit(run.main())"


def command(crops: Path, output: Path, processes: int, *more: str) -> list[str]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    launch = [
        "-m", "accelerate.commands.launch", "--multi_gpu", "--num_processes", str(processes), "--num_machines", "1",
        "--mixed_precision", "no", "--dynamo_backend", "no", "--main_process_port", str(port),
        "--num_cpu_threads_per_process", "1",
    ]  # fmt: skip
    return [
        sys.executable, *(launch if processes > 1 else []), str(ROOT / "train" / "run.py"),
        *arguments(crops, output, *more)
    ]  # fmt: skip


def arguments(crops: Path, output: Path, *more: str) -> list[str]:
    settings = [part for name, value in FIELDS.items() for part in ("--set", f"{name}={json.dumps(value)}")]
    return [
        "--preset", "cyclegan", "--data", str(crops), "--output", str(output), "--device", "cpu", "--size", "16",
        "--batch", "4", "--threads", "1", *settings, *more,
    ]  # fmt: skip


def go(crops: Path, output: Path, processes: int, *more: str) -> subprocess.CompletedProcess[str]:
    return finish(command(crops, output, processes, *more))


def finish(command: list[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command, cwd=ROOT, env=os.environ | SETTINGS, text=True, capture_output=True, check=False, timeout=240
    )


def weights(output: Path) -> list[torch.Tensor]:
    translation = Translation.load(output / "translation")
    return [p for direction in Direction for p in translation.generators[direction].parameters()]


def processes(output: Path) -> int:
    return Translation.load(output / "translation").config.training["processes"]


def distance(one: list[torch.Tensor], other: list[torch.Tensor]) -> float:
    """Euclidean, over all weights: not that of the worst one, whose gradient may be rounding alone."""
    return float(sum((a - b).double().square().sum() for a, b in zip(one, other, strict=True))) ** 0.5


@pytest.mark.slow
def test_two_processes_train_what_one_does_and_go_on_as_one(crops: Path, tmp_path: Path) -> None:
    """They add the same numbers in another order. How much that may change is measured, as processors differ in it."""
    folders = alone, two, reordered = [tmp_path / name for name in ("alone", "two", "reordered")]

    def train(until: int, alone_by: int, two_by: int) -> list[list[torch.Tensor]]:
        budget = ["--pictures", str(until)]
        other_kernels = [sys.executable, "-c", OTHER_KERNELS, *arguments(crops, reordered, *budget)]
        runs = [go(crops, alone, alone_by, *budget), go(crops, two, two_by, *budget), finish(other_kernels)]
        for run in runs:
            assert run.returncode == 0, run.stderr
            assert run.stdout.count("Done:") == 1  # one of the processes speaks
        return [weights(folder) for folder in folders]

    first = train(48, alone_by=1, two_by=2)
    assert (processes(alone), processes(two)) == (1, 2)
    rounding = distance(first[0], first[2])
    assert distance(first[0], first[1]) <= 5 * rounding
    second = train(96, alone_by=2, two_by=1)  # a run of two goes on with one, and the other way round
    moved, rounding = distance(second[0], first[0]), distance(second[0], second[2])
    assert distance(second[0], second[1]) <= 5 * rounding
    assert 5 * rounding < 0.01 * moved  # other draws, or gradients that are not averaged, would be far outside


@pytest.mark.slow
def test_a_batch_that_cannot_be_shared_is_a_sentence(crops: Path, tmp_path: Path) -> None:
    run = go(crops, tmp_path / "odd", 2, "--pictures", "8", "--batch", "3", "--set", "stages=[]")
    assert run.returncode != 0
    assert "error: a batch of 3 cannot be shared out evenly to 2 process(es)" in run.stderr


@pytest.mark.slow
def test_ctrl_c_at_the_launcher_saves_first(crops: Path, tmp_path: Path) -> None:
    """The terminal tells all processes, and the launcher tells its own once more."""
    launcher = subprocess.Popen(
        command(crops, tmp_path, 2, "--pictures", "100000000", "--snapshot-minutes", "0.001"), cwd=ROOT,
        env=os.environ | SETTINGS, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True,
    )  # fmt: skip
    wait_for(tmp_path / "translation" / "config.json", launcher)
    os.killpg(launcher.pid, signal.SIGINT)
    said, _ = launcher.communicate(timeout=60)
    assert "Stopped; the same command resumes." in said, said
    assert "Stopped at once" not in said
