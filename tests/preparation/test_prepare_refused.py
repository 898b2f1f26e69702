"""Folders and outputs that cannot be used, and runs that were interrupted."""

import errno
import json
import os
import subprocess
import sys
from pathlib import Path

import cv2
import pytest

from cyclegan_core import images
from tests import ROOT
from tests.preparation.test_prepare_folders import counts, run, write


def test_outputs_are_not_mixed(two: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    a, b = two
    out = tmp_path / "out"
    assert run(a, b, "--test", "0.1", "--output", out) == 0
    kept = sorted(out.rglob("*"))
    for damaged in ('{"made_by": 3}', '{"made_by": null}', "[]"):
        kept_report = (out / "report.json").read_text()
        (out / "report.json").write_text(damaged)
        assert run(a, b, "--test", "0.1", "--output", out) == 1
        assert "error: out holds pictures of another kind" in capsys.readouterr().err
        (out / "report.json").write_text(kept_report)
    for arguments, word in (
        ((a, b, "--test", "0.2"), "test"),
        ((a, b, "--test", "0.1", "--seed", "2"), "seed"),
        ((b, a, "--test", "0.1"), "source"),
        ((a, b, "--test", "0.1", "--faces", "tight"), "faces, size"),
    ):
        assert run(*arguments, "--output", out) == 1
        assert f"error: out holds pictures that were prepared with another {word};" in capsys.readouterr().err
    assert sorted(out.rglob("*")) == kept
    assert run(tmp_path, "--output", a) == 1, "domains that are nowhere"
    capsys.readouterr()
    stranger = write(tmp_path / "stranger" / "trainA", ["mine.jpg"])
    assert run(a, b, "--output", tmp_path / "stranger") == 1
    assert "stranger holds pictures of another kind; name an empty --output" in capsys.readouterr().err
    assert (stranger / "mine.jpg").exists()
    for output in (a, tmp_path, b / "out"):
        assert run(a, b, "--output", output) == 1
        assert "overlaps with the set; name a folder apart from it" in capsys.readouterr().err


def test_crops_of_the_program_before_are_gone_on_with(two: tuple[Path, Path], tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert run(*two, "--test", "0.1", "--output", out) == 0
    (out / "report.json").unlink()
    (out / "crops.json").write_text(json.dumps({"template": [], "margin": 0.0, "size": 128, "test": 0.1, "seed": 0}))
    assert run(*two, "--test", "0.1", "--output", out) == 0
    (out / "report.json").unlink()
    assert run(*two, "--test", "0.2", "--output", out) == 1


def test_here_is_a_name_too(
    two: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    assert run("../cats", "../dogs", "--output", ".") == 0
    assert "Look at here/contact_sheet.jpg; here/report.json" in capsys.readouterr().out
    monkeypatch.chdir(two[0])
    assert run(".", "../dogs", "--output", ".") == 1
    assert "error: --output cats overlaps with the set" in capsys.readouterr().err


def test_what_is_no_file_is_no_picture_and_a_link_to_nowhere_is_reported(
    two: tuple[Path, Path], tmp_path: Path
) -> None:
    a, b = two
    os.mkfifo(a / "pipe.jpg")  # reading it would wait for ever
    (a / "folder.jpg").mkdir()
    (a / "gone.jpg").symlink_to(tmp_path / "nowhere.jpg")
    (a / os.fsdecode(b"\xff.jpg")).write_bytes(b"no picture, and a name that is no text")
    assert run(a, b, "--output", tmp_path / "out") == 0
    assert counts(tmp_path / "out")["dropped: unreadable"] == 2


@pytest.mark.parametrize("what", ["missing", "empty", "file", "output", "same", "within", "unsplit", "one side"])
def test_folders_that_cannot_be_used_are_sentences(
    what: str, two: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    a, _ = two
    (tmp_path / "empty").mkdir()
    write(a / "inner", ["0.jpg"])
    write(tmp_path / "two", ["1.jpg"])
    write(tmp_path / "half" / "trainA", ["0.jpg"])
    arguments, words = {
        "missing": ((a, tmp_path / "nowhere"), "there is no folder"),
        "file": ((tmp_path / "two" / "1.jpg", a), "1.jpg is a file; name the folder that it is in"),
        "output": ((*two, "--output", a / "000.jpg"), "--output 000.jpg is a file; name a folder"),
        "empty": ((a, tmp_path / "empty"), "empty holds no pictures that can be read here; name another folder"),
        "same": ((a, a), "cats and cats share pictures; name two folders apart from each other"),
        "within": ((a, a / "inner"), "share pictures; name two folders apart from each other"),
        "unsplit": ((a,), "cats holds neither trainA and trainB nor A and B; name two folders of pictures"),
        "one side": ((tmp_path / "half", "--test", "0"), "no picture was left for trainB; the report says why"),
    }[what]
    assert run("--output", tmp_path / "o" / "out", *arguments) == 1
    error = capsys.readouterr().err.strip()
    assert error.startswith("error: ")
    assert words in error
    assert "\n" not in error


def test_a_killed_run_is_gone_on_with(two: tuple[Path, Path], tmp_path: Path) -> None:
    out = tmp_path / "out"
    code = "import os, sys; from train import prepare; write = prepare._write\n"
    code += "def dying(*a):\n    write(*a)\n    dying.left -= 1\n    if not dying.left: os.kill(os.getpid(), 9)\n"
    code += "dying.left = 30; prepare._write = dying; prepare.main(sys.argv[1:])"
    command = [sys.executable, "-c", code, "folder", *map(str, two), "--test", "7", "--output", str(out)]
    assert subprocess.run(command, cwd=ROOT, capture_output=True, check=False).returncode == -9
    assert not json.loads((out / "report.json").read_text())["finished"]
    (out / "trainA" / ".half.jpg.partial").write_bytes(b"half")
    assert len(list(out.glob("t*/*.*g"))) == 30
    assert run(*two, "--test", "7", "--output", out) == 0
    assert counts(out) == {"testA": 7, "testB": 7, "trainA": 53, "trainB": 33}


@pytest.mark.parametrize("way", ["faces", "as it is"])
def test_a_full_disk_ends_the_run_and_drops_nothing(
    way: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    face = images.load(ROOT / "examples" / "astronaut.jpg")
    for name in "ab":
        (tmp_path / name).mkdir()
        cv2.imwrite(str(tmp_path / name / f"{name}.jpg"), face[ord(name) - 97 :, :, ::-1])

    replace = os.replace

    def full(source: Path, target: Path) -> None:
        if Path(target).parent.name == "trainA":
            raise OSError(errno.ENOSPC, "No space left on device")
        replace(source, target)

    monkeypatch.setattr(os, "replace", full)
    faces = ["--faces", "tight"] if way == "faces" else []
    assert run(tmp_path / "a", tmp_path / "b", *faces, "--test", "0", "--output", tmp_path / "out") == 1
    error = capsys.readouterr().err.strip().splitlines()[-1]
    assert error.startswith("error: ")
    assert "disk is full" in error or "No space left" in error
    assert not list((tmp_path / "out").glob("t*/*"))


def test_folders_are_prepared_without_a_detector(two: tuple[Path, Path], tmp_path: Path) -> None:
    code = "import sys\nfor name in ('gradio', 'facexlib', 'torchvision', 'openvino'): sys.modules[name] = None\n"
    code += "from train import prepare; sys.exit(prepare.main(sys.argv[1:]))"
    command = [sys.executable, "-c", code, "folder", *map(str, two), "--output", str(tmp_path / "out")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert counts(tmp_path / "out")["trainA"] > 40


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_an_output_that_cannot_be_written_to_is_a_sentence(
    two: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "locked").mkdir(mode=0o500)
    assert run(*two, "--output", tmp_path / "locked" / "out") == 1
    assert "error: out cannot be written: Permission denied" in capsys.readouterr().err
