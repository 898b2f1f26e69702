"""`translate` with animations: all of their frames are translated, in the time and the format that they have."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cyclegan_core import images
from tests.support.command_line import Run, put, tree


def animated(frames: list[np.ndarray], path: Path) -> Path:
    first, *others = [Image.fromarray(frame) for frame in frames]
    first.save(path, save_all=True, append_images=others, duration=80, loop=0)
    return path


@pytest.mark.parametrize(
    ("name", "result"), [("wave.gif", "wave.webp"), ("wave.webp", "wave.webp"), ("w.png", "w.png")]
)
def test_every_frame_of_an_animation_is_translated(
    run: Run, tmp_path: Path, face: np.ndarray, name: str, result: str
) -> None:
    dark = (face * 0.1).astype(np.uint8)  # as an animation that fades in begins
    source = animated([dark, face, face[:, ::-1]], tmp_path / name)
    code, said, errors = run(source, "--output", tmp_path / "out")
    assert (code, said, errors) == (0, "1 translated, 0 without a face, 0 failed\n", "")
    assert tree(tmp_path / "out") == [result]
    before, after = images.load_animation(source), images.load_animation(tmp_path / "out" / result)
    assert before is not None
    assert after is not None
    assert after.frames == 3
    changes = [
        np.abs(old.picture.pixels.astype(int) - new.picture.pixels).mean()
        for old, new in zip(before.read(), after.read(), strict=True)
    ]
    assert min(changes[1:]) > 0.5
    assert "AI-altered" in images_text(tmp_path / "out" / result)


def images_text(path: Path) -> str:
    return path.read_bytes().decode("latin-1")


def test_an_animation_without_a_face_is_written_as_it_is(run: Run, tmp_path: Path, wall: np.ndarray) -> None:
    source = animated([wall, 255 - wall], tmp_path / "wall.png")
    code, said, _ = run(source, "--output", tmp_path / "out")
    assert (code, said) == (0, "0 translated, 1 without a face, 0 failed\n")
    after = images.load_animation(tmp_path / "out" / "wall.png")
    assert after is not None
    first, second = after.read()
    np.testing.assert_array_equal(first.picture.pixels, wall)
    np.testing.assert_array_equal(second.picture.pixels, 255 - wall)
    assert "AI-altered" not in images_text(tmp_path / "out" / "wall.png")


def test_faces_alone_are_those_of_one_frame(run: Run, tmp_path: Path, face: np.ndarray) -> None:
    source = animated([np.zeros_like(face), face], tmp_path / "wave.gif")
    code, said, errors = run(source, "--output", tmp_path / "out", "--crop-only")
    assert (code, said) == (0, "1 translated, 0 without a face, 0 failed\n")
    assert "wave.gif is an animation of 2 frames: frame 2 is used." in errors
    assert tree(tmp_path / "out") == ["wave_face1.png"]


def test_an_animation_under_the_name_of_a_still_is_one_frame(run: Run, tmp_path: Path, face: np.ndarray) -> None:
    source = animated([np.zeros_like(face), face], tmp_path / "wave.gif").rename(tmp_path / "wave.jpg")
    code, said, errors = run(source, "--output", tmp_path / "out")
    assert (code, said) == (0, "1 translated, 0 without a face, 0 failed\n")
    assert "wave.jpg is an animation of 2 frames: frame 2 is used." in errors
    assert tree(tmp_path / "out") == ["wave.jpg"]


def test_a_still_gif(run: Run, tmp_path: Path, wall: np.ndarray) -> None:
    Image.fromarray(wall).save(tmp_path / "still.gif")
    put(wall, tmp_path / "other.png")
    assert run(tmp_path / "still.gif", "--output", tmp_path / "out")[0] == 0
    assert images.load(tmp_path / "out" / "still.webp").shape == wall.shape
