"""Limits on pictures from outside, checked before anything is decoded, and words for what goes wrong with files."""

import errno
import io
import os
import struct
import time
import zlib
from pathlib import Path

from PIL import ImageCms

MAX_FILE_BYTES = 64 * 2**20
MAX_PIXELS = 100_000_000  # a 50-megapixel phone photo passes with room to spare
MIN_SIDE = 16  # pixels; no face is smaller
MAX_SECONDS = 30.0  # for one picture; an honest one of 100 megapixels takes a few
MAX_PROFILE_BYTES = 16 * 2**20  # of a colour profile; a printer's may have some megabytes

_PICTURES = (
    ".jpg .jpeg .jpe .jfif .mpo .jp2 .j2k .png .apng .webp .gif .bmp .tif .tiff .heic .heif .hif .avif .ppm .pgm"
)
_RAW_FILES = ".dng .cr2 .cr3 .nef .nrw .arw .raf .rw2 .orf .pef .srw"
READABLE = frozenset(f"{_PICTURES} {_RAW_FILES}".split())
WRITABLE = frozenset({".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff"})

# What Pillow, its plugins and libheif raise on malformed files. Warning is among them because a process may have
# turned warnings into errors.
DECODER_ERRORS = (
    *(OSError, EOFError, SyntaxError, ValueError, TypeError, AttributeError, LookupError, ArithmeticError),
    *(AssertionError, RuntimeError, SystemError, struct.error, zlib.error, ImageCms.PyCMSError, Warning),
)

_FAULTS = {
    errno.ENOENT: "there is no such file or folder, check the name",
    errno.ENOTDIR: "there is no such folder, check the name",
    errno.EISDIR: "that is a folder, choose another name",
    errno.EACCES: "the permissions do not allow it, change them or choose another folder",
    errno.EROFS: "the disk is read-only, choose another folder",
    errno.ENOSPC: "the disk is full, free some space or choose another folder",
}


def display_name(path: str | Path) -> str:
    """The base name, fit for one line of a terminal: file names may hold newlines, escapes and broken UTF-8."""
    name = "".join(character if character.isprintable() else "?" for character in Path(path).name)
    return name or "The picture"


def describe_fault(error: OSError | ValueError) -> str:
    """What went wrong with a file, and what to do, in words that end a sentence."""
    if not isinstance(error, OSError) or error.errno is None:
        return "that is not a file name, choose another"
    return _FAULTS.get(error.errno, f"the system says {os.strerror(error.errno)!r}, try another folder")


class TimedBytes(io.BytesIO):
    """Bytes that stop being readable after `MAX_SECONDS`: a file can be made to keep a decoder busy for hours."""

    def __init__(self, data: bytes) -> None:
        super().__init__(data)
        self._deadline = time.monotonic() + MAX_SECONDS

    def read(self, size: int | None = -1, /) -> bytes:
        if time.monotonic() > self._deadline:
            raise TimeoutError
        return super().read(size)
