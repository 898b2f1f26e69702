"""`translate` with folders as people have them: nested, linked, changed between two runs, with the results inside."""

import os
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cyclegan_core import images
from tests.support.command_line import Run, contents, put, tree


@pytest.mark.medium
def test_a_second_run_translates_only_what_is_missing_or_older(run: Run, tmp_path: Path, wall: np.ndarray) -> None:
    photos, out = tmp_path / "photos", tmp_path / "out"
    for name in ("a.png", "b.png", "c.png"):
        put(wall, photos / name)
    run(photos, "--output", out)
    before = contents(out)
    (out / "b.png").unlink()
    put(255 - wall, photos / "c.png")

    code, said, errors = run(photos, "--output", out)

    assert (code, said) == (0, "0 translated, 2 without a face, 0 failed\n")
    assert errors.splitlines()[0] == (f"1 skipped: {out} has their results already; --overwrite translates them anew")
    after = contents(out)
    assert after["a.png"] == before["a.png"]
    assert after["b.png"] == before["b.png"]
    assert (images.load(out / "c.png") == 255 - wall).all()

    assert run(photos, "--output", out)[:2] == (0, "0 translated, 0 without a face, 0 failed\n")
    assert run(photos, "--output", out, "--overwrite")[1] == "0 translated, 3 without a face, 0 failed\n"


def test_crops_are_skipped_only_when_all_are_there(
    run: Run, tmp_path: Path, two_faces: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, out = put(two_faces, tmp_path / "x.png"), tmp_path / "out"
    real = images.save
    written: list[Path] = []

    def interrupted(picture: np.ndarray, path: Path, **options: str) -> None:
        if written:
            raise KeyboardInterrupt
        written.append(path)
        real(picture, path, made_by=options["made_by"])

    monkeypatch.setattr(images, "save", interrupted)
    code, _, errors = run(source, "--output", out, "--crop-only")
    assert code == 130
    assert errors.startswith("stopped; the pictures written so far are complete")
    monkeypatch.undo()
    assert run(source, "--output", out, "--crop-only")[1].startswith("1 translated")
    assert {"x_face1.png", "x_face2.png"} <= set(tree(out))
    assert "1 skipped" in run(source, "--output", out, "--crop-only")[2]


def test_results_within_the_input_are_not_translated_again(run: Run, tmp_path: Path, wall: np.ndarray) -> None:
    photos, out = tmp_path / "photos", tmp_path / "photos" / "translated"
    put(wall, photos / "a.png")
    put(wall, photos / "trip" / "b.png")
    for expected in (2, 0, 2):
        options = ["--overwrite"] if expected else []
        code, said, _ = run(photos, "--output", out, *options)
        assert (code, said) == (0, f"0 translated, {expected} without a face, 0 failed\n")
        assert [name for name in tree(out) if not name.startswith(".")] == ["a.png", "trip/b.png"]


def test_equal_stems_and_nested_folders(run: Run, tmp_path: Path, wall: np.ndarray) -> None:
    photos, out = tmp_path / "photos", tmp_path / "out"
    names = ["a.jpg", "a.png", "deep/er/a.jpg", "deep/a.webp"]
    for name in names:
        put(wall, photos / name)
    for name in (".hidden.png", ".thumbnails/a.png"):
        put(wall, photos / name)

    assert run(photos, "--output", out)[:2] == (0, "0 translated, 4 without a face, 0 failed\n")
    assert tree(out) == sorted(names)


def test_links_that_go_round_in_circles(run: Run, tmp_path: Path, wall: np.ndarray) -> None:
    photos, out = tmp_path / "photos", tmp_path / "out"
    put(wall, photos / "a.png")
    (photos / "again").symlink_to(photos)
    (photos / "itself.png").symlink_to(photos / "itself.png")

    code, said, errors = run(photos, "--output", out)

    assert (code, said) == (1, "0 translated, 1 without a face, 1 failed\n")
    assert f"{photos}/itself.png: itself.png cannot be read" in errors
    assert tree(out) == ["a.png"]


def test_a_file_that_vanishes_before_its_turn(
    run: Run, tmp_path: Path, wall: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    photos = tmp_path / "photos"
    for name in ("a.png", "b.png", "c.png"):
        put(wall, photos / name)
    real = images.load_picture

    def load(path: Path, **options: Any) -> images.Picture:
        (photos / "b.png").unlink(missing_ok=True)
        return real(path, **options)

    monkeypatch.setattr(images, "load_picture", load)
    code, said, errors = run(photos, "--output", tmp_path / "out")

    assert (code, said) == (1, "0 translated, 2 without a face, 1 failed\n")
    assert "b.png cannot be read: there is no such file or folder" in errors


@pytest.mark.medium
def test_ten_thousand_files_in_little_memory(run: Run, tmp_path: Path) -> None:
    """Names are held, and no contents: a few kilobytes a file."""
    photos = tmp_path / "photos"
    photos.mkdir()
    for number in range(10_000):
        (photos / f"{number:05}.png").touch()

    def most_memory(source: Path, failed: int) -> int:
        tracemalloc.start()
        code, said, _ = run(source, "--output", tmp_path / "out")
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert (code, said) == (1, f"0 translated, 0 without a face, {failed} failed\n")
        return most

    one = most_memory(photos / "00000.png", 1)
    assert most_memory(photos, 10_000) - one < 40 * 2**20


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_an_output_that_may_not_be_written(run: Run, tmp_path: Path, wall: np.ndarray) -> None:
    out = tmp_path / "out"
    out.mkdir(mode=0o500)
    code, said, errors = run(put(wall, tmp_path / "x.png"), "--output", out)
    assert (code, said) == (1, "")
    assert errors == f"error: {out} cannot be the output folder: Permission denied; choose another for --output\n"


def test_transparency_is_kept_and_what_is_wrong_with_a_file_is_said(run: Run, tmp_path: Path, wall: np.ndarray) -> None:
    alpha = np.full(wall.shape[:2], 255, np.uint8)
    alpha[:9] = 0
    (tmp_path / "in").mkdir()
    images.save(wall, tmp_path / "in" / "cutout.webp", alpha=alpha)
    cut = put(wall, tmp_path / "in" / "cut.jpg")
    cut.write_bytes(cut.read_bytes()[:-2])
    code, _, errors = run(tmp_path / "in", "--output", tmp_path / "out")
    assert code == 0
    assert "cut.jpg" in errors
    assert "end" in errors
    kept = images.load_picture(tmp_path / "out" / "cutout.webp").alpha
    assert kept is not None
    np.testing.assert_array_equal(kept, alpha)
