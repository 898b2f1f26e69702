"""Which files of a folder are the pictures of a domain: links, hidden files, folders below folders, what is missing."""

from pathlib import Path

import numpy as np
import pytest
import torch

from cyclegan_core import images
from cyclegan_core.errors import CycleganError
from train.data import cache
from train.data.domain import Domain
from train.data.folders import open_domain, spread_pictures
from train.data.listing import check_apart, count_pictures, fingerprint, picture_files, unread_folders


def draw(path: Path, value: int = 0) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    images.save(np.full((16, 16, 3), value, np.uint8), path)
    return path


def values(data: Path) -> list[int]:
    domain = open_domain(data, "trainA", 16, seed=0, device=torch.device("cpu"))
    assert domain.count is not None
    taken = sorted(int(picture[0, 0, 0]) for picture in domain.take(domain.count))
    domain.close()
    return taken


def opened(data: Path) -> Domain:
    return open_domain(data, "trainA", 16, seed=0, device=torch.device("cpu"))


def test_links_that_lead_nowhere_or_in_circles_are_skipped_and_told(tmp_path: Path) -> None:
    folder = tmp_path / "trainA"
    draw(tmp_path / "elsewhere.png", 3)
    draw(folder / "a.png", 1)
    (folder / "good.png").symlink_to(tmp_path / "elsewhere.png")
    (folder / "nowhere.png").symlink_to(tmp_path / "gone.png")
    (folder / "circle.png").symlink_to(folder / "circle.png")
    (folder / "folder.png").mkdir()
    assert values(tmp_path) == [1, 3]
    skipped = dict(opened(tmp_path).skipped)
    assert skipped.keys() == {"nowhere.png", "circle.png", "folder.png"}
    assert "nowhere.png cannot be read" in skipped["nowhere.png"]
    draw(tmp_path / "gone.png", 5)  # and it leads somewhere after all
    assert values(tmp_path) == [1, 3, 5]


def test_folders_below_a_folder_without_pictures_are_read(tmp_path: Path) -> None:
    folder = tmp_path / "trainA"
    draw(folder / "cats" / "0.png", 1)
    draw(folder / "cats" / "small" / "0.png", 2)
    draw(folder / "dogs" / "0.png", 3)
    draw(folder / ".thumbnails" / "0.png", 4)
    (folder / "dogs" / "again").symlink_to(folder)
    (folder / "dogs" / "broken.png").write_bytes(b"no picture")
    assert values(tmp_path) == [1, 2, 3]
    assert [name for name, _ in opened(tmp_path).skipped] == ["dogs/broken.png"]
    assert len(picture_files(folder)) == count_pictures(folder) == 4
    assert len(spread_pictures(folder, 16, 8)) == 3
    assert next(path.name for path in (tmp_path / ".cache").glob("*.u8")).startswith("trainA_16_")


def test_folders_beside_pictures_are_told_and_change_nothing(tmp_path: Path) -> None:
    folder = tmp_path / "trainA"
    draw(folder / "0.png", 1)
    draw(folder / "more" / "0.png", 2)
    (folder / "notes").mkdir()
    assert values(tmp_path) == [1]
    assert unread_folders(folder) == [("more", "a folder beside pictures; move its pictures up to train on them too")]
    assert opened(tmp_path).skipped == unread_folders(folder)


def test_what_lies_there_instead_is_said(tmp_path: Path) -> None:
    draw(tmp_path / "TrainA" / "0.png")
    draw(tmp_path / "testA" / "0.png")
    with pytest.raises(
        CycleganError, match=r"trainA holds no pictures; .*: in .* there is no trainA, but only TrainA, t"
    ):
        opened(tmp_path)
    with pytest.raises(CycleganError, match=r"there is no folder .*nowhere$"):
        opened(tmp_path / "nowhere")
    (tmp_path / "set.zip").write_bytes(b"")
    with pytest.raises(CycleganError, match=r"set.zip is a file$"):
        opened(tmp_path / "set.zip")


def test_an_output_among_the_pictures_is_refused(tmp_path: Path) -> None:
    draw(tmp_path / "trainA" / "0.png")
    draw(tmp_path / "trainB" / "below" / "0.png")
    (tmp_path / "link").symlink_to(tmp_path / "trainA")
    for wrong in ("trainA", "link", "trainB", "trainB/run", "trainB/below/run"):
        with pytest.raises(CycleganError, match=r"lies among the pictures of train[AB], .*; name another --output"):
            check_apart(tmp_path, tmp_path / wrong)
    for right in ("", "run", "trainA/run", "testA/run"):  # a folder beside pictures is not read
        check_apart(tmp_path, tmp_path / right)


def test_a_fingerprint_goes_by_names_and_sizes_wherever_the_folder_lies(tmp_path: Path) -> None:
    folder = tmp_path / "one" / "trainA"
    for name in ("0.png", "below/1.png"):
        draw(folder / name)
    files = [folder / "0.png", folder / "below" / "1.png", folder / "gone.png"]
    before = fingerprint(files, folder)
    folder.parent.rename(tmp_path / "two")
    folder = tmp_path / "two" / "trainA"
    files = [folder / path for path in ("0.png", "below/1.png", "gone.png")]
    assert fingerprint(files, folder) == before
    (folder / "0.png").write_bytes(b"another size")
    assert fingerprint(files, folder) != before


def test_a_state_of_other_pictures_is_told(tmp_path: Path) -> None:
    for number in range(3):
        draw(tmp_path / "trainA" / f"{number}.png", number)
    state = opened(tmp_path).state_dict()
    same = opened(tmp_path)
    same.load_state_dict(state)
    assert not same.changed
    draw(tmp_path / "trainA" / "2.png").rename(tmp_path / "trainA" / "3.png")
    other = opened(tmp_path)
    other.load_state_dict(state)
    assert other.changed
    earlier = {name: value for name, value in state.items() if name != "files"}  # of an earlier version
    another = opened(tmp_path)
    another.load_state_dict(earlier)
    assert not another.changed
    draw(tmp_path / "trainA" / "4.png")
    with pytest.raises(
        CycleganError, match=r"has 4 pictures .* had 3 .*; make it what it was, or begin another --output"
    ):
        opened(tmp_path).load_state_dict(state)


def test_a_file_that_is_gone_has_a_version_of_its_own(tmp_path: Path) -> None:
    there = cache.file_version(draw(tmp_path / "a.png"))
    (tmp_path / "a.png").unlink()
    assert cache.file_version(tmp_path / "a.png") == "a.png" != there
