"""The command line: what is written where, and what is said."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from cyclegan_core import images
from cyclegan_core.faces import detector_weights
from tests.support.command_line import Run, contents, put, tree

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


@pytest.mark.medium
def test_both_directions_and_the_strength_reach_the_generator(run: Run, tmp_path: Path, face: np.ndarray) -> None:
    source = put(face, tmp_path / "a.png")

    def red(*options: str, direction: str = "to_female") -> float:
        assert run(source, "--output", tmp_path / "out", "--overwrite", *options, direction=direction)[0] == 0
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
    behind = ["trip {0}/b_face3.png"] if detector_weights.find() else []  # RetinaFace finds somebody behind the two
    assert tree(out) == ["a-2_face1.png", "a_face1.png", "trip {0}/b_face1.png", "trip {0}/b_face2.png", *behind]
    assert not (out / "walls").exists()
    assert errors == f"{photos}/walls/c.png: no face found, nothing written\n"
    left, right = (images.load(out / "trip {0}" / f"b_face{number}.png") for number in (1, 2))
    assert left.shape == right.shape == (256, 256, 3)
    assert (left != right).mean() > 0.5


def test_a_format_that_cannot_be_written_becomes_another(run: Run, tmp_path: Path, wall: np.ndarray) -> None:
    from PIL import Image

    Image.fromarray(wall).save(tmp_path / "wall.gif")
    put(wall, tmp_path / "wall.png").rename(tmp_path / "without-suffix")

    code, _, _ = run(tmp_path / "wall.gif", tmp_path / "without-suffix", "--output", tmp_path / "out")

    assert code == 0
    assert tree(tmp_path / "out") == ["wall.webp", "without-suffix.png"]


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


@pytest.mark.medium
def test_a_second_run_with_overwrite_replaces_the_results(run: Run, tmp_path: Path, face: np.ndarray) -> None:
    source, result = put(face, tmp_path / "a.png"), tmp_path / "out" / "a.png"
    run(source, "--output", tmp_path / "out")
    first = images.load(result)
    code, _, errors = run(source, "--output", tmp_path / "out", "--overwrite", direction="to_male")

    assert (code, errors) == (0, "")
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


@pytest.mark.medium
def test_a_chain_of_directions_and_what_the_file_says_of_it(run: Run, tmp_path: Path, face: np.ndarray) -> None:
    source = put(face, tmp_path / "in" / "a.png")
    results = {}
    for direction in ("to_female", "to_female+to_male"):
        code, _, _ = run(source, "--output", tmp_path / direction, direction=direction)
        assert code == 0
        results[direction] = images.load(tmp_path / direction / "a.png").astype(int)
        content = (tmp_path / direction / "a.png").read_bytes()
        assert f"AI-altered ({direction.replace('to_', 'tiny: to ').replace('+', ', ')})".encode() in content
    assert np.abs(results["to_female"] - results["to_female+to_male"]).max() > 10


def test_what_was_not_altered_does_not_say_so(run: Run, tmp_path: Path, face: np.ndarray, wall: np.ndarray) -> None:
    run(put(wall, tmp_path / "in" / "wall.jpg"), "--output", tmp_path / "out")
    run(put(face, tmp_path / "in" / "face.jpg"), "--output", tmp_path / "out", "--strength", "0")
    assert len(contents(tmp_path / "out")) == 2
    assert not any(b"AI-altered" in content for content in contents(tmp_path / "out").values())
