"""The command line: what is wrong with its arguments, its inputs or its output is said in one sentence."""

import errno
import os
import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from cyclegan_core import images
from cyclegan_core.cli.main import main
from cyclegan_core.errors import PictureError
from tests.support.command_line import Run, contents, put, tree

# ---- what is wrong with the arguments


def test_an_unknown_direction(run: Run, tmp_path: Path, wall: np.ndarray) -> None:
    code, said, errors = run(put(wall, tmp_path / "x.png"), "--output", tmp_path / "out", direction="sideways")

    assert (code, said) == (1, "")
    assert errors == "error: there is no direction 'sideways': choose of to_female, to_male\n"
    assert not (tmp_path / "out").exists()


def test_an_unknown_translation(run: Run, tmp_path: Path, wall: np.ndarray) -> None:
    code, said, errors = run(put(wall, tmp_path / "x.png"), "--output", tmp_path / "out", name="no-such")

    assert (code, said) == (1, "")
    assert errors.startswith("error: there is no translation 'no-such'")
    assert errors.count("\n") == 1


@pytest.mark.parametrize("name", ["", "x" * 300])
def test_a_translation_that_cannot_be_a_name(run: Run, tmp_path: Path, wall: np.ndarray, name: str) -> None:
    code, _, errors = run(put(wall, tmp_path / "x.png"), "--output", tmp_path / "out", name=name)

    assert code == 1
    assert errors.startswith("error: ")
    assert errors.count("\n") == 1


@pytest.mark.parametrize("strength", ["1.51", "-0.1", "nan", "inf", "strong", ""])
def test_a_strength_outside_the_range(strength: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["translate", "x.png", "--direction", "to_female", "--output", "out", f"--strength={strength}"])

    assert stopped.value.code == 2
    assert f"argument --strength: must be a number from 0 to 1.5, not '{strength}'" in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [["", "--output", "out"], ["x.png", "--output", ""]])
def test_an_empty_name_is_not_the_current_folder(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["translate", "--direction", "to_female", *arguments])

    assert stopped.value.code == 2
    assert "must not be empty" in capsys.readouterr().err


def test_files_that_are_missing_do_not_stop_the_others(run: Run, tmp_path: Path, wall: np.ndarray) -> None:
    missing = [tmp_path / "no-such.png", tmp_path / ("long" * 100), tmp_path / "esc\x1b[2J\n.png"]
    source = put(wall, tmp_path / "x.png")

    code, said, errors = run(*missing, source, "--output", tmp_path / "out")

    assert (code, said) == (1, "0 translated, 1 without a face, 3 failed\n")
    assert errors.splitlines()[0] == (
        f"{missing[0]}: no-such.png cannot be read: there is no such file or folder, check the name."
    )
    assert len(errors.splitlines()) == 4
    assert "\x1b" not in errors


def test_a_folder_without_pictures(run: Run, tmp_path: Path) -> None:
    (tmp_path / "empty" / "sub").mkdir(parents=True)
    (tmp_path / "empty" / "notes.txt").write_text("")

    code, said, errors = run(tmp_path / "empty", "--output", tmp_path / "out")

    assert (code, said) == (1, "0 translated, 0 without a face, 1 failed\n")
    assert errors == f"{tmp_path}/empty: there are no pictures in this folder; check the name\n"


def test_a_folder_that_cannot_be_read(
    run: Run, tmp_path: Path, wall: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(wall, tmp_path / "in" / "x.png")
    put(wall, tmp_path / "in" / "locked" / "y.png")
    real = os.scandir

    def scandir(path: Any) -> Any:
        if Path(path).name == "locked":
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
        return real(path)

    monkeypatch.setattr(os, "scandir", scandir)
    code, said, errors = run(tmp_path / "in", "--output", tmp_path / "out")

    assert (code, said) == (1, "0 translated, 1 without a face, 1 failed\n")
    assert f"{tmp_path}/in/locked: the folder cannot be read: Permission denied\n" in errors


# ---- an output that cannot be written


@pytest.mark.parametrize("output", ["file", "file/out", "/proc/no-such/out", "/proc"])
def test_an_output_folder_that_cannot_be(run: Run, tmp_path: Path, wall: np.ndarray, output: str) -> None:
    (tmp_path / "file").write_text("mine")

    code, said, errors = run(put(wall, tmp_path / "x.png"), "--output", tmp_path / output)

    assert (code, said) == (1, "")
    assert errors.startswith(f"error: {tmp_path / output} cannot be the output folder: ")
    assert errors.endswith("; choose another for --output\n")
    assert (tmp_path / "file").read_text() == "mine"


def test_a_sub_folder_that_cannot_be_made_costs_only_its_own(run: Run, tmp_path: Path, wall: np.ndarray) -> None:
    for name in ("trip/a.png", "b.png"):
        put(wall, tmp_path / "in" / name)
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "trip").write_text("mine")

    code, said, errors = run(tmp_path / "in", "--output", tmp_path / "out")

    assert (code, said) == (1, "0 translated, 1 without a face, 1 failed\n")
    assert "trip cannot be the output folder: a file is in its place" in errors
    assert tree(tmp_path / "out") == ["b.png", "trip"]


def test_a_full_disk(run: Run, tmp_path: Path, wall: np.ndarray, monkeypatch: pytest.MonkeyPatch) -> None:
    paths = [put(wall, tmp_path / "in" / name) for name in ("a.png", "b.png")]
    earlier = put(wall[:30], tmp_path / "out" / "a.png").read_bytes()

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "replace", full)
    code, said, errors = run(*paths, "--overwrite", "--output", tmp_path / "out")

    assert (code, said) == (1, "0 translated, 0 without a face, 2 failed\n")
    assert ["the disk is full" in line for line in errors.splitlines()] == [True, True]
    assert contents(tmp_path / "out") == {"a.png": earlier}


def test_a_fault_in_one_picture_does_not_cost_the_others(
    run: Run, tmp_path: Path, wall: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("a.png", "b.png", "c.png"):
        put(wall, tmp_path / "in" / name)
    real = images.load_picture
    faults = {"a.png": cv2.error("(-215:Assertion failed)"), "b.png": PictureError("b.png is odd")}

    def load(path: Path, **options: Any) -> images.Picture:
        if path.name in faults:
            raise faults[path.name]
        return real(path, **options)

    monkeypatch.setattr(images, "load_picture", load)
    code, said, errors = run(tmp_path / "in", "--output", tmp_path / "out")

    assert (code, said) == (1, "0 translated, 1 without a face, 2 failed\n")
    assert errors.splitlines()[0].startswith(f"{tmp_path}/in/a.png: it could not be translated: error(")
    assert errors.splitlines()[1] == f"{tmp_path}/in/b.png: b.png is odd"


def test_the_progress_bar_is_for_terminals(
    run: Run, tmp_path: Path, wall: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = put(wall, tmp_path / "x.png")
    assert "1/1" not in run(source, "--output", tmp_path / "out")[2]

    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    code, said, errors = run(source, "--output", tmp_path / "out", "--overwrite")

    assert code == 0
    assert "1/1" in errors
    assert f"{source}: no face found, the picture is written\n" in errors
    assert said == "0 translated, 1 without a face, 0 failed\n"
