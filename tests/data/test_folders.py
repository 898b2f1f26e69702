"""Folders as domains: decoded once, shuffled the same way for any number of processes, resumed exactly."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from cyclegan_core import images
from cyclegan_core.errors import CycleganError
from tests.data.conftest import write_numbered
from train.data import folders as data
from train.data.domain import Domain
from train.data.folder_domains import ShuffledIndices
from train.data.folders import (
    load_pictures,
    open_domain,
    read_crop,
    spread_pictures,
    stored_size,
    validation_pictures,
)
from train.data.listing import count_pictures, picture_files

CPU = torch.device("cpu")
TEMPLATE = [[0.3, 0.3], [0.7, 0.3], [0.5, 0.5], [0.3, 0.7], [0.7, 0.7]]


def numbers(pictures: torch.Tensor) -> list[int]:
    red, green = (pictures[:, channel, 0, 0].long() for channel in range(2))
    return (red + 256 * green).tolist()


def domain(folder: Path, split: str = "trainA", **more: float) -> Domain:
    arguments: dict[str, Any] = {
        "rank": 0,
        "world": 1,
        "seed": 0,
        **{k: int(v) for k, v in more.items() if k != "holdout"},
    }
    return open_domain(folder, split, 16, device=CPU, holdout=more.get("holdout", 0.0), **arguments)


def test_every_picture_is_shown_once_in_a_pass_and_domains_are_shuffled_apart(folder: Path) -> None:
    a, b = domain(folder), domain(folder, "trainB")
    first_a, first_b = numbers(a.take(40)), numbers(b.take(40))
    assert sorted(first_a) == sorted(first_b) == list(range(40))
    assert first_a != first_b
    second = numbers(a.take(40))
    assert sorted(second) == list(range(40))
    assert second != first_a
    assert numbers(domain(folder).take(40)) == first_a
    assert numbers(domain(folder, seed=1).take(40)) != first_a
    a.close()


def test_the_order_does_not_depend_on_how_many_processes_there_are(folder: Path) -> None:
    one = domain(folder)
    four = [domain(folder, rank=r, world=4) for r in range(4)]
    for _ in range(12):  # across passes, which end within a batch
        together = [n for part in four for n in numbers(part.take(3))]
        assert together == numbers(one.take(12))


def test_resuming_goes_on_after_what_was_handed_out_and_not_after_what_was_read_ahead(folder: Path) -> None:
    a = domain(folder, holdout=0.1)
    for number in (3, 3, 50):
        a.take(number)
    state = json.loads(json.dumps(a.state_dict()))
    expected = [numbers(a.take(n)) for n in (3, 5, 5, 60, 1)]  # a changed size throws away what is on its way
    for resumed in (domain(folder, holdout=0.1), a):
        resumed.load_state_dict(state)
        assert [numbers(resumed.take(n)) for n in (3, 5, 5, 60, 1)] == expected
    fresh = domain(folder)
    assert fresh.state_dict() == domain(folder).state_dict()
    with pytest.raises(CycleganError, match=r"trainA has 40 pictures for training and had 36 when this run began"):
        fresh.load_state_dict(state)


def test_what_is_held_out_is_never_shown_in_training(folder: Path) -> None:
    write_numbered(folder / "few", 19)
    kept = validation_pictures(folder, "trainA", 16, seed=0, holdout=0.2)
    assert len(kept) == 8
    a = domain(folder, holdout=0.2)
    assert a.count == 32
    assert sorted(numbers(a.take(32)) + numbers(kept)) == list(range(40))
    assert set(numbers(a.spread(99))) == set(range(40)) - set(numbers(kept))
    assert numbers(validation_pictures(folder, "trainA", 16, seed=1, holdout=0.2)) != numbers(kept)
    assert len(validation_pictures(folder, "few", 16, seed=0, holdout=0.2)) == 0
    assert domain(folder, "few", holdout=0.2).count == 19
    with pytest.raises(CycleganError, match="from 0 to below 1, not 1"):
        domain(folder, holdout=1.5)


def test_pictures_of_any_shape_keep_their_shape(tmp_path: Path) -> None:
    (tmp_path / "trainA").mkdir()
    wide = np.zeros((40, 100, 3), np.uint8)
    wide[:, 30:70] = 200  # the middle square
    images.save(wide, tmp_path / "trainA" / "wide.png")
    assert open_domain(tmp_path, "trainA", 16, seed=0, device=CPU).take(1).min() >= 199
    assert load_pictures(tmp_path / "trainA", 16).min() >= 199
    assert stored_size(tmp_path, 16) == 16
    (tmp_path / data.CROPS_FILE).write_text(json.dumps({"template": TEMPLATE, "margin": 0.0, "size": 40}))
    assert stored_size(tmp_path, 16) == 32


def test_a_few_pictures_of_a_folder_are_decoded_and_no_more(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = write_numbered(tmp_path / "testA", 40)
    loads, load = [], images.load

    def counted(path: Path) -> np.ndarray:
        loads.append(path.name)
        return load(path)

    monkeypatch.setattr(data.images, "load", counted)
    shown = spread_pictures(place, 8, 5)
    assert shown.shape == (5, 3, 8, 8)
    assert shown.dtype == torch.uint8
    assert numbers(shown) == [0, 9, 19, 29, 39]
    assert len(loads) == 5
    assert numbers(spread_pictures(place, 8, 99)) == list(range(40))
    for broken in (0, 1, 19, 39):  # the next one stands in, after the last one the first that is free
        (place / f"{broken:04d}.png").write_bytes(b"no picture")
    loads.clear()
    assert numbers(spread_pictures(place, 8, 5)) == [2, 3, 9, 20, 29]
    assert len(loads) == 9
    assert len(spread_pictures(place, 8, 40)) == 36


def test_no_pictures_to_show_are_an_empty_tensor(tmp_path: Path) -> None:
    (tmp_path / "testA").mkdir()
    (tmp_path / "testA" / "notes.txt").write_text("no picture")
    (tmp_path / "file").write_text("")
    for place in (tmp_path / "testA", tmp_path / "nowhere", tmp_path / "file"):
        assert spread_pictures(place, 8, 4).shape == (0, 3, 8, 8)
        assert count_pictures(place) == 0
    (tmp_path / "testA" / "0.png").write_bytes(b"no picture")
    assert spread_pictures(tmp_path / "testA", 8, 4).shape == (0, 3, 8, 8)


def test_counting_looks_at_pictures_alone(folder: Path) -> None:
    (folder / "trainA" / "notes.txt").write_text("no picture")
    (folder / "trainA" / "inner").mkdir()
    (folder / "trainA" / "._0000.png").write_bytes(b"what macOS leaves beside each file")
    (folder / "trainA" / "CAPITAL.JPG").write_bytes(b"")
    assert count_pictures(folder / "trainA") == len(picture_files(folder / "trainA")) == 41


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ("{}", "it has no template"),
        ("[]", "it is not a JSON object"),
        ("{", "Expecting"),
        ("[" * 100_000, "recursion"),
        (b"\xff\xfe", "utf-8"),
        ({"template": TEMPLATE[:4]}, "its template is not five"),
        ({"template": [[0.3, 0.3, 0.1], *TEMPLATE[1:]]}, "its template is not five"),
        ({"template": [["0.3", 0.3], *TEMPLATE[1:]]}, "its template is not five"),
        ({"template": [[float("nan"), 0.3], *TEMPLATE[1:]]}, "its template is not five"),
        ({"template": 5}, "its template is not five"),
        ({"template": [TEMPLATE[0]] * 5}, "its template has both eyes at one place"),
        ({"size": None}, "its size is not a whole number from 1 to 1024"),
        ({"size": "128"}, "its size is not"),
        ({"size": True}, "its size is not"),
        ({"size": 10**9}, "its size is not"),
        ({"margin": "none"}, "its margin is not a number from 0 to 2"),
        ({"margin": -1}, "its margin is not"),
    ],
)
def test_crops_that_are_described_wrongly_are_a_sentence(
    folder: Path, wrong: str | bytes | dict[str, object], says: str
) -> None:
    described = {"template": TEMPLATE, "margin": 0.0, "size": 128}
    (folder / data.CROPS_FILE).write_text(json.dumps(described))
    assert stored_size(folder, 50) == 100
    crop = read_crop(folder, 50)
    assert crop is not None
    assert (crop.size, crop.template[1], crop.margin) == (50, (0.7, 0.3), 0.0)
    text = json.dumps({**described, **wrong}) if isinstance(wrong, dict) else wrong
    (folder / data.CROPS_FILE).write_bytes(text.encode() if isinstance(text, str) else text)
    for read in (read_crop, stored_size):
        with pytest.raises(CycleganError) as refused:
            read(folder, 50)
        assert str(refused.value).startswith("set/crops.json cannot be read (")
        assert says in str(refused.value)
        assert str(refused.value).endswith("); prepare the crops again")
        assert "\n" not in str(refused.value)


def test_sources_may_name_another_folder(folder: Path, tmp_path: Path) -> None:
    shutil.move(str(folder / "trainB"), str(tmp_path / "elsewhere"))
    (folder / "sources.json").write_text(json.dumps({"trainB": "../elsewhere"}))
    assert domain(folder, "trainB").count == domain(folder).count == 40
    for wrong in ("{", '{"trainB": 3}', "[]"):
        (folder / "sources.json").write_text(wrong)
        with pytest.raises(CycleganError, match=r"set/sources.json cannot be read .*; correct it"):
            domain(folder, "trainB")


def test_a_file_instead_of_a_data_folder_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert read_crop(tmp_path / "file", 16) is None
    with pytest.raises(CycleganError, match="trainA holds no pictures; prepare"):
        domain(tmp_path / "file")


@pytest.mark.parametrize("content", [None, b"no picture"])
def test_a_folder_without_pictures_is_a_sentence(tmp_path: Path, content: bytes | None) -> None:
    (tmp_path / "trainA").mkdir()
    if content:
        (tmp_path / "trainA" / "0.png").write_bytes(content)
    with pytest.raises(CycleganError, match=r"trainA holds no pictures; prepare|no picture of .*trainA can be read: "):
        domain(tmp_path)


def test_shuffles_start_anywhere_from_three_values() -> None:
    shuffled = ShuffledIndices(7, seed="any")
    passes = [sorted(shuffled.take(7).tolist()) for _ in range(3)]
    assert passes == [list(range(7))] * 3
    shuffled.take(3)
    state = shuffled.state_dict()
    other = ShuffledIndices(7, seed=5)
    other.load_state_dict(state)
    assert other.take(20).tolist() == shuffled.take(20).tolist()


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("resident", [True, False])
def test_batches_on_the_device_are_those_of_the_cpu(
    folder: Path, resident: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not resident:
        monkeypatch.setattr(torch.cuda, "mem_get_info", lambda _: (0, 0))
    mine = open_domain(folder, "trainA", 16, seed=0, device=torch.device("cuda"))
    theirs = domain(folder)
    for number in (3, 3, 3, 64, 5):
        batch = mine.take(number)
        assert batch.device.type == "cuda"
        assert torch.equal(batch.cpu(), theirs.take(number))
    other = open_domain(folder, "trainA", 16, seed=0, device=torch.device("cuda"))
    other.load_state_dict(mine.state_dict())
    assert torch.equal(other.take(9).cpu(), theirs.take(9))
