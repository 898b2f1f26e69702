"""Limits on picture files, checked on the header before anything is decoded."""

import struct

from cyclegan_core.errors import PictureError

MAX_FILE_BYTES = 64 * 2**20
MAX_PIXELS = 100_000_000  # a 50-megapixel phone photo passes with room to spare
MIN_SIDE = 16  # pixels; no face is smaller
MAX_SECONDS = 30.0  # for one picture; an honest one of 100 megapixels takes a few
MAX_TIFF_STRIPS = 2**17  # their list is read with the header; an honest file has a few thousand

TOO_MANY_PIXELS = f"more than the {MAX_PIXELS // 10**6} megapixels allowed: make it smaller first"


def check_file_size(size: int, name: str) -> None:
    """Raises PictureError for a file of more than `MAX_FILE_BYTES` bytes."""
    if size > MAX_FILE_BYTES:
        raise PictureError(f"{name} is larger than {MAX_FILE_BYTES // 2**20} MiB: export it smaller, as JPEG.")


def check_size(size: tuple[int, int], name: str) -> None:
    """Raises PictureError for a width and height, in pixels, that are too large or too small."""
    width, height = size
    if width * height > MAX_PIXELS:
        megapixels = f"{width * height / 1e6:.0f} megapixels"
        raise PictureError(f"{name} has {width} x {height} pixels ({megapixels}), {TOO_MANY_PIXELS}.")
    if min(width, height) < MIN_SIDE:
        raise PictureError(f"{name} has only {width} x {height} pixels: give at least {MIN_SIDE} x {MIN_SIDE}.")


def check_tiff_strips(data: bytes, name: str) -> None:
    """Raises PictureError for a TIFF in more than `MAX_TIFF_STRIPS` strips or tiles."""
    order = "<" if data.startswith(b"II") else ">"
    (directory,) = struct.unpack_from(f"{order}I", data, 4)
    (entries,) = struct.unpack_from(f"{order}H", data, directory)
    for entry in range(entries):
        tag, _, count = struct.unpack_from(f"{order}HHI", data, directory + 2 + 12 * entry)
        if tag in (0x0111, 0x0144) and count > MAX_TIFF_STRIPS:  # StripOffsets, TileOffsets
            raise PictureError(f"{name} is a TIFF of {count} pieces: export it anew as PNG or JPEG.")
