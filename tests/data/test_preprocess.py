"""Squares out of pictures of any shape: where they are cut, how they are resized, and that a resume cuts the same."""

import io
import json
import tarfile
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image

from cyclegan_core import images
from cyclegan_core.errors import CycleganError
from cyclegan_core.faces.alignment import TIGHT_TEMPLATE
from train.config.train_config import TrainConfig
from train.data import folder_domains
from train.data.domain import Domain
from train.data.folders import open_domain, spread_pictures, validation_pictures
from train.data.preprocess import MIDDLE, Preprocess, preprocess_of
from train.data.streams import BLOCK_PICTURES

CPU = torch.device("cpu")
CROP = Preprocess("crop", 16, 16)


def places(width: int, height: int) -> NDArray[np.uint8]:
    """A picture whose red is the column and whose green is the row of a pixel."""
    rows, columns = np.mgrid[0:height, 0:width]
    return np.stack([columns, rows, np.full_like(rows, 7)], axis=-1).astype(np.uint8)


def test_the_middle_is_the_rule_of_nobody() -> None:
    config = TrainConfig("tiny", ("there", "back"), size=32)
    assert preprocess_of(config) is None
    rule = preprocess_of(config.with_fields({"preprocess": "resize_and_crop"}))
    assert rule == Preprocess("resize_and_crop", 32, 32)
    rule = preprocess_of(config.with_fields({"preprocess": "scale_width_and_crop", "load_size": 40}))
    assert rule == Preprocess("scale_width_and_crop", 32, 40)


@pytest.mark.parametrize(
    ("place", "left", "top"), [((0, 0), 0, 0), (MIDDLE, 42, 12), ((1, 1), 84, 24), ((0, 1), 0, 24)]
)
def test_crop_cuts_pixels_as_they_are(place: tuple[float, float], left: int, top: int) -> None:
    picture = places(100, 40)
    assert np.array_equal(CROP.square(picture, place), picture[top : top + 16, left : left + 16])


def test_crop_enlarges_what_is_too_small() -> None:
    square = CROP.square(places(50, 8), (1, 0))
    assert square.shape == (16, 16, 3)
    assert abs(int(square[0, 0, 0]) - 42) <= 1, "the last 8 of 50 columns"
    assert CROP.square(places(16, 16)).shape == CROP.square(places(20, 90)).shape == (16, 16, 3)


@pytest.mark.parametrize("rule", ["resize_and_crop", "scale_width_and_crop"])
@pytest.mark.parametrize(("width", "height"), [(120, 120), (200, 120), (90, 240), (40, 60), (240, 24)])
@pytest.mark.parametrize("place", [(0.0, 0.0), MIDDLE, (1.0, 1.0)])
def test_squares_are_those_of_the_reference(rule: str, width: int, height: int, place: tuple[float, float]) -> None:
    """It resizes the whole picture first, and cuts then."""
    preprocess = Preprocess(rule, 32, 40)
    picture = places(width, height)
    high = 40 if rule == "resize_and_crop" else max(round(40 * height / width), 32)
    whole = cv2.resize(picture, (40, high), interpolation=cv2.INTER_AREA)
    left, top = round(place[0] * 8), round(place[1] * (high - 32))
    expected = whole[top : top + 32, left : left + 32].astype(int)
    got = preprocess.square(picture, place).astype(int)
    # A pixel of theirs is so many of the picture; a window of ours starts and ends with whole ones.
    pixel = np.array([width / 40, height / high, 1])
    assert (abs(got - expected).max(axis=(0, 1)) <= 1 + 1.1 * pixel).all()


def test_nothing_is_cut_off_where_the_load_size_is_the_size() -> None:
    picture = places(200, 100)
    squeezed = Preprocess("resize_and_crop", 20, 20)
    assert np.array_equal(squeezed.square(picture, (0, 0)), squeezed.square(picture, (1, 1)))
    assert squeezed.square(picture)[0, -1, 0] > 190
    wide = Preprocess("scale_width_and_crop", 20, 20).square(places(100, 200), (0, 1))
    assert wide[0, -1, 0] > 90, "the whole width"
    assert wide[0, 0, 1] > 95, "of the lower half"


def test_a_long_picture_takes_no_memory() -> None:
    picture = np.zeros((60_000, 16, 3), np.uint8)
    assert Preprocess("scale_width_and_crop", 512, 512).square(picture).shape == (512, 512, 3)  # else it has 3 GB


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"preprocess": "none"}, "must be 'center_crop', 'resize_and_crop', 'scale_width_and_crop' or 'crop', not"),
        ({"load_size": 80}, "load_size goes with .* scale_width_and_crop, not with center_crop"),
        ({"preprocess": "crop", "load_size": 80}, "scale_width_and_crop, not with crop"),
        ({"preprocess": "resize_and_crop", "load_size": 63}, "must be at least the size .*, 64, not 63"),
        ({"preprocess": "resize_and_crop", "load_size": 0}, "load_size must be greater than or equal to 1, not 0"),
    ],
)  # fmt: skip
def test_a_senseless_rule_is_a_sentence(changes: dict[str, Any], says: str) -> None:
    with pytest.raises(CycleganError, match=says):
        TrainConfig("tiny", ("there", "back")).with_fields(changes)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """40 pictures of 60 by 40 pixels, whose blue is their number; red and green tell where a square was cut."""
    (tmp_path / "set" / "trainA").mkdir(parents=True)
    for number in range(40):
        picture = places(60, 40)
        picture[..., 2] = number
        images.save(picture, tmp_path / "set" / "trainA" / f"{number:02d}.png")
    return tmp_path / "set"


