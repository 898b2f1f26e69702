"""Reads pictures from an untrusted ZIP. Nothing is unpacked to a path that the ZIP names."""

import io
import os
import re
import struct
import zipfile
import zlib
from contextlib import suppress
from pathlib import Path, PurePosixPath

from cyclegan_core import images
from cyclegan_core.errors import PictureError
from demo.languages.phrases import say

MAX_UNPACKED_BYTES = 500 * 10**6
MAX_LIST_BYTES = 4 * 2**20  # of the list at the ZIP's end, which is read at once: some 40,000 names
LONGEST_NAME = 80
CHUNK = 2**20
_UTF8, _ENCRYPTED = 0x800, 0x1
# Others are seldom met, and LZMA takes as much memory as the file demands.
_METHODS = {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}
_ERRORS = (
    *(zipfile.BadZipFile, zlib.error, struct.error, OSError, EOFError, ValueError, RuntimeError),
    *(NotImplementedError, LookupError, OverflowError),
)


def is_zip(path: Path) -> bool:
    """Whether a file is a ZIP, by its name or its first bytes."""
    if path.suffix.lower() == ".zip":
        return True
    try:
        with open(path, "rb") as file:
            return file.read(4) in (b"PK\3\4", b"PK\5\6")
    except OSError:
        return False


class Archive:
    """An open ZIP file, which stays readable when it is deleted.

    pictures: entries whose names end like a picture's, in their order. skipped: number of other files (hidden ones,
    those that macOS adds, ZIPs within). Raises PictureError for a ZIP that is damaged, locked, too large or empty.
    """

    def __init__(self, path: Path) -> None:
        self.name = path.name
        try:
            self._file = _ReadInParts(path, "rb")
        except OSError as error:
            raise PictureError(say("error.file_gone", name=self.name)) from error
        try:
            self._zip = zipfile.ZipFile(self._file)
        except _ERRORS as error:
            self._file.close()
            raise PictureError(say("gallery.zip_damaged", name=self.name)) from error
        files = [info for info in self._zip.infolist() if not info.is_dir()]
        self.pictures = [info for info in files if _is_picture(_name(info))]
        self.skipped = len(files) - len(self.pictures)
        self._left = MAX_UNPACKED_BYTES
        problem = self._problem()
        if problem:
            self.close()
            raise PictureError(problem)

    def _problem(self) -> str | None:
        if not self.pictures:
            return say("gallery.zip_without_pictures", name=self.name)
        if all(info.flag_bits & _ENCRYPTED for info in self.pictures):
            return say("gallery.zip_locked", name=self.name)
        unpacked = sum(info.file_size for info in self.pictures)
        if unpacked > MAX_UNPACKED_BYTES:
            size, limit = round(unpacked / 1e6), MAX_UNPACKED_BYTES // 10**6
            return say("gallery.zip_too_large", name=self.name, size=size, limit=limit)
        return None

    def extract(self, info: zipfile.ZipInfo, folder: Path) -> Path:
        """Writes one of `pictures` into an empty folder and returns its path. Raises PictureError if it cannot."""
        name = plain_name(info)
        if info.flag_bits & _ENCRYPTED:
            raise PictureError(say("gallery.photo_locked", name=name))
        if info.compress_type not in _METHODS:
            raise PictureError(say("gallery.photo_packed", name=name))
        path = folder / name
        written = 0
        try:
            with self._zip.open(info) as packed, open(path, "wb") as file:
                while chunk := packed.read(CHUNK):
                    written += len(chunk)
                    if written > min(images.MAX_FILE_BYTES, self._left):  # whatever the ZIP says of its size
                        limit = images.MAX_FILE_BYTES // 2**20
                        raise PictureError(say("gallery.photo_too_large", name=name, limit=limit))
                    file.write(chunk)
        except _ERRORS as error:
            raise PictureError(say("gallery.photo_damaged", name=name, archive=self.name)) from error
        finally:
            self._left -= written
        return path

    def close(self) -> None:
        self._zip.close()
        self._file.close()


class _ReadInParts(io.FileIO):
    """A file that refuses to read more than MAX_LIST_BYTES at once."""

    def read(self, size: int | None = -1, /) -> bytes:
        if size is None or size < 0:
            size = os.fstat(self.fileno()).st_size - self.tell()
        if size > MAX_LIST_BYTES:
            raise zipfile.BadZipFile("the list of files is too long")
        return super().read(size)


def plain_name(info: zipfile.ZipInfo) -> str:
    """The file name of an entry without its folders, valid on any file system."""
    path = PurePosixPath(re.sub(r'[<>:"|?*]', "_", _name(info)))
    stem, suffix = ("".join(c if c.isprintable() else "_" for c in part) for part in (path.stem, path.suffix))
    return stem[: LONGEST_NAME - len(suffix)] + suffix


def _name(info: zipfile.ZipInfo) -> str:
    """The path of an entry with slashes. Names not marked as UTF-8 often are UTF-8, which zipfile does not try."""
    name = info.filename
    if not info.flag_bits & _UTF8:
        with suppress(UnicodeError):
            name = name.encode("cp437").decode("utf-8")
    return name.replace("\\", "/")


def _is_picture(name: str) -> bool:
    path = PurePosixPath(name)
    hidden = any(part.startswith(".") or part == "__MACOSX" for part in path.parts if part not in ("..", "."))
    return not hidden and path.suffix.lower() in images.SUFFIXES
