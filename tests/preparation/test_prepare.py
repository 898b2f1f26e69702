"""From a published face set to aligned crops with a split that never leaks."""

import itertools
import json
from collections import Counter
from pathlib import Path

import cv2
import numpy as np
import pytest

from cyclegan_core import images
from cyclegan_core.errors import CycleganError
from cyclegan_core.faces.alignment import HEAD_ASPECT, HEAD_TEMPLATE
from cyclegan_core.faces.detection import find_detector
from tests import ROOT
from train import prepare
from train.preparation.cutting import Window, cut, cut_drawing
from train.preparation.datasets import (
    celeba_by_attribute,
    in_test_split,
    matched,
    selfie2anime,
    splits,
    utkface_by_age,
    utkface_by_sex,
    utkface_evenly,
)

EXAMPLES = ROOT / "examples"


@pytest.fixture(scope="module")
def face() -> np.ndarray:
    return images.load(EXAMPLES / "astronaut.jpg")


@pytest.fixture
def utkface(tmp_path: Path, face: np.ndarray) -> Path:
    """A set in UTKFace's naming: good faces of both sexes, and one of everything that is dropped."""
    folder = tmp_path / "utkface"
    folder.mkdir()
    grey = cv2.cvtColor(cv2.cvtColor(face, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)
    pictures = {
        "30_0_0_20170101000000001": face,
        "41_1_2_20170101000000002": face[:, ::-1],
        "5_1_0_20170101000000003": face[:-8],
        "33_0_1_20170101000000004": grey,
        "34_1_1_20170101000000005": cv2.GaussianBlur(face, (0, 0), 4),
        "35_0_1_20170101000000006": np.full((200, 200, 3), (200, 60, 90), np.uint8),
        "36_1_1_20170101000000007": face,
    }
    for name, picture in pictures.items():
        cv2.imwrite(str(folder / f"{name}.jpg.chip.jpg"), np.ascontiguousarray(picture)[..., ::-1])
    (folder / "37_1_1_20170101000000008.jpg.chip.jpg").write_bytes(b"not a picture")
    (folder / "61_1_20170109150557335.jpg").write_bytes(b"")  # a name that lacks the race, as a few of the set do
    return folder


@pytest.mark.medium
def test_a_set_becomes_aligned_crops_and_a_report(
    utkface: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "crops"
    arguments = ["utkface", str(utkface), "--output", str(output), "--size", "96", "--test", "0"]
    assert prepare.main(arguments) == 0
    described = json.loads((output / "crops.json").read_text())
    assert described["counts"] == {
        "dropped: age out of range": 1,
        "dropped: blurred": 1,
        "dropped: duplicate": 1,
        "dropped: grey": 1,
        "dropped: no face found": 1,
        "dropped: unreadable": 1,
        "trainA": 1,
        "trainB": 1,
    }
    crops = [images.load(next((output / f"train{d}").iterdir())) for d in "AB"]
    assert all(crop.shape == (96, 96, 3) for crop in crops)
    # Aligned: the face and its mirror image show the same once one of them is mirrored back.
    assert np.abs(crops[0].astype(int) - crops[1][:, ::-1]).mean() < 16
    assert "no face found" in capsys.readouterr().out
    kept = {path: path.stat().st_mtime_ns for path in output.glob("*/*.png")}
    assert prepare.main(arguments) == 0
    assert {path: path.stat().st_mtime_ns for path in output.glob("*/*.png")} == kept


def test_the_split_depends_on_the_name_and_the_seed_alone() -> None:
    names = [f"{i}.jpg" for i in range(4000)]
    chosen = {name for name in names if in_test_split(name, 0.1, 0)}
    assert 320 < len(chosen) < 480
    assert chosen == {name for name in reversed(names) if in_test_split(name, 0.1, 0)}
    assert chosen != {name for name in names if in_test_split(name, 0.1, 1)}
    # A larger share keeps what was kept for testing before.
    assert chosen < {name for name in names if in_test_split(name, 0.2, 0)}


def test_utkface_by_sex_and_by_age(utkface: Path) -> None:
    by_sex = {item.path.name[:4]: item.domain for item in utkface_by_sex(utkface, ages=(18, 116))}
    assert by_sex["30_0"] == "A"
    assert by_sex["41_1"] == "B"
    assert by_sex["5_1_"] is None
    by_age = {item.path.name[:2]: item.domain for item in utkface_by_age(utkface, young=(18, 32), old=(36, 80))}
    assert (by_age["30"], by_age["41"], by_age["33"]) == ("A", "B", None)


def test_nobody_of_celeba_is_on_both_sides_of_the_split(tmp_path: Path) -> None:
    files = [f"{number:06d}.jpg" for number in range(400)]
    rows = "".join(f"{file} {1 if number % 2 else -1}\n" for number, file in enumerate(files))
    (tmp_path / "list_attr_celeba.txt").write_text(f"400\nMale\n{rows}")
    alone = {item.path.name: item.key for item in celeba_by_attribute(tmp_path, attribute="Male")}
    assert alone == {file: file for file in files}
    (tmp_path / "identity_CelebA.txt").write_text(
        "".join(f"{file} {number // 4}\n" for number, file in enumerate(files))
    )
    items = list(celeba_by_attribute(tmp_path, attribute="Male"))
    sides = dict(zip((item.path.name for item in items), splits(items, 0.2, seed=0), strict=True))
    people = [{sides[file] for file in files[first : first + 4]} for first in range(0, 400, 4)]
    assert all(len(person) == 1 for person in people)
    assert 8 < sum(person == {"test"} for person in people) < 35
    (tmp_path / "identity_CelebA.txt").write_bytes(b"\xff\xfe")
    with pytest.raises(CycleganError, match=r"identity_CelebA.txt cannot be read; mend it"):
        list(celeba_by_attribute(tmp_path, attribute="Male"))


def test_celeba_by_attribute(tmp_path: Path) -> None:
    (tmp_path / "list_attr_celeba.txt").write_text("2\nMale Young\n000001.jpg  1 -1\n000002.jpg -1  1\n000003.jpg 1\n")
    items = list(celeba_by_attribute(tmp_path, attribute="Male"))
    assert [item.domain for item in items] == ["A", "B", None]
    with pytest.raises(CycleganError, match="no attribute 'Hat'; it has Male, Young"):
        list(celeba_by_attribute(tmp_path, attribute="Hat"))


def test_selfie2anime_keeps_its_own_split_and_cuts_drawings_where_their_faces_are(
    tmp_path: Path, face: np.ndarray
) -> None:
    drawing = np.zeros((256, 320, 3), np.uint8)
    drawing[:, 32:-32] = (250, 180, 60)  # no detector finds a face in this, and only its middle square is wanted
    drawing[:14], drawing[-10:] = (20, 20, 200), (20, 20, 200)  # above and below the part that is cut out
    for split in ("trainA", "trainB", "testA", "testB"):
        (tmp_path / "set" / split).mkdir(parents=True)
        picture = face if split.endswith("A") else drawing
        shade = 0.9 if split.startswith("test") else 1.0  # the same picture on both sides would be dropped
        cv2.imwrite(str(tmp_path / "set" / split / "0.jpg"), (picture[..., ::-1] * shade).astype(np.uint8))
    celeba = tmp_path / "celeba"
    (celeba / "img_align_celeba").mkdir(parents=True)
    (celeba / "list_attr_celeba.txt").write_text("2\nMale\n000001.jpg 1\n000002.jpg -1\n")
    for name in ("000001", "000002"):
        cv2.imwrite(str(celeba / "img_align_celeba" / f"{name}.jpg"), np.ascontiguousarray(face[:, ::-1, ::-1]))
    out = tmp_path / "out"
    arguments = [
        "selfie2anime",
        str(tmp_path / "set"),
        "--celeba",
        str(celeba),
        "--attributes",
        "Male",
        "--output",
        str(out),
        "--size",
        "64",
    ]
    assert prepare.main([*arguments, "--test", "0"]) == 0
    described = json.loads((out / "crops.json").read_text())
    assert described["counts"] == {"testA": 1, "testB": 1, "trainA": 2, "trainB": 1}
    assert described["template"] == [list(point) for point in HEAD_TEMPLATE]
    assert described["aspect"] == HEAD_ASPECT
    assert described["matte"]
    assert np.abs(images.load(out / "trainB" / "0.png").astype(int) - (250, 180, 60)).max() < 8
    (wide,) = (images.load(path) for path in (out / "testA").iterdir())
    tight, _ = cut(face, find_detector(), 64)
    assert tight is not None
    assert np.abs(wide.astype(int) - tight).mean() > 20, "another piece of the photo"


@pytest.mark.parametrize("source", ["utkface", "celeba", "selfie2anime"])
def test_a_folder_that_is_no_such_set_is_a_sentence(
    source: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert prepare.main([source, str(tmp_path / "nothing"), "--output", str(tmp_path / "out")]) == 1
    error = capsys.readouterr().err
    assert error.startswith("error: nothing holds no")
    assert error.count("\n") == 1


@pytest.mark.parametrize("arguments", [["--ages", "30-20"], ["--ages", "old"], ["--test", "1.5"], ["--test", "some"]])
def test_senseless_arguments_are_refused(arguments: list[str], tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="2"):
        prepare.main(["utkface", str(tmp_path), "--output", str(tmp_path), *arguments])


def test_a_drawing_is_cut_where_selfie2anime_has_its_faces() -> None:
    """A square of 0.86 of the side around (0.50, 0.507): of 100 pixels the columns 7 to 92 and the rows 8 to 93."""
    rows, columns = np.mgrid[:100, :100].astype(np.uint8)
    made = cut_drawing(np.stack([rows, columns, rows], axis=2), 86)
    assert (made[0, 0, :2].tolist(), made[-1, -1, :2].tolist()) == ([8, 7], [93, 92])
    assert cut_drawing(np.zeros((300, 200, 3), np.uint8), 64).shape == (64, 64, 3)


def test_the_people_of_utkface_are_taken_evenly_and_split_like_all(tmp_path: Path) -> None:
    for age in range(18, 30):
        for sex, ancestry, number in itertools.product((0, 1), (0, 1), range(20)):
            (tmp_path / f"{age}_{sex}_{ancestry}_{number}.jpg").touch()
    (tmp_path / "70_0_0_1.jpg").touch()
    taken = list(utkface_evenly(tmp_path, each=50, seed=0))
    groups = Counter(item.stratum for item in taken)
    assert sorted(groups.values()) == [1, 50, 50, 50, 50]
    assert {item.domain for item in taken} == {"A"}
    tests = sum(in_test_split(item.key, 0.1, 0) for item in taken)
    assert 10 <= tests <= 32, "a tenth of 201, and not those that the choice by a hash began with"


def test_the_people_of_celeba_are_those_of_the_attributes(tmp_path: Path) -> None:
    for split in ("trainA", "trainB", "testA", "testB"):
        (tmp_path / split).mkdir()
        (tmp_path / split / "0.jpg").touch()
    rows = {"1.jpg": "1 1", "2.jpg": "1 -1", "3.jpg": "-1 1", "4.jpg": "-1 -1"}
    listing = "".join(f"{name} {values}\n" for name, values in rows.items())
    (tmp_path / "list_attr_celeba.txt").write_text(f"4\nMale Young\n{listing}")

    def people(*attributes: str) -> list[str]:
        items = list(selfie2anime(tmp_path, celeba=tmp_path, attributes=attributes))
        return sorted(item.path.name for item in items if item.path.name != "0.jpg" and item.domain == "A")

    assert people() == ["1.jpg", "2.jpg", "3.jpg", "4.jpg"]
    assert people("Male") == ["1.jpg", "2.jpg"]
    assert people("Male,Young", "-Male,-Young") == ["1.jpg", "4.jpg"]
    assert people("Male", "Young") == ["1.jpg", "2.jpg", "3.jpg"], "nobody twice"
    with pytest.raises(CycleganError, match="no attribute 'Hat'"):
        people("Hat")


def faces_of_utkface(folder: Path) -> Path:
    """Domain A: 6 men of 30 and 2 of 60; domain B: 2 women of 30 and 4 of 60; all of one ancestry."""
    folder.mkdir()
    for sex, age, count in ((0, 30, 6), (0, 60, 2), (1, 30, 2), (1, 60, 4)):
        for number in range(count):
            (folder / f"{age}_{sex}_0_{number}.jpg").touch()
    return folder


def test_matched_domains_have_each_age_about_as_often(tmp_path: Path) -> None:
    pictures = list(utkface_by_sex(faces_of_utkface(tmp_path / "set"), ages=(18, 116)))

    def counts(ratio: float, seed: int = 0) -> Counter[str]:
        return Counter(item.path.name[:4] for item in matched(pictures, ratio, seed) if item.domain)

    assert counts(1.0) == {"30_0": 2, "60_0": 2, "30_1": 2, "60_1": 2}
    assert counts(1.5) == {"30_0": 3, "60_0": 2, "30_1": 2, "60_1": 3}
    assert counts(100) == Counter(item.path.name[:4] for item in pictures)
    left_out = [item for item in matched(pictures, 1.0, 0) if item.domain is None]
    assert {item.reason for item in left_out} == {"matched by another one"}
    assert list(matched(pictures, 1.0, 0)) == list(matched(pictures, 1.0, 0)), "the same each time"


def test_lists_say_which_pictures_are_used_and_which_are_not(
    tmp_path: Path, face: np.ndarray, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "set"
    folder.mkdir()
    names = [f"3{number}_{number % 2}_0_1.jpg" for number in range(8)]
    for number, name in enumerate(names):
        cv2.imwrite(str(folder / name), np.ascontiguousarray(face[: len(face) - number, :, ::-1]))
    (tmp_path / "only.txt").write_text("# the first six\n" + "\n".join(names[:6]) + "\n")
    (tmp_path / "exclude.txt").write_text(f"{names[0]}\n\n{names[7]}\n")
    lists = ["--only", str(tmp_path / "only.txt"), "--exclude", str(tmp_path / "exclude.txt")]
    command = ["utkface", str(folder), "--size", "32", "--test", "0", "--output", str(tmp_path / "out"), *lists]
    assert prepare.main(command) == 0
    made = sorted(path.stem for path in (tmp_path / "out").glob("train*/*.png"))
    assert made == [name.removesuffix(".jpg") for name in names[1:6]]
    assert json.loads((tmp_path / "out" / "crops.json").read_text())["counts"]["dropped: not in the list"] == 3
    capsys.readouterr()
    command = ["utkface", str(folder), "--output", str(tmp_path / "other"), "--only", str(tmp_path / "nosuch.txt")]
    assert prepare.main(command) == 1
    assert capsys.readouterr().err == "error: nosuch.txt cannot be read as a list of names; check the name\n"


@pytest.mark.parametrize("ratio", ["0.5", "many", "nan"])
def test_a_senseless_ratio_is_a_sentence(ratio: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        prepare.main(["utkface", str(tmp_path), "--output", str(tmp_path / "out"), "--match", ratio])
    assert f"argument --match: {ratio!r} is not a ratio of at least 1" in capsys.readouterr().err


@pytest.mark.medium
def test_what_lies_beside_a_picture_is_blurred_and_the_picture_is_not(face: np.ndarray) -> None:
    head = Window(HEAD_TEMPLATE, HEAD_ASPECT)
    whole, _ = cut(face, find_detector(), 128, head)
    (found,) = find_detector().detect(face)
    chip = np.ascontiguousarray(face[int(found.box[1]) : int(found.box[3]), int(found.box[0]) : int(found.box[2])])
    beside, _ = cut(chip, find_detector(), 128, head)
    assert whole is not None
    assert beside is not None

    def sharpness(crop: np.ndarray, rows: slice) -> float:
        return float(cv2.Laplacian(cv2.cvtColor(crop, cv2.COLOR_RGB2GRAY), cv2.CV_32F)[rows, 32:96].std())

    assert sharpness(beside, slice(112, 126)) < 2, "a mirrored chin would be sharp"
    assert sharpness(beside, slice(40, 80)) > 0.7 * sharpness(whole, slice(40, 80))
