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
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path

import pytest
import torch

from cyclegan_core.translations.config import Direction
from cyclegan_core.translations.translation import Translation
from tests import ROOT
from tests.training.test_train import wait_for
from train import run

SETTINGS = {"PYTHONUNBUFFERED": "1", "OMP_NUM_THREADS": "1"}  # of the environment
FIELDS = {
    "generator": "MobileResnetGenerator",
    "generator_arguments": {"channels": 4, "blocks": 1, "norm": "channel", "residual": True},
    "discriminator_arguments": {"channels": 4, "layers": 1},
    "pool": 6,
    "cross_domain": 1.0,
    "diff_augment": "color,translation",
    "validation": 0,
    "stages": [[8, 4, 0.5], [16, 4, 0.5]],
    # Sums are taken in another order, and Adam makes steps of that noise; small ones, so that it does not grow.
    "learning_rate": 1e-5,
}


def arguments(crops: Path, output: Path, *more: str) -> list[str]:
    settings = [part for name, value in FIELDS.items() for part in ("--set", f"{name}={json.dumps(value)}")]
    return [
        "--preset", "cyclegan", "--data", str(crops), "--output", str(output), "--device", "cpu", "--size", "16",
        "--batch", "4", "--threads", "1", *settings, *more,
    ]  # fmt: skip


def command(crops: Path, output: Path, *more: str) -> list[str]:
    """Two processes, by the launcher."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    return [
        sys.executable, "-m", "accelerate.commands.launch", "--multi_gpu", "--num_processes", "2",
        "--num_machines", "1", "--mixed_precision", "no", "--dynamo_backend", "no", "--main_process_port", str(port),
        "--num_cpu_threads_per_process", "1", str(ROOT / "train" / "run.py"), *arguments(crops, output, *more),
    ]  # fmt: skip


def go(crops: Path, output: Path, processes: int, *more: str) -> str:
    """What a run says that ends well: of this process, or of two others."""
    if processes == 1:
        with redirect_stdout(said := StringIO()):
            assert run.main(arguments(crops, output, *more)) == 0
        return said.getvalue()
    done = two(crops, output, *more)
    assert done.returncode == 0, done.stderr
    return done.stdout


def two(crops: Path, output: Path, *more: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(crops, output, *more), cwd=ROOT, env=os.environ | SETTINGS, text=True, capture_output=True,
        check=False, timeout=240,
    )  # fmt: skip


def weights(output: Path) -> list[torch.Tensor]:
    translation = Translation.load(output / "translation")
    return [p for direction in Direction for p in translation.generators[direction].parameters()]


def processes(output: Path) -> int:
    return Translation.load(output / "translation").config.training["processes"]


def apart(one: list[torch.Tensor], other: list[torch.Tensor]) -> float:
    """Mean absolute difference of the weights.

    Not the largest one: where a gradient is about zero, Adam makes a whole step of the noise that another order of sums
    leaves, and how large that noise is depends on the processor (bfloat16 tiles, width of its vectors).
    """
    return float(torch.cat([(a - b).abs().flatten() for a, b in zip(one, other, strict=True)]).mean())


@pytest.mark.slow
def test_two_processes_train_what_one_does_and_go_on_as_one(crops: Path, tmp_path: Path) -> None:
    go(crops, tmp_path / "alone", 1, "--pictures", "48")
    assert go(crops, tmp_path / "two", 2, "--pictures", "48").count("Done:") == 1  # one of them speaks
    assert (processes(tmp_path / "alone"), processes(tmp_path / "two")) == (1, 2)
    middle = {output: weights(tmp_path / output) for output in ("alone", "two")}
    for output in ("alone", "two"):  # a run of two goes on with one, and the other way round
        said = go(crops, tmp_path / output, 1 if output == "two" else 2, "--pictures", "60")
        assert "Resumed after 48 pictures" in said
    end = {output: weights(tmp_path / output) for output in ("alone", "two")}
    learned = apart(end["alone"], middle["alone"])
    assert learned > 1e-6
    assert apart(middle["alone"], middle["two"]) < 0.05 * learned  # three steps' way; 0.001 to 0.004 were seen
    assert apart(end["alone"], end["two"]) < 0.05 * learned


@pytest.mark.slow
def test_a_batch_that_cannot_be_shared_is_a_sentence(crops: Path, tmp_path: Path) -> None:
    odd = two(crops, tmp_path / "odd", "--pictures", "8", "--batch", "3", "--set", "stages=[]")
    assert odd.returncode != 0
    assert "error: a batch of 3 cannot be shared out evenly to 2 process(es)" in odd.stderr


@pytest.mark.slow
def test_ctrl_c_at_the_launcher_saves_first(crops: Path, tmp_path: Path) -> None:
    """The terminal tells all processes, and the launcher tells its own once more."""
    launcher = subprocess.Popen(
        command(crops, tmp_path, "--pictures", "100000000", "--snapshot-minutes", "0.001"), cwd=ROOT,
        env=os.environ | SETTINGS, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True,
    )  # fmt: skip
    wait_for(tmp_path / "translation" / "config.json", launcher)
    os.killpg(launcher.pid, signal.SIGINT)
    said, _ = launcher.communicate(timeout=60)
    assert "Stopped; the same command resumes." in said, said
    assert "Stopped at once" not in said
