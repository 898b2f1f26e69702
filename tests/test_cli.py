"""The command line: what is written where, what is said, and the exit codes."""

import errno
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from cyclegan_core import images
from cyclegan_core.cli import main
from cyclegan_core.errors import PictureError

ROOT = Path(__file__).parents[1]

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(
    tiny_translation: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Run:
    """Runs `translate` in this process with the tiny translation; gives the exit code, stdout and stderr."""

    def call(*arguments: object, direction: str = "to_female", name: object = tiny_translation) -> tuple[int, str, str]:
        options = ["--translation", str(name), "--direction", direction]
        code = main(["translate", *options, *map(str, arguments)])
        out, err = capsys.readouterr()
        return code, out, err

    return call


@pytest.fixture(scope="session")
def two_faces(two_faces_picture: Path) -> np.ndarray:
    return cv2.resize(images.load(two_faces_picture), (400, 286), interpolation=cv2.INTER_AREA)


@pytest.fixture(scope="session")
def wall() -> np.ndarray:
    """A picture without a face."""
    return np.random.default_rng(0).integers(100, 140, (80, 120, 3), np.uint8)


def put(picture: np.ndarray, path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    images.save(picture, path)
    return path


def tree(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def contents(folder: Path) -> dict[str, bytes]:
    return {name: (folder / name).read_bytes() for name in tree(folder)}


# ---- what is written


def test_a_folder_with_good_and_bad_files(
    run: Run, tmp_path: Path, face: np.ndarray, two_faces: np.ndarray, wall: np.ndarray
) -> None:
    photos, out = tmp_path / "photos", tmp_path / "out"
    put(face, photos / "one.png")
    put(two_faces, photos / "trip" / "two.JPG")
    put(wall, photos / "trip" / "wall.png")
    (photos / "broken.jpg").write_bytes((photos / "one.png").read_bytes()[:500])
    (photos / "notes.txt").write_text("not a picture, and not asked for")
    (photos / "._one.png").write_bytes(b"what macOS leaves on a memory stick")
    before = contents(photos)

    code, said, errors = run(photos, "--output", out)

    assert code == 1
    assert said == "2 translated, 1 without a face, 1 failed\n"
    assert tree(out) == ["one.png", "trip/two.JPG", "trip/wall.png"]
    broken, no_face = errors.splitlines()
    assert broken.startswith(f"{photos}/broken.jpg: broken.jpg is damaged")
    assert no_face == f"{photos}/trip/wall.png: no face found, the picture is written"
    assert (images.load(out / "trip" / "wall.png") == wall).all()
    changed = (images.load(out / "one.png") != face).any(2)
    assert 0.01 < changed.mean() < 0.5
    assert not changed[0].any()
    assert contents(photos) == before


def test_a_picture_without_a_face_is_no_failure(run: Run, tmp_path: Path, wall: np.ndarray) -> None:
    code, said, _ = run(put(wall, tmp_path / "wall.png"), "--output", tmp_path / "out")

    assert (code, said) == (0, "0 translated, 1 without a face, 0 failed\n")


def test_strength_0_writes_the_same_pixels(run: Run, tmp_path: Path, face: np.ndarray) -> None:
    code, _, _ = run(put(face, tmp_path / "a.png"), "--output", tmp_path / "out", "--strength", "0")

    assert code == 0
    assert (images.load(tmp_path / "out" / "a.png") == face).all()


def test_both_directions_and_the_strength_reach_the_generator(run: Run, tmp_path: Path, face: np.ndarray) -> None:
    source = put(face, tmp_path / "a.png")

    def red(*options: str, direction: str = "to_female") -> float:
        assert run(source, "--output", tmp_path / "out", *options, direction=direction)[0] == 0
        change = images.load(tmp_path / "out" / "a.png").astype(int) - face
        return change[..., 0].mean()

    full = red()
    assert full > 0.3
    assert red("--strength=0.5") == pytest.approx(full / 2, rel=0.1)
    assert red(direction="to_male") < -0.3


def test_crop_only_writes_each_face_alone(
    run: Run, tmp_path: Path, face: np.ndarray, two_faces: np.ndarray, wall: np.ndarray
) -> None:
    photos, out = tmp_path / "photos", tmp_path / "out"
    for picture, name in ((face, "a.jpg"), (face, "a.png"), (two_faces, "trip {0}/b.jpg"), (wall, "walls/c.png")):
        put(picture, photos / name)

    code, said, errors = run(photos, "--output", out, "--crop-only")

    assert (code, said) == (0, "3 translated, 1 without a face, 0 failed\n")
    assert tree(out) == ["a-2_face1.png", "a_face1.png", "trip {0}/b_face1.png", "trip {0}/b_face2.png"]
    assert not (out / "walls").exists()
    assert errors == f"{photos}/walls/c.png: no face found, nothing written\n"
    left, right = (images.load(out / "trip {0}" / f"b_face{number}.png") for number in (1, 2))
    assert left.shape == right.shape == (256, 256, 3)
    assert (left != right).mean() > 0.5


def test_a_format_that_cannot_be_written_becomes_png(run: Run, tmp_path: Path, wall: np.ndarray) -> None:
    from PIL import Image

    Image.fromarray(wall).save(tmp_path / "wall.gif")
    put(wall, tmp_path / "wall.png").rename(tmp_path / "without-suffix")

    code, _, _ = run(tmp_path / "wall.gif", tmp_path / "without-suffix", "--output", tmp_path / "out")

    assert code == 0
    assert tree(tmp_path / "out") == ["wall.png", "without-suffix.png"]


def test_files_of_the_same_name_do_not_overwrite_each_other(run: Run, tmp_path: Path) -> None:
    names = ["a/x.png", "b/x.png", "c/X.PNG", "c/x-2.png"]
    pictures = [np.full((20, 20, 3), 40 * i, np.uint8) for i in range(4)]
    paths = [put(picture, tmp_path / name) for picture, name in zip(pictures, names, strict=True)]

    code, said, _ = run(*paths[:2], tmp_path / "c", "--output", tmp_path / "out")

    assert (code, said) == (0, "0 translated, 4 without a face, 0 failed\n")
    written = [images.load(tmp_path / "out" / name)[0, 0, 0] for name in tree(tmp_path / "out")]
    assert sorted(written) == [0, 40, 80, 120]


def test_a_file_that_is_named_twice_is_translated_once(run: Run, tmp_path: Path, wall: np.ndarray) -> None:
    path = put(wall, tmp_path / "in" / "x.png")
    (tmp_path / "link").symlink_to(tmp_path / "in")

    _, said, _ = run(path, tmp_path / "in", tmp_path / "link" / "x.png", "--output", tmp_path / "out")

    assert said == "0 translated, 1 without a face, 0 failed\n"
    assert tree(tmp_path / "out") == ["x.png"]


def test_a_second_run_overwrites_the_results_of_the_first(run: Run, tmp_path: Path, face: np.ndarray) -> None:
    source, result = put(face, tmp_path / "a.png"), tmp_path / "out" / "a.png"
    run(source, "--output", tmp_path / "out")
    first = images.load(result)
    code, _, _ = run(source, "--output", tmp_path / "out", direction="to_male")

    assert code == 0
    assert tree(tmp_path / "out") == ["a.png"]
    assert (images.load(result) != first).any()


# ---- never an input


def spellings(tmp_path: Path) -> Iterator[tuple[str, Path, Path]]:
    """Ways to name an input so that the result would lie where the input does: what, the input, the output folder."""
    photos, trip = tmp_path / "photos", tmp_path / "photos" / "trip"
    (tmp_path / "link").symlink_to(photos)
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "x.png").symlink_to(photos / "x.png")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "trip").symlink_to(trip)
    yield "a file's own folder", photos / "x.png", photos
    yield "a folder itself", photos, photos
    yield "another spelling", photos / "x.png", trip / ".." / "." / ".." / "photos"
    yield "a link to the folder", photos / "x.png", tmp_path / "link"
    yield "a folder through its link", tmp_path / "link", photos
    yield "the folder of what a file links to", tmp_path / "elsewhere" / "x.png", photos
    yield "a sub-folder that is an input as well", photos, trip
    yield "a sub-folder of the output that leads back", photos, tmp_path / "out"


@pytest.mark.parametrize("mode", [[], ["--crop-only"]], ids=["whole", "crops"])
def test_an_input_is_never_overwritten(run: Run, tmp_path: Path, wall: np.ndarray, mode: list[str]) -> None:
    for name in ("x.png", "trip/x.png"):
        put(wall, tmp_path / "photos" / name)
    before = contents(tmp_path / "photos")

    for what, given, output in spellings(tmp_path):
        code, said, errors = run(given, "--output", output, *mode)
        assert (code, said) == (1, ""), what
        assert errors.endswith("an input is never overwritten; choose another folder for --output\n"), what
        assert errors.count("\n") == 1, what
    assert contents(tmp_path / "photos") == before


# ---- what is wrong with the arguments


def test_an_unknown_direction(run: Run, tmp_path: Path, wall: np.ndarray) -> None:
    code, said, errors = run(put(wall, tmp_path / "x.png"), "--output", tmp_path / "out", direction="sideways")

    assert (code, said) == (1, "")
    assert errors == "error: tiny has no direction 'sideways': it goes to_female or to_male\n"
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


@pytest.mark.parametrize("strength", ["1.01", "-0.1", "nan", "inf", "strong", ""])
def test_a_strength_outside_0_to_1(strength: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["translate", "x.png", "--direction", "to_female", "--output", "out", f"--strength={strength}"])

    assert stopped.value.code == 2
    assert f"argument --strength: must be a number from 0 to 1, not '{strength}'" in capsys.readouterr().err


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
    code, said, errors = run(*paths, "--output", tmp_path / "out")

    assert (code, said) == (1, "0 translated, 0 without a face, 2 failed\n")
    assert all("the disk is full" in line for line in errors.splitlines())
    assert contents(tmp_path / "out") == {"a.png": earlier}


def test_a_fault_in_one_picture_does_not_cost_the_others(
    run: Run, tmp_path: Path, wall: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("a.png", "b.png", "c.png"):
        put(wall, tmp_path / "in" / name)
    real = images.load
    faults = {"a.png": cv2.error("(-215:Assertion failed)"), "b.png": PictureError("b.png is odd")}

    def load(path: Path) -> np.ndarray:
        if path.name in faults:
            raise faults[path.name]
        return real(path)

    monkeypatch.setattr(images, "load", load)
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
    code, said, errors = run(source, "--output", tmp_path / "out")

    assert code == 0
    assert "1/1" in errors
    assert f"{source}: no face found, the picture is written\n" in errors
    assert said == "0 translated, 1 without a face, 0 failed\n"
