"""The commands `video` and `webcam`: what is written and said, exit codes, and Ctrl-C."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import av
import pytest

from cyclegan_core.cli.main import main
from tests import ROOT
from tests.cli.test_cli_process import start
from tests.video.test_translate_video import make_video, pictures, times, tone

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(tiny_translation: Path, capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs a command in this process with the tiny translation; gives the exit code, stdout and stderr."""

    def call(*arguments: object, direction: str = "to_female") -> tuple[int, str, str]:
        options = ["--translation", str(tiny_translation), "--direction", direction]
        code = main([*map(str, arguments), *options])
        out, err = capsys.readouterr()
        return code, out, err

    return call


@pytest.mark.parametrize("command", ["video", "webcam"])
def test_help_needs_nothing_heavy(command: str) -> None:
    code = (
        "import sys; from cyclegan_core.cli.main import main\n"
        "try: main(sys.argv[1:])\n"
        "except SystemExit: pass\n"
        "sys.exit(str({'torch', 'cv2', 'numpy', 'av'} & set(sys.modules) or ''))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, command, "--help"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.stderr.strip() == ""
    assert "--largest-only" in done.stdout


# ---- video


def test_a_video(run: Run, tmp_path: Path) -> None:
    source, target = make_video(tmp_path / "in.mp4"), tmp_path / "out.mov"
    code, said, errors = run("video", source, "--output", target, "--strength", "0.5", "--largest-only")
    assert (code, errors) == (0, "")
    assert re.fullmatch(r"12 frames in 0.\d seconds of video with sound, 12 with a face\n", said)
    assert times(target) == times(source)
    assert tone(target)[0] == pytest.approx(440, abs=10)


def test_a_chain(run: Run, tmp_path: Path) -> None:
    source, target = make_video(tmp_path / "in.mp4", 3, sound=None), tmp_path / "out.mp4"
    code, said, _ = run("video", source, "--output", target, direction="to_female+tiny:to_male")
    assert code == 0
    assert "without sound" in said
    with av.open(str(target)) as container:
        assert container.metadata["comment"] == "AI-altered (tiny: to female, tiny: to male)"


@pytest.mark.parametrize(
    ("direction", "says"),
    [("sideways", "there is no direction 'sideways': choose of to_female, to_male"), ("+", "--direction names none")],
)
def test_a_direction_that_is_none(run: Run, tmp_path: Path, direction: str, says: str) -> None:
    code, said, errors = run("video", tmp_path / "in.mp4", "--output", tmp_path / "out.mp4", direction=direction)
    assert (code, said) == (1, "")
    assert errors.startswith(f"error: {says}")


@pytest.mark.medium
def test_translations_of_the_page(
    tmp_path: Path, tiny_translation: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without --translation, only those that the direction asks for are loaded."""
    monkeypatch.setenv("CYCLEGAN_GENDER_REPO", str(tiny_translation))
    monkeypatch.setenv("CYCLEGAN_AGE_REPO", "/nowhere/at/all")
    source = make_video(tmp_path / "in.mp4", 2)
    call = ["video", str(source), "--output", str(tmp_path / "out.mp4"), "--direction"]
    assert main([*call, "to_female"]) == 0
    assert main([*call, "gender:to_male"]) == 0
    assert main([*call, "to_female+sideways"]) == 1
    assert "no direction 'sideways'" in capsys.readouterr().err
    assert main([*call, "older"]) == 1
    assert "CYCLEGAN_AGE_REPO" in capsys.readouterr().err
    assert main([*call, "to_female", "--revision", "v1"]) == 1
    assert "--revision belongs to a Hub repository" in capsys.readouterr().err


def test_a_file_that_is_no_video(run: Run, tmp_path: Path) -> None:
    (tmp_path / "in.mp4").write_text("no video")
    code, _, errors = run("video", tmp_path / "in.mp4", "--output", tmp_path / "out.mp4")
    assert code == 1
    assert errors.startswith("error: in.mp4 is damaged or cut short, or no video")
    assert len(errors.splitlines()) == 1


@pytest.mark.parametrize(
    "arguments",
    [
        ["video", "--output", "x.mp4", "--direction", "to_male"],
        ["video", "in.mp4", "--direction", "to_male"],
        ["video", "in.mp4", "--output", "x.mp4"],
        ["video", "", "--output", "x.mp4", "--direction", "to_male"],
        ["video", "in.mp4", "--output", "x.mp4", "--direction", "to_male", "--strength", "2"],
        ["webcam", "--output", "x.mp4", "--direction", "to_male", "--seconds", "-1"],
        ["webcam", "--output", "x.mp4", "--direction", "to_male", "--seconds", "nan"],
    ],
)
def test_commands_that_are_not_understood(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(arguments)
    assert stopped.value.code == 2
    assert "usage: python -m cyclegan_core" in capsys.readouterr().err


def heed_ctrl_c() -> None:
    # A shell that starts the tests in the background has them ignore SIGINT, and a child inherits that.
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def wait_for_part(process: "subprocess.Popen[str]", folder: Path) -> None:
    while process.poll() is None and not list(folder.glob(".*.part")):
        time.sleep(0.05)


def test_ctrl_c_leaves_no_video(tiny_translation: Path, tmp_path: Path) -> None:
    source = make_video(tmp_path / "in.mp4", 400)
    options = ["--translation", tiny_translation, "--direction", "to_male", "--output", tmp_path / "out.mp4"]
    process = start("video", source, *options, preexec_fn=heed_ctrl_c)
    wait_for_part(process, tmp_path)
    process.send_signal(signal.SIGINT)
    said, errors = process.communicate()

    assert (process.returncode, said) == (130, "")
    assert errors.splitlines()[-1] == "stopped; nothing was written; start it again with the same command"
    assert "Traceback" not in errors
    assert os.listdir(tmp_path) == ["in.mp4"]


# ---- webcam


def test_a_camera_that_is_a_file(run: Run, tmp_path: Path) -> None:
    source, target = make_video(tmp_path / "in.mp4", 10), tmp_path / "preview.mp4"
    code, said, errors = run("webcam", "--camera", source, "--output", target)
    assert (code, errors) == (0, "")
    assert said == "10 frames in 0.4 seconds, 10 with a face, written to preview.mp4\n"
    assert times(target) == times(source)
    assert sorted(os.listdir(tmp_path)) == ["in.mp4", "preview.mp4"]


def test_some_seconds_of_it(run: Run, tmp_path: Path) -> None:
    source, target = make_video(tmp_path / "in.mp4", 20), tmp_path / "preview.mp4"
    assert run("webcam", "--camera", source, "--output", target, "--seconds", "0.2")[0] == 0
    assert 5 <= len(pictures(target)) <= 7


@pytest.mark.parametrize(
    ("camera", "says"),
    [
        ("63", "error: there is no camera 63: plug it in, allow its use, or name another with --camera\n"),
        ("none.mp4", "error: camera none.mp4 cannot be opened: plug it in, allow its use, or name another"),
    ],
)
def test_no_camera(run: Run, tmp_path: Path, camera: str, says: str) -> None:
    code, said, errors = run("webcam", "--camera", camera, "--output", tmp_path / "out.mp4")
    assert (code, said) == (1, "")
    assert errors.startswith(says)
    assert not os.listdir(tmp_path)


def test_a_preview_of_another_kind(run: Run, tmp_path: Path) -> None:
    code, _, errors = run("webcam", "--output", tmp_path / "out.gif")
    assert (code, errors) == (1, "error: out.gif cannot be written: end its name in .mp4, .mov or .mkv\n")


def test_ctrl_c_finishes_the_preview(tiny_translation: Path, tmp_path: Path) -> None:
    source = make_video(tmp_path / "in.mp4", 400, sound=None)
    options = ["--translation", tiny_translation, "--direction", "to_male", "--output", tmp_path / "out.mp4"]
    process = start("webcam", "--camera", source, *options, preexec_fn=heed_ctrl_c)
    wait_for_part(process, tmp_path)
    process.send_signal(signal.SIGINT)
    said, errors = process.communicate()

    assert (process.returncode, errors) == (0, "")
    count = int(said.split()[0])
    assert 0 < count < 400
    assert len(pictures(tmp_path / "out.mp4")) == count
    assert sorted(os.listdir(tmp_path)) == ["in.mp4", "out.mp4"]
