"""A ZIP from a stranger does no harm."""

import shutil
import struct
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from cyclegan_core import images
from cyclegan_core.errors import PictureError
from demo.tabs.gallery import unzip
from demo.tabs.gallery.unzip import Archive, plain_name
from tests.page.test_batch import photo, picture_bytes, zipped


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[list[Archive]]:
    archives: list[Archive] = []
    yield archives
    for archive in archives:
        archive.close()


def test_bomb_is_refused_by_what_it_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unzip, "MAX_UNPACKED_BYTES", 2 * 10**6)
    packed = zipped(tmp_path / "bomb.zip", {f"{i}.png": bytes(10**6) for i in range(3)})
    assert packed.stat().st_size < 10_000
    with pytest.raises(PictureError, match=r"^bomb.zip holds 3 MB of pictures, more than the 2 MB allowed"):
        Archive(packed)


def test_bomb_that_lies_is_stopped_as_it_unpacks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, opened: list[Archive]
) -> None:
    monkeypatch.setattr(images, "MAX_FILE_BYTES", 100_000)
    packed = zipped(tmp_path / "lie.zip", {"big.png": bytes(5_000_000)})
    honest = struct.pack("<I", 5_000_000)
    for said in (50_000, 99_999_999):  # less than there is, and more
        lie = tmp_path / f"lie{said}.zip"
        lie.write_bytes(packed.read_bytes().replace(honest, struct.pack("<I", said)))
        archive = Archive(lie)
        opened.append(archive)
        folder = tmp_path / str(said)
        folder.mkdir()
        with pytest.raises(PictureError, match=r"^big.png is (damaged|larger)"):
            archive.extract(archive.pictures[0], folder)
        assert sum(path.stat().st_size for path in folder.iterdir()) <= 100_000


def test_endless_list_of_names_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unzip, "MAX_LIST_BYTES", 2**18)
    packed = zipped(tmp_path / "long.zip", {f"{i:0200d}.jpg": b"" for i in range(1500)})
    with pytest.raises(PictureError, match=r"^long.zip is damaged, or no ZIP"):
        Archive(packed)


def test_locked_zip_is_said_to_be(tmp_path: Path) -> None:
    packed = bytearray(zipped(tmp_path / "p.zip", {"a.jpg": b"x" * 50}).read_bytes())
    for signature, offset in ((b"PK\3\4", 6), (b"PK\1\2", 8)):
        packed[packed.index(signature) + offset] |= 1
    path = photo(tmp_path, "locked.zip", bytes(packed))
    with pytest.raises(PictureError, match=r"^locked.zip is locked with a password"):
        Archive(path)


def test_zip_without_pictures_is_said_to_be(tmp_path: Path) -> None:
    with pytest.raises(PictureError, match=r"^texts.zip holds no pictures"):
        Archive(zipped(tmp_path / "texts.zip", {"a.txt": b"x"}))


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_packing_that_may_take_any_memory_is_refused(tmp_path: Path, method: int, opened: list[Archive]) -> None:
    opened.append(Archive(zipped(tmp_path / "p.zip", {"a.jpg": b"x" * 500}, method)))
    with pytest.raises(PictureError, match="packed in a way"):
        opened[0].extract(opened[0].pictures[0], tmp_path)


def test_damaged_zips_are_refused_in_a_sentence(tmp_path: Path) -> None:
    whole = zipped(tmp_path / "p.zip", {"a.jpg": picture_bytes(), "b.jpg": picture_bytes()}).read_bytes()
    rng = np.random.default_rng(0)
    refused = []
    for i in range(300):
        data = bytearray(whole)
        end = len(data) - 200 if i % 2 else 0  # its list, or anywhere
        for at in rng.integers(end, len(data), 6):
            data[at] = rng.integers(256)
        path = photo(tmp_path, "x.zip", bytes(data))
        try:
            archive = Archive(path)
            for info in archive.pictures:
                (tmp_path / "out").mkdir()
                try:
                    archive.extract(info, tmp_path / "out")
                finally:
                    shutil.rmtree(tmp_path / "out")
            archive.close()
        except PictureError as error:
            refused.append(str(error))
    assert len(refused) > 100
    assert all(0 < len(sentence) < 300 and "\n" not in sentence for sentence in refused)


def test_names_in_other_encodings_are_read(opened: list[Archive], tmp_path: Path) -> None:
    unmarked = zipfile.ZipInfo("Zoë.jpg".encode().decode("cp437"))  # as some programs write UTF-8, without saying so
    assert plain_name(unmarked) == "Zoë.jpg"
    data = zipped(tmp_path / "p.zip", {"aXXb.jpg": b"x"}).read_bytes().replace(b"aXXb", b"a\xe9\xffb")
    opened.append(Archive(photo(tmp_path, "latin.zip", data)))
    assert plain_name(opened[0].pictures[0]).endswith("b.jpg")
    assert plain_name(zipfile.ZipInfo(f"{'n' * 300}.jpeg")) == f"{'n' * 75}.jpeg"
    assert plain_name(zipfile.ZipInfo("a\x1bb\n.jpg")) == "a_b_.jpg"
