"""The scripts of examples/, run as people run them, and the curl commands that one of them explains."""

import re
import runpy
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from cyclegan_core import images
from tests import ROOT
from tests.support.serving import ServedPage, page, whole_picture

__all__ = ["page"]

EXAMPLES = ROOT / "examples"
PORTRAIT = EXAMPLES / "astronaut.jpg"
LIMIT = 180.0  # seconds; a machine may have other work


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    """Runs a script and returns what it prints, or its last words where it fails."""

    def run(script: str, *arguments: object, fails: bool = False) -> str:
        monkeypatch.setattr(sys, "argv", [script, *map(str, arguments)])
        monkeypatch.setattr(sys, "path", [*sys.path])
        if not fails:
            runpy.run_path(str(EXAMPLES / f"{script}.py"), run_name="__main__")
            return capsys.readouterr().out
        with pytest.raises(SystemExit) as ended:
            runpy.run_path(str(EXAMPLES / f"{script}.py"), run_name="__main__")
        return str(ended.value.code)

    return run


def assert_translated(result: Path, marked: str, before: Path = PORTRAIT) -> None:
    after, original = images.load(result), images.load(before)
    assert after.shape == original.shape
    assert np.abs(after.astype(int) - original).max() > 30
    assert f"AI-altered ({marked}".encode() in result.read_bytes()


def test_one_photo(tmp_path: Path) -> None:
    script = map(str, [EXAMPLES / "one_photo.py", PORTRAIT, tmp_path / "out.png", "--direction", "to_male"])
    done = subprocess.run([sys.executable, *script], cwd=tmp_path, capture_output=True, text=True, timeout=LIMIT)
    assert done.stdout.startswith("face 1 at "), done.stderr
    assert_translated(tmp_path / "out.png", "gender: to_male)")


def test_one_photo_that_is_not_there(run: Callable[..., str], tmp_path: Path) -> None:
    assert "there is no such file" in run("one_photo", tmp_path / "no.jpg", tmp_path / "out.png", fails=True)


@pytest.mark.medium
def test_a_folder(run: Callable[..., str], tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    shutil.copy(PORTRAIT, tmp_path / "in" / "b.jpg")
    (tmp_path / "in" / "a.jpg").write_bytes(PORTRAIT.read_bytes()[:5000])
    images.save(np.full((60, 80, 3), 200, np.uint8), tmp_path / "in" / "c.png")
    said = run("a_folder", tmp_path / "in", tmp_path / "out", "--direction", "to_male+to_male")
    bad, good, empty = said.splitlines()
    assert "damaged" in bad
    assert good == "b.jpg: 1 face"
    assert "no face" in empty
    assert_translated(tmp_path / "out" / "b.jpg", "gender: to male)")
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["b.jpg", "c.png"]


@pytest.mark.medium
def test_a_video(run: Callable[..., str], tmp_path: Path) -> None:
    av = pytest.importorskip("av")
    picture = images.load(PORTRAIT)[:416, :416]
    with av.open(str(tmp_path / "in.mp4"), "w") as video:
        stream = video.add_stream("mpeg4", rate=5)
        stream.width, stream.height, stream.pix_fmt = 416, 416, "yuv420p"
        for _ in range(3):
            video.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        video.mux(stream.encode())
    said = run("a_video", tmp_path / "in.mp4", tmp_path / "out.mp4", "--direction", "to_male")
    assert "3 frames, 3 of them with faces, without sound" in said
    with av.open(str(tmp_path / "out.mp4")) as video:
        assert len([*video.decode(video=0)]) == 3


@pytest.mark.medium
def test_custom_translation_after_another(run: Callable[..., str], tmp_path: Path, tiny_translation: Path) -> None:
    direction = ("--direction", "gender:to_male+custom:to_male")
    said = run("custom_translation", tiny_translation, PORTRAIT, tmp_path / "out.jpg", *direction)
    assert said.splitlines() == ["folder tiny: to_female and to_male; data: unknown", "1 face"]
    assert_translated(tmp_path / "out.jpg", "gender: to male, custom: to male)")


@pytest.mark.medium
def test_watercolour(run: Callable[..., str], tmp_path: Path) -> None:
    said = run("watercolour", "--output", tmp_path / "out", "--parts", 20, "--minutes", 0.05)
    assert said.splitlines()[-1] == f"Look at {tmp_path / 'out' / 'sheet.png'}"
    assert all(len(list((tmp_path / "out" / "parts" / f"train{domain}").iterdir())) == 20 for domain in "AB")
    assert images.load(tmp_path / "out" / "sheet.png").shape == (840, 5 * 420, 3)
    painted = runpy.run_path(str(EXAMPLES / "watercolour.py"))["painted"]
    photo = images.load(PORTRAIT)[:200, :200]
    once, again = (painted(photo, np.random.default_rng(3)) for _ in range(2))
    assert (once == again).all(), "drawn by a seed"
    assert once[80:100, 80:100].std() < once.std()


@pytest.mark.medium
def test_custom_translation_of_whole_pictures(run: Callable[..., str], tmp_path: Path, tiny_translation: Path) -> None:
    run("custom_translation", whole_picture(tiny_translation, tmp_path), PORTRAIT, tmp_path / "out.jpg")
    assert_translated(tmp_path / "out.jpg", "custom: to stripes)")


def test_call_the_api(run: Callable[..., str], page: ServedPage, tmp_path: Path) -> None:
    said = run("call_the_api", PORTRAIT, tmp_path / "out.jpg", "--page", page.address, "--direction", "to_male")
    assert "gender:to_female, gender:to_male" in said
    assert "1 face, 1 translated" in said
    assert_translated(tmp_path / "out.jpg", "gender: to male)")
    wrong = ("--page", page.address, "--direction", "to_dog")
    said = run("call_the_api", PORTRAIT, tmp_path / "out.jpg", *wrong, fails=True)
    assert "there is no direction 'to_dog'" in said


@pytest.mark.skipif(not shutil.which("curl"), reason="needs curl")
def test_the_curl_commands(page: ServedPage, tmp_path: Path) -> None:
    source = (EXAMPLES / "call_the_api.py").read_text()
    lines = re.findall(r"^    ((?:[A-Z]+=|curl ).*)$", source.partition('"""\n\nimport')[0], re.MULTILINE)
    assert len(lines) == 6
    lines[0] = f"PAGE={page.address}"
    shutil.copy(PORTRAIT, tmp_path / "photo.jpg")
    subprocess.run(["sh", "-euc", "\n".join(lines)], cwd=tmp_path, check=True, timeout=LIMIT)
    assert_translated(tmp_path / "translated.jpg", "gender: to female)")


def test_every_script_is_short_and_explains_itself() -> None:
    for name in ("one_photo", "a_folder", "a_video", "call_the_api", "custom_translation"):
        source = (EXAMPLES / f"{name}.py").read_text()
        assert len(source.splitlines()) < 60, name
        assert "ArgumentParser(description=__doc__" in source
