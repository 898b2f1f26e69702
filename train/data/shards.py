"""WebDataset shards: tar files of pictures, here or elsewhere, read member by member from any of them on.

Members that are no pictures (.json, .txt, .cls) are passed by. Nothing is unpacked to a disk.
"""

import tarfile
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Protocol

from cyclegan_core import images
from cyclegan_core.errors import CycleganError
from train.data.remote import Remote

BLOCK = tarfile.BLOCKSIZE
_MOST_HEADER = 2**16  # bytes of a long name or of extended attributes
# Headers that say something of the member that follows, such as a long name.
_EXTENSIONS = (tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK, tarfile.XHDTYPE, tarfile.XGLTYPE)
_WITHOUT_DATA = (tarfile.LNKTYPE, tarfile.SYMTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.DIRTYPE, tarfile.FIFOTYPE)


@dataclass(frozen=True)
class Member:
    """A picture of a shard. data: its file; None where it cannot be had, for the `reason`. end: the byte behind it."""

    name: str
    data: bytes | None
    reason: str
    end: int


class Readable(Protocol):
    def read(self, number: int, /) -> bytes: ...
    def close(self) -> None: ...


def members(shard: str, start: int = 0) -> Iterator[Member]:
    """The pictures of a shard from the byte `start` on, which is 0 or the `end` of a member.

    A shard that is damaged or cut short ends with a member without data that says so. Raises CycleganError where the
    shard cannot be read at all.
    """
    with closing(_open(shard, start)) as file:
        position = start
        said = _Said()  # of the next member, by an extended header before it
        while header := file.read(BLOCK):
            try:
                info = tarfile.TarInfo.frombuf(header, "utf-8", "surrogateescape")
                if info.size < 0:
                    raise tarfile.HeaderError("a size below 0")
            except tarfile.HeaderError as error:
                if header.count(0) != BLOCK:  # that marks the end
                    yield Member(_name(shard), None, f"the shard is damaged at byte {position:,} ({error})", position)
                return
            position += BLOCK
            if info.type in _WITHOUT_DATA:
                said = _Said()
                continue
            extends = info.type in _EXTENSIONS
            name = info.name if extends or said.name is None else said.name
            size = info.size if extends or said.size is None else said.size
            padded = -(-size // BLOCK) * BLOCK
            position += padded
            wanted = extends or (info.isreg() and _is_picture(name))
            fits = size <= (_MOST_HEADER if extends else images.MAX_FILE_BYTES)
            data = file.read(padded) if wanted and fits else b""
            whole = len(data) == padded if wanted and fits else _pass_over(file, padded)
            if not whole:
                yield Member(_name(shard), None, f"the shard is cut short after {name}", position)
                return
            if extends:
                said = said.extended(info.type, data[:size])
                continue
            said = _Said()
            if wanted:
                reason = "" if fits else f"larger than {images.MAX_FILE_BYTES // 2**20} MiB"
                yield Member(name, data[:size] if fits else None, reason, position)


@dataclass(frozen=True)
class _Said:
    name: str | None = None
    size: int | None = None

    def extended(self, kind: bytes, data: bytes) -> "_Said":
        if kind == tarfile.GNUTYPE_LONGNAME:
            return _Said(data.rstrip(b"\0").decode("utf-8", "surrogateescape"), self.size)
        name, size = self.name, self.size
        for line in data.split(b"\n") if kind == tarfile.XHDTYPE else ():  # `LENGTH KEY=VALUE`
            key, _, value = line.partition(b" ")[2].partition(b"=")
            if key == b"path":
                name = value.decode("utf-8", "surrogateescape")
            elif key == b"size" and value.isdigit() and len(value) < 20:
                size = int(value)
        return _Said(name, size)


def _open(shard: str, start: int) -> Readable:
    if "://" in shard:
        return Remote(shard, start)
    try:
        file = Path(shard).open("rb")  # noqa: SIM115 (`members` closes it)
        file.seek(start)
    except OSError as error:
        raise CycleganError(f"{_name(shard)} cannot be read ({error.strerror}); name shards that can") from error
    return file


def _name(shard: str) -> str:
    return shard.split("?")[0].rsplit("/", 1)[-1]


def _is_picture(name: str) -> bool:
    path = PurePosixPath(name)
    return path.suffix.lower() in images.SUFFIXES and not path.name.startswith(".")


def _pass_over(file: Readable, number: int) -> bool:
    """Whether the file has so many more bytes, which are read and thrown away."""
    while number:
        part = file.read(min(number, 2**20))
        if not part:
            return False
        number -= len(part)
    return True