def opened(data: Path, **more: Any) -> Domain:
    return open_domain(data, "trainA", 16, device=CPU, preprocess=CROP, **{"seed": 0, **more})


def told(pictures: torch.Tensor) -> list[tuple[int, int, int]]:
    """Left edge, upper edge and number of each picture."""
    return [(int(p[0, 0, 0]), int(p[1, 0, 0]), int(p[2, 0, 0])) for p in pictures]


def test_squares_are_cut_elsewhere_in_every_pass_and_resumed_exactly(data: Path) -> None:
    domain = opened(data)
    first, second = told(domain.take(40)), told(domain.take(40))
    assert sorted(number for _, _, number in first) == sorted(number for _, _, number in second) == list(range(40))
    assert len({left for left, _, _ in first}) > 15
    assert {top for _, top, _ in first} <= set(range(25))
    where = {number: (left, top) for left, top, number in first}
    assert sum(where[number] == (left, top) for left, top, number in second) < 5
    state = json.loads(json.dumps(domain.state_dict()))
    expected = [told(domain.take(n)) for n in (3, 5, 60)]
    other = opened(data)
    other.load_state_dict(state)
    assert [told(other.take(n)) for n in (3, 5, 60)] == expected
    for one in (domain, other):
        one.close()


def test_squares_do_not_depend_on_how_many_processes_there_are(data: Path) -> None:
    one, three = opened(data), [opened(data, rank=rank, world=3) for rank in range(3)]
    for _ in range(5):
        assert [square for part in three for square in told(part.take(4))] == told(one.take(12))
    assert all(part.state_dict() == one.state_dict() for part in three)


def test_for_a_picture_that_cannot_be_read_the_next_one_stands_in(
    data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("07.png", "08.png", "39.png"):
        (data / "trainA" / name).write_bytes(b"no picture")
    numbers = sorted(number for _, _, number in told(opened(data).take(40)))
    assert numbers == sorted([*(set(range(40)) - {7, 8, 39}), 9, 9, 0])
    assert capsys.readouterr().out.count("skipped: ") == 3
    for path in (data / "trainA").iterdir():
        path.write_bytes(b"no picture")
    with pytest.raises(CycleganError, match="no picture of trainA can be read; name another folder"):
        opened(data).take(2)


def test_what_is_held_out_and_shown_is_cut_by_the_same_rule_in_the_middle(data: Path) -> None:
    kept = validation_pictures(data, "trainA", 16, seed=0, holdout=0.2, preprocess=CROP)
    assert [square[:2] for square in told(kept)] == [(22, 12)] * 8
    domain = opened(data, holdout=0.2)
    assert domain.count == 32
    shown = told(domain.spread(99))
    assert {number for _, _, number in shown} == set(range(40)) - {number for _, _, number in told(kept)}
    assert told(spread_pictures(data / "trainA", 16, 3, CROP)) == [(22, 12, 0), (22, 12, 19), (22, 12, 39)]


def test_crops_of_faces_are_not_cut_again(data: Path) -> None:
    (data / "crops.json").write_text(json.dumps({"template": TIGHT_TEMPLATE, "margin": 0.0, "size": 40}))
    with pytest.raises(CycleganError, match=r"set are crops of faces, .* set preprocess=center_crop instead of crop"):
        opened(data)


def test_streams_cut_by_the_same_rule(data: Path) -> None:
    assert BLOCK_PICTURES > 40
    (data / "packed").mkdir()
    with tarfile.open(data / "packed" / "0.tar", "w") as packed:
        for path in sorted((data / "trainA").iterdir()):
            info = tarfile.TarInfo(path.name)
            info.size = path.stat().st_size
            packed.addfile(info, io.BytesIO(path.read_bytes()))
    (data / "sources.json").write_text('{"trainA": "packed"}')
    stream = opened(data)
    first = told(stream.take(40))
    assert sorted(number for _, _, number in first) == list(range(40))
    assert len({left for left, _, _ in first}) > 15
    other = opened(data)
    other.take(7)
    third = opened(data)
    third.load_state_dict(other.state_dict())
    assert told(third.take(33)) == told(other.take(33))
    assert {square[:2] for square in told(stream.spread(5))} == {(22, 12)}
    for one in (stream, other, third):
        one.close()


def test_pictures_are_decoded_when_their_turn_comes_and_not_before(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    loads: list[str] = []
    load = images.load

    def noted(path: Path) -> NDArray[np.uint8]:
        loads.append(path.name)
        return load(path)

    monkeypatch.setattr(folder_domains.images, "load", noted)
    domain = opened(data)
    domain.take(4)
    domain.close()
    assert 4 <= len(loads) <= 8, "those of one batch and of the next one, none of the others"
    assert not (data / ".cache").exists()
    Image.new("RGB", (2, 2)).save(data / "trainA" / "tiny.png")  # refused as too small, when its turn comes
    assert sorted(number for _, _, number in told(opened(data).take(41)))[:2] == [0, 0]
