"""The command line as a process of its own: exit codes, Ctrl-C, pipes that break, a full disk behind stdout."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cyclegan_core import images
from tests import ROOT
from tests.support.command_line import put, tree


def start(*arguments: object, **options: Any) -> "subprocess.Popen[str]":
    command = [sys.executable, "-m", "cyclegan_core", *map(str, arguments)]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE} | options
    return subprocess.Popen(command, cwd=ROOT, text=True, **pipes)


@pytest.mark.parametrize(("arguments", "expected"), [(["--help"], 0), (["translate", "--help"], 0), ([], 2)])
def test_help_needs_no_torch(arguments: list[str], expected: int) -> None:
    code = (
        "import sys; from cyclegan_core.cli.main import main\n"
        "try: code = main(sys.argv[1:])\n"
        "except SystemExit as stopped: code = stopped.code\n"
        "heavy = {'torch', 'cv2', 'numpy', 'PIL'} & set(sys.modules)\n"
        "sys.exit(f'imported {heavy}' if heavy else code)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments], cwd=ROOT, capture_output=True, text=True, check=False
    )

    assert done.returncode == expected, done.stderr
    text = done.stderr if expected else done.stdout
    assert text.startswith("usage: python -m cyclegan_core")
    assert "130 when stopped by Ctrl-C" in " ".join(text.split())


def test_the_whole_way_as_a_process(tiny_translation: Path, tmp_path: Path, face: np.ndarray) -> None:
    put(face, tmp_path / "in" / "a.jpg")
    (tmp_path / "in" / "b.jpg").write_bytes(b"")
    options = ["--translation", tiny_translation, "--direction", "to_male", "--output", tmp_path / "out"]

    process = start("translate", tmp_path / "in", *options)
    said, errors = process.communicate()

    assert (process.returncode, said) == (1, "1 translated, 0 without a face, 1 failed\n")
    assert errors == f"{tmp_path}/in/b.jpg: b.jpg is empty: copy or download it again.\n"
    assert tree(tmp_path / "out") == ["a.jpg"]


def test_ctrl_c(tiny_translation: Path, tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (300, 300, 3), np.uint8)
    for number in range(50):
        put(noise, tmp_path / "in" / f"{number:02}.png")
    options = ["--translation", tiny_translation, "--direction", "to_male", "--output", tmp_path / "out"]

    # A shell that starts the tests in the background has them ignore SIGINT, and a child inherits that.
    heed = lambda: signal.signal(signal.SIGINT, signal.SIG_DFL)  # noqa: E731
    process = start("translate", tmp_path / "in", *options, preexec_fn=heed)
    while process.poll() is None and not tree(tmp_path / "out"):
        time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    said, errors = process.communicate()

    assert (process.returncode, said) == (130, "")
    last = "stopped; the pictures written so far are complete, and the same command translates the rest"
    assert errors.splitlines()[-1] == last
    assert "Traceback" not in errors
    written = tree(tmp_path / "out")
    assert 0 < len(written) < 50
    assert all(images.load(tmp_path / "out" / name).shape == noise.shape for name in written)

    before = {name: (tmp_path / "out" / name).stat().st_mtime_ns for name in written}
    process = start("translate", tmp_path / "in", *options)
    said, errors = process.communicate()
    assert (process.returncode, said) == (0, f"0 translated, {50 - len(written)} without a face, 0 failed\n")
    assert errors.startswith(f"{len(written)} skipped: ")
    assert len(tree(tmp_path / "out")) == 50
    assert all((tmp_path / "out" / name).stat().st_mtime_ns == time_ns for name, time_ns in before.items())


def test_a_reader_that_has_gone() -> None:
    reading, writing = os.pipe()
    process = start("--help", stdout=writing, env={**os.environ, "PYTHONUNBUFFERED": ""})
    os.close(reading)
    os.close(writing)
    _, errors = process.communicate()

    assert (process.returncode, errors) == (141, "")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full, which Linux has")
def test_a_full_disk_behind_stdout() -> None:
    with open("/dev/full", "w") as full:
        process = start("--help", stdout=full, env={**os.environ, "PYTHONUNBUFFERED": ""})
        _, errors = process.communicate()

    assert (process.returncode, errors) == (1, "error: input or output: No space left on device\n")
