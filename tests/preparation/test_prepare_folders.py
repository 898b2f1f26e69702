"""Folders of anything: split by name, never leaking, as they are or as faces; what is dropped is reported."""

import errno
import json
import os
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from cyclegan_core import images
from cyclegan_core.errors import CycleganError
from cyclegan_core.faces.alignment import WIDE_TEMPLATE
from tests import ROOT
from train import prepare
from train.preparation.report import COLUMNS, SIDE, TITLE
from train.preparation.sources import celeba_by_attribute, folders, in_test_split, utkface_by_age

FOLDERS = ("trainA", "trainB", "testA", "testB")


def write(folder: Path, names: list[str], seed: int = 0) -> Path:
    """Small pictures, all of them different."""
    rng = np.random.default_rng(seed)
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        images.save(rng.integers(0, 256, (20, 30, 3), np.uint8), folder / name)
    return folder


@pytest.fixture
def two(tmp_path: Path) -> tuple[Path, Path]:
    a = write(tmp_path / "cats", [f"{i:03d}.jpg" for i in range(60)], seed=1)
    b = write(tmp_path / "dogs", [f"{i:03d}.png" for i in range(40)], seed=2)
    return a, b


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


def test_combinations_of_celeba(tmp_path: Path) -> None:
    names = ["Male", "Eyeglasses", "Young"]
    rows = [(m, g, y) for m in "01" for g in "01" for y in "01"]
    lines = [f"{i:06d}.jpg " + " ".join("1" if v == "1" else "-1" for v in row) for i, row in enumerate(rows)]
    (tmp_path / "list_attr_celeba.txt").write_text("\n".join(["8", " ".join(names), *lines, ""]))

    def labels(attribute: str, against: str | None = None) -> str:
        items = celeba_by_attribute(tmp_path, attribute=attribute, against=against)
        return "".join(item.domain or "." for item in items)

    assert labels("Male") == "BBBBAAAA"
    assert labels("Male,-Eyeglasses") == "BB..AA.."
    assert labels("-Male, Young") == ".A.A.B.B"
    assert labels("Male,Young", "-Male,-Young") == "B.B..A.A"
    assert labels("Young", "Male,-Young") == ".A.ABABA"
    for attribute, against, words in (
        ("Male,Hat", None, "CelebA has no attribute 'Hat'"),
        ("Male,-Male", None, "Male is named twice in Male,-Male; name it once"),
        ("Male", "Young", "a picture can be both Male and Young; name an attribute that tells them apart"),
        ("", None, "CelebA has no attribute ''"),
    ):
        with pytest.raises(CycleganError, match=words):
            labels(attribute, against)


def test_one_sex_of_utkface_by_age(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("20_0_0", "21_1_0", "60_0_0", "61_1_0", "40_1_0"):
        (tmp_path / f"{name}_20170101.jpg").write_bytes(b"")
    items = {i.path.name[:4]: i for i in utkface_by_age(tmp_path, young=(18, 32), old=(55, 80), sex="female")}
    assert {name: item.domain for name, item in items.items() if item.domain} == {"21_1": "A", "61_1": "B"}
    assert items["20_0"].reason == "another sex"
    output = ["--output", str(tmp_path / "out")]
    assert prepare.main(["utkface", str(tmp_path), "--by", "sex", "--sex", "male", *output]) == 1
    assert "--sex goes with --by age" in capsys.readouterr().err


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


def test_a_folder_of_two_folders(tmp_path: Path) -> None:
    write(tmp_path / "A", ["0.jpg"])
    write(tmp_path / "B", ["1.jpg"])
    assert [(item.path.name, item.domain, item.split) for item in folders(tmp_path)] == [
        ("0.jpg", "A", None),
        ("1.jpg", "B", None),
    ]


@pytest.mark.parametrize(("name", "counts"), [("gender", (234, 290)), ("age", (180, 134)), ("anime", (260, 100))])
def test_the_splits_of_the_embedded_weights_are_those_that_are_made(name: str, counts: tuple[int, int]) -> None:
    listed = (ROOT / "train" / "splits" / f"{name}.txt").read_text().split()
    assert tuple(sum(line.startswith(folder) for line in listed) for folder in ("testA/", "testB/")) == counts
    if name != "anime":  # its drawings and selfies are split as published
        assert all(in_test_split(f"{Path(line).stem}.jpg", 0.1, 0) for line in listed)
