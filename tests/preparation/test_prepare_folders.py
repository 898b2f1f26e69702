"""Folders of anything: split by name, never leaking, as they are or as faces; what is dropped is reported."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from cyclegan_core import images
from cyclegan_core.faces.alignment import WIDE_TEMPLATE
from tests import ROOT
from train import prepare
from train.preparation.datasets import folders, in_test_split
from train.preparation.report import COLUMNS, SIDE, TITLE

FOLDERS = ("trainA", "trainB", "testA", "testB")


def write(folder: Path, names: list[str], seed: int = 0) -> Path:
    """Small pictures, all of them different."""
    rng = np.random.default_rng(seed)
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        images.save(rng.integers(0, 256, (20, 30, 3), np.uint8), folder / name)
    return folder


def run(*arguments: object) -> int:
    return prepare.main(["folder", *map(str, arguments)])


def counts(output: Path) -> dict[str, int]:
    counted = json.loads((output / "report.json").read_text())["counts"]
    assert {f: len(list((output / f).iterdir())) for f in FOLDERS} == {f: counted.get(f, 0) for f in FOLDERS}
    return counted


def test_two_folders_are_taken_as_they_are_and_split_by_name(two: tuple[Path, Path], tmp_path: Path) -> None:
    a, b = two
    assert run(a, b, "--test", "0.25", "--output", tmp_path / "out") == 0
    counted = counts(tmp_path / "out")
    assert counted["trainA"] + counted["testA"] == 60
    assert counted["trainB"] + counted["testB"] == 40
    assert 8 <= counted["testA"] <= 22
    tests = sorted(
        f"{folder}/{path.name}" for folder in ("testA", "testB") for path in (tmp_path / "out" / folder).iterdir()
    )
    assert (tmp_path / "out" / "test_split.txt").read_text().split() == tests
    for folder, source in (("trainA", a), ("testA", a), ("trainB", b), ("testB", b)):
        for path in (tmp_path / "out" / folder).iterdir():
            assert path.read_bytes() == (source / path.name).read_bytes()
    # A picture more moves no other one to the other side of the split.
    before = {path.relative_to(tmp_path / "out") for path in (tmp_path / "out").glob("t*/*")}
    write(a, ["another.jpg"], seed=9)
    assert run(a, b, "--test", "0.25", "--output", tmp_path / "out") == 0
    after = {path.relative_to(tmp_path / "out") for path in (tmp_path / "out").glob("t*/*")}
    assert before < after
    assert not (tmp_path / "out" / "crops.json").exists()


def test_a_count_is_met_however_many_are_dropped(two: tuple[Path, Path], tmp_path: Path) -> None:
    a, b = two
    for path in sorted(a.iterdir())[::3]:
        path.write_bytes(b"no picture")
    assert run(a, b, "--test", "12", "--output", tmp_path / "out") == 0
    assert counts(tmp_path / "out") == {
        "dropped: unreadable": 20,
        "testA": 12,
        "testB": 12,
        "trainA": 28,
        "trainB": 28,
    }
    kept = {path: path.stat().st_ino for path in (tmp_path / "out").glob("t*/*")}
    assert run(a, b, "--test", "12", "--output", tmp_path / "out") == 0
    assert {path: path.stat().st_ino for path in (tmp_path / "out").glob("t*/*")} == kept
    assert run(a, b, "--test", "12", "--seed", "1", "--output", tmp_path / "seed1") == 0
    test_a = {path.name for path in (tmp_path / "out" / "testA").iterdir()}
    assert test_a != {path.name for path in (tmp_path / "seed1" / "testA").iterdir()}


@pytest.mark.parametrize("seed", range(4))
def test_small_sets_have_something_to_be_tested_on(seed: int, tmp_path: Path) -> None:
    names = [f"{i}.png" for i in range(30)]
    a, b = write(tmp_path / "a", names[:12], seed=1), write(tmp_path / "b", names[4:], seed=2)
    for path in sorted(b.iterdir())[::2]:  # what is dropped does not count
        path.write_bytes(b"no picture")
    out = tmp_path / "out"
    arguments = (a, b, "--test", "0.001", "--seed", seed, "--output", out)
    assert run(*arguments) == 0
    counted = counts(out)
    assert counted["testA"] >= 3
    assert counted["testB"] >= 3
    assert counted["trainA"] + counted["testA"] == 12
    assert counted["trainB"] + counted["testB"] == 13
    sides = {f: {path.name for path in (out / f).iterdir()} for f in FOLDERS}
    assert not sides["testA"] & sides["trainB"], "pairs leak"
    assert not sides["trainA"] & sides["testB"], "pairs leak"
    kept = {path: path.stat().st_ino for path in out.glob("t*/*")}
    assert run(*arguments) == 0
    assert {path: path.stat().st_ino for path in out.glob("t*/*")} == kept
    assert run(*arguments[:-1], tmp_path / "again") == 0
    assert {path.name for path in (tmp_path / "again" / "testA").iterdir()} == sides["testA"]


def test_the_fewest_tests_are_eight_of_a_larger_set_and_none_of_a_single_picture(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    a = write(tmp_path / "a", [f"{i}.png" for i in range(90)], seed=1)
    b = write(tmp_path / "b", ["lonely.png"], seed=2)
    assert run(a, b, "--test", "0.001", "--output", tmp_path / "out") == 0
    assert counts(tmp_path / "out") == {"testA": 8, "trainA": 82, "trainB": 1}
    assert "testB is empty" in capsys.readouterr().out
    # Of a larger share the single picture is not for testing either, whatever its name is.
    for seed in range(3):
        assert run(a, b, "--test", "0.9", "--seed", seed, "--output", tmp_path / f"{seed}") == 0
        assert counts(tmp_path / f"{seed}")["trainB"] == 1


def test_a_set_that_grows_past_the_fewest_takes_back_what_filled_up(tmp_path: Path) -> None:
    a = write(tmp_path / "a", [f"{i}.png" for i in range(20)], seed=1)
    b = write(tmp_path / "b", [f"{i}.png" for i in range(20)], seed=2)
    out = tmp_path / "out"
    assert run(a, b, "--test", "0.1", "--output", out) == 0
    inodes = {path.stat().st_ino for path in out.glob("t*/*")}
    for folder, seed in ((a, 3), (b, 4)):
        write(folder, [f"{i}.png" for i in range(20, 300)], seed=seed)
    assert run(a, b, "--test", "0.1", "--output", out) == 0
    for domain in "AB":
        tests = {path.name for path in (out / f"test{domain}").iterdir()}
        assert tests == {f"{i}.png" for i in range(300) if in_test_split(f"{i}.png", 0.1, 0)}
    assert inodes < {path.stat().st_ino for path in out.glob("t*/*")}, "moved, not made anew"


def test_a_share_of_nothing_is_said(two: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(*two, "--test", "0", "--output", tmp_path / "none") == 0
    assert counts(tmp_path / "none") == {"trainA": 60, "trainB": 40}
    note = (
        "testA and testB are empty: sample sheets will show training pictures, and train/evaluate.py cannot measure;"
        " prepare more pictures, or with --test 0.1 into another --output"
    )
    assert note in capsys.readouterr().out.splitlines()
    assert json.loads((tmp_path / "none" / "report.json").read_text())["notes"] == [note]
    assert run(*two, "--test", "1", "--output", tmp_path / "one") == 0
    assert "testA and testB hold one picture: train/evaluate.py needs two at least" in capsys.readouterr().out
    assert run(*two, "--output", tmp_path / "some") == 0
    assert "evaluate" not in capsys.readouterr().out
    assert json.loads((tmp_path / "some" / "report.json").read_text())["notes"] == []


def test_pictures_of_one_name_in_many_folders_are_split_by_their_folders(tmp_path: Path) -> None:
    for domain, seed in (("A", 1), ("B", 2)):
        write(tmp_path / "set" / domain, [f"{i}/face.png" for i in range(40)], seed=seed)
    assert run(tmp_path / "set", "--test", "0.3", "--output", tmp_path / "out") == 0
    counted = counts(tmp_path / "out")
    assert counted["testA"] == counted["testB"]
    assert 8 <= counted["testA"] <= 20
    before = {path.read_bytes() for path in (tmp_path / "set" / "A").glob("*/*")}
    assert before == {path.read_bytes() for path in (tmp_path / "out").glob("*A/*")}


def test_names_do_not_depend_on_what_comes_before_them(tmp_path: Path) -> None:
    """Else a file that comes later would take over the crop of another one."""
    a, b = write(tmp_path / "a", ["m.png", "n.png"], seed=1), write(tmp_path / "b", ["x.png", "y.png"], seed=2)
    out = tmp_path / "out"
    assert run(a, b, "--output", out) == 0
    write(a / "earlier", ["m.png"], seed=3)
    assert run(a, b, "--output", out) == 0
    assert sorted(path.read_bytes() for path in out.glob("*A/*")) == sorted(p.read_bytes() for p in a.rglob("*.png"))


def test_a_count_that_leaves_none_for_training_after_drops(
    two: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for path in sorted(two[1].iterdir())[:30]:
        path.write_bytes(b"no picture")
    assert run(*two, "--test", "12", "--output", tmp_path / "out") == 1
    told = capsys.readouterr().err.strip().splitlines()[-1]
    assert told == (
        "error: no picture was left for trainB, as all 10 that can be used are for testing; give a smaller --test"
        " and another --output"
    )


def test_too_large_a_count_is_a_sentence(
    two: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(*two, "--test", "40", "--output", tmp_path / "out") == 1
    assert "error: --test 40 leaves none of the 40 pictures of B for training" in capsys.readouterr().err


def test_the_same_photo_is_never_on_both_sides(two: tuple[Path, Path], tmp_path: Path) -> None:
    a, b = two
    for path in sorted(a.iterdir())[:30]:  # copies by other names, of which the split knows nothing
        (a / f"copy of {path.name}").write_bytes(path.read_bytes())
    (b / "a cat.jpg").write_bytes((a / "000.jpg").read_bytes())
    for test in ("0.5", "20"):
        assert run(a, b, "--test", test, "--output", tmp_path / test) == 0
        contents = [path.read_bytes() for path in (tmp_path / test).glob("t*/*")]
        assert len(contents) == len(set(contents)) == 100
        assert counts(tmp_path / test)["dropped: duplicate"] == 31


def test_pairs_of_one_name_stay_on_one_side(tmp_path: Path) -> None:
    names = [f"{i}.png" for i in range(50)]
    write(tmp_path / "pairs" / "A", names, seed=1)
    write(tmp_path / "pairs" / "B", names, seed=2)
    for test in ("0.3", "15"):
        assert run(tmp_path / "pairs", "--test", test, "--output", tmp_path / test) == 0
        sides = {f: {path.name for path in (tmp_path / test / f).iterdir()} for f in FOLDERS}
        assert sides["testA"] == sides["testB"]


def test_a_folder_with_a_split_of_its_own_keeps_it(tmp_path: Path) -> None:
    for split, number in (("trainA", 5), ("trainB", 4), ("testA", 3), ("valA", 2)):
        write(tmp_path / "set" / split, [f"{i}.jpg" for i in range(number)], seed=number)
    assert run(tmp_path / "set", "--test", "0", "--output", tmp_path / "out") == 0
    # Tests and validation pictures share names, and both are kept.
    assert counts(tmp_path / "out") == {"testA": 5, "trainA": 5, "trainB": 4}


def test_folders_in_folders_and_equal_names(tmp_path: Path) -> None:
    a = write(tmp_path / "a", ["x/0.jpg", "y/0.jpg", "y/deep/0.jpg", "0.jpg", "0.png"], seed=3)
    (a / ".thumbnails").mkdir()
    (a / ".thumbnails" / "0.jpg").write_bytes(b"")
    (a / "notes.txt").write_text("no picture")
    b = write(tmp_path / "b", ["1.jpg"], seed=4)
    assert run(a, b, "--test", "0", "--output", tmp_path / "out") == 0
    assert counts(tmp_path / "out") == {"trainA": 5, "trainB": 1}
    found = {path.read_bytes() for path in (tmp_path / "out" / "trainA").iterdir()}
    assert found == {path.read_bytes() for path in a.rglob("0.*") if ".thumbnails" not in path.parts}


def test_the_report_lists_bad_files_and_shows_what_was_kept(two: tuple[Path, Path], tmp_path: Path) -> None:
    a, b = two
    (a / "bad.jpg").write_bytes(b"\xff\xd8\xff")
    (a / "copy.jpg").write_bytes((a / "000.jpg").read_bytes())
    out = tmp_path / "out"
    assert run(a, b, "--test", "5", "--output", out) == 0
    report = json.loads((out / "report.json").read_text())
    assert report["finished"]
    # Of two copies the one whose name has the smaller hash stays, as pictures are cut in that order.
    assert report["dropped"]["unreadable"] == ["bad.jpg"]
    assert report["dropped"]["duplicate"] in (["copy.jpg"], ["000.jpg"])
    assert str(tmp_path) not in (out / "report.json").read_text()
    sheet = images.load(out / "contact_sheet.jpg")
    rows = 1 + 1 + 3 + 3 + 1 + 1  # testA, testB, trainA, trainB, and the two reasons
    assert sheet.shape[1] == COLUMNS * SIDE
    assert sheet.shape[0] == rows * SIDE + 6 * TITLE


def test_faces_of_any_folder(tmp_path: Path) -> None:
    face = images.load(ROOT / "examples" / "astronaut.jpg")
    for name, picture in (("a", face), ("b", face[:, ::-1])):
        (tmp_path / name).mkdir()
        for i in range(2):
            cv2.imwrite(str(tmp_path / name / f"{i}.jpg"), np.ascontiguousarray(picture[i:, :, ::-1]))
        images.save(np.full((64, 64, 3), (200, 60, 90), np.uint8), tmp_path / name / "nobody.png")
    arguments = (tmp_path / "a", tmp_path / "b", "--faces", "wide", "--size", "64", "--test", "1")
    assert run(*arguments, "--output", tmp_path / "out") == 0
    described = json.loads((tmp_path / "out" / "crops.json").read_text())
    assert described["template"] == [list(point) for point in WIDE_TEMPLATE]
    assert described["counts"]["dropped: no face found"] >= 1
    assert images.load(next((tmp_path / "out" / "trainA").iterdir())).shape == (64, 64, 3)


def test_a_folder_of_two_folders(tmp_path: Path) -> None:
    write(tmp_path / "A", ["0.jpg"])
    write(tmp_path / "B", ["1.jpg"])
    assert [(item.path.name, item.domain, item.split) for item in folders(tmp_path)] == [
        ("0.jpg", "A", None),
        ("1.jpg", "B", None),
    ]
