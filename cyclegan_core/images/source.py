"""Bytes of a picture file, and the one sentence that refuses it: of what cannot be read, is too large or damaged."""

import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from PIL import Image

from cyclegan_core.errors import PictureError
from cyclegan_core.images import limits
from cyclegan_core.images.limits import DECODER_ERRORS, describe_fault, display_name

_TOO_MANY = f"more than the {limits.MAX_PIXELS // 10**6} megapixels allowed: make it smaller first"


def named_bytes(source: str | Path | bytes) -> tuple[str, bytes]:
    """A name for sentences and the content of a file, given by its path or as bytes. Raises PictureError."""
    if isinstance(source, bytes):
        name, data = "The picture", source
    else:
        name = display_name(source)
        data = _read(Path(source), name)
    if not data:
        raise PictureError(f"{name} is empty: copy or download it again.")
    _check_file_size(len(data), name)
    return name, data


@contextmanager
def refusals(name: str) -> Iterator[None]:
    """Around work of a decoder: whatever it raises becomes a PictureError that says what to do with the file."""
    try:
        yield
    except Image.DecompressionBombError as error:  # a frame or a tile that is larger than the picture
        raise PictureError(f"{name} has {_TOO_MANY}.") from error
    except MemoryError as error:
        raise PictureError(f"{name} needs more memory than is free here: make it smaller first.") from error
    except TimeoutError as error:
        raise PictureError(f"{name} takes too long to read: export it anew as PNG or JPEG.") from error
    except DECODER_ERRORS as error:
        raise PictureError(f"{name} is damaged or cut short: download it again, or export it anew.") from error


def _read(path: Path, name: str) -> bytes:
    try:
        status = path.stat()
        if stat.S_ISDIR(status.st_mode):
            raise PictureError(f"{name} is a folder: give the pictures in it, one by one.")
        if not stat.S_ISREG(status.st_mode):  # opening a pipe could wait forever
            raise PictureError(f"{name} is not a file: give a picture file.")
        _check_file_size(status.st_size, name)
        with open(path, "rb") as file:
            return file.read(limits.MAX_FILE_BYTES + 1)
    except (OSError, ValueError) as error:
        raise PictureError(f"{name} cannot be read: {describe_fault(error)}.") from error


def _check_file_size(size: int, name: str) -> None:
    if size > limits.MAX_FILE_BYTES:
        raise PictureError(f"{name} is larger than {limits.MAX_FILE_BYTES // 2**20} MiB: export it smaller, as JPEG.")


def check_size(size: tuple[int, int], name: str) -> None:
    """Raises PictureError for a width and height in pixels that are outside the limits."""
    width, height = size
    if width * height > limits.MAX_PIXELS:
        megapixels = f"{width * height / 1e6:.0f} megapixels"
        raise PictureError(f"{name} has {width} x {height} pixels ({megapixels}), {_TOO_MANY}.")
    if min(width, height) < limits.MIN_SIDE:
        least = f"{limits.MIN_SIDE} x {limits.MIN_SIDE}"
        raise PictureError(f"{name} has only {width} x {height} pixels: give at least {least}.")
