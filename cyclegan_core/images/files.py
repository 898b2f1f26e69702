"""Reading a picture's file, and saying in words why that fails."""

import errno
import io
import os
import stat
import time
from pathlib import Path

from cyclegan_core.errors import PictureError
from cyclegan_core.images import limits

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


def fault(error: OSError | ValueError) -> str:
    """The reason of a failed system call, and what to do about it."""
    if not isinstance(error, OSError) or error.errno is None:
        return "that is not a file name, choose another"
    return _FAULTS.get(error.errno, f"the system says {os.strerror(error.errno)!r}, try another folder")


def read(path: Path, name: str) -> bytes:
    """The content of a file of at most `MAX_FILE_BYTES`. Raises PictureError, which calls the file `name`."""
    try:
        status = path.stat()
        if stat.S_ISDIR(status.st_mode):
            raise PictureError(f"{name} is a folder: give the pictures in it, one by one.")
        if not stat.S_ISREG(status.st_mode):  # opening a pipe could wait forever
            raise PictureError(f"{name} is not a file: give a picture file.")
        limits.check_file_size(status.st_size, name)
        with open(path, "rb") as file:
            return file.read(limits.MAX_FILE_BYTES + 1)
    except (OSError, ValueError) as error:
        raise PictureError(f"{name} cannot be read: {fault(error)}.") from error


class TimedBytes(io.BytesIO):
    """Bytes that stop being readable after `MAX_SECONDS`: a file can be made to keep a decoder busy for hours."""

    def __init__(self, data: bytes) -> None:
        super().__init__(data)
        self._deadline = time.monotonic() + limits.MAX_SECONDS

    def read(self, size: int | None = -1, /) -> bytes:
        if time.monotonic() > self._deadline:
            raise TimeoutError
        return super().read(size)
