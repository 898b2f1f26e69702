"""Shards of WebDataset member by member, and the patterns that name many of them."""

import io
import tarfile
from pathlib import Path

import pytest

from cyclegan_core.errors import CycleganError
from tests.data.test_streams import shard
from train.data import shards
from train.data.listing import expand
from train.data.shards import members


@pytest.mark.parametrize("kind", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_members_are_those_of_the_standard_library(tmp_path: Path, kind: int) -> None:
    names = ["short.png", f"{'long/' * 20}{'n' * 80}.jpg", "grüße.png", "folder/x.webp"]
    path = tmp_path / "a.tar"
    with tarfile.open(path, "w", format=kind) as packed:
        folder = tarfile.TarInfo("folder")
        folder.type = tarfile.DIRTYPE
        packed.addfile(folder)
        link = tarfile.TarInfo("link.png")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd" + "x" * 200
        if kind != tarfile.USTAR_FORMAT:
            packed.addfile(link)
        for i, name in enumerate(names):
            info = tarfile.TarInfo(name)
            info.size = 700 * i + 1
            packed.addfile(info, io.BytesIO(bytes([i]) * info.size))
    found = list(members(str(path)))
    assert [(m.name, m.data) for m in found] == [(n, bytes([i]) * (700 * i + 1)) for i, n in enumerate(names)]
    for i, member in enumerate(found):  # from any of them on
        assert list(members(str(path), member.end)) == found[i + 1 :]


def test_members_that_are_too_large_are_passed_by(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shards.images, "MAX_FILE_BYTES", 2**20)
    path = shard(tmp_path / "a.tar", {"big.png": bytes(2**20 + 1), "small.png": b"x"})
    big, small = members(str(path))
    assert (big.data, big.reason) == (None, "larger than 1 MiB")
    assert small.data == b"x"
    liar = bytearray(path.read_bytes()[:512])
    liar[124:136] = b"\xff" * 12  # a size below 0, in the base-256 way of writing
    info = tarfile.TarInfo("a.png")
    info.size = 2**40
    path.write_bytes(info.tobuf(tarfile.GNU_FORMAT) + b"short")
    (only,) = members(str(path))
    assert only.reason == "the shard is cut short after a.png"


def test_patterns() -> None:
    assert expand("https://a/b-{08..11}.tar") == [f"https://a/b-{n}.tar" for n in ("08", "09", "10", "11")]
    assert expand("hf://datasets/o/{0..1}/{00..01}.tar")[2] == "hf://datasets/o/1/00.tar"
    assert expand("http://a/one.tar") == ["http://a/one.tar"]
    for wrong, words in (
        ("ftp://a/b.tar", "cannot be read: shards are at https"),
        ("https://a/{a,b}.tar", "braces that are no range"),
        ("https://a/{9..0}.tar", "is no range of 1 to"),
        ("https://a/{0..9999999}.tar", "is no range of 1 to"),
    ):
        with pytest.raises(CycleganError, match=words):
            expand(wrong)
