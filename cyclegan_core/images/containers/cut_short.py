"""Pictures whose last bytes are missing: what is left of them, and how much is not. For PNG, see `png`.

JPEG and GIF are shown as far as they go. Others are filled up with zeros to the size that they announce: their decoders
then give all that came, and something dark or grey for the rest, as picture viewers do.
"""

import struct
from contextlib import suppress

import numpy as np
from PIL import Image
from PIL.GifImagePlugin import GifImageFile
from PIL.JpegImagePlugin import JpegImageFile

from cyclegan_core.images.containers import tiff
from cyclegan_core.images.limits import TimedBytes

END_OF_JPEG, _SCAN = b"\xff\xd9", b"\xff\xda"
# By number of bands: colours that hardly a row of a photograph has from end to end.
_UNTOUCHED = {1: (3,), 3: (255, 0, 254), 4: (255, 0, 254, 1)}
_HELD_BACK = 24  # rows that the decoder has, but gives away only when it knows the next ones
_BOX_HEADER = 8  # bytes: its size and its kind
_STRIPS = {tiff.STRIP_OFFSETS: tiff.STRIP_BYTE_COUNTS, tiff.TILE_OFFSETS: tiff.TILE_BYTE_COUNTS}
_STRIP_TAGS = {*_STRIPS, *_STRIPS.values()}


def announced_size(data: bytes) -> int | None:
    """How many bytes a WebP, BMP, TIFF, HEIC or AVIF says that it has; None where it does not say so."""
    with suppress(struct.error, ValueError, ArithmeticError):
        if data.startswith(b"RIFF"):
            return int.from_bytes(data[4:8], "little") + 8
        if data.startswith(b"BM"):
            return _size_of_bitmap(data)
        if data.startswith(tiff.MAGICS):
            return _size_of_tiff(data)
        if data[4:8] == b"ftyp":
            return _size_of_boxes(data)
    return None


def _size_of_bitmap(data: bytes) -> int:
    first, _, width, height, _, bits, compression = struct.unpack_from("<IIiiHHI", data, 10)
    if compression in (1, 2, 4, 5):  # run lengths, JPEG, PNG: only the header knows
        return int.from_bytes(data[2:6], "little")
    return int(first + (width * bits + 31) // 32 * 4 * abs(height))


def _size_of_tiff(data: bytes) -> int | None:
    values = {entry.tag: entry.values(data) for entry in tiff.entries(data) if entry.tag in _STRIP_TAGS}
    ends = [
        start + length
        for places, lengths in _STRIPS.items()
        for start, length in zip(values.get(places, ()), values.get(lengths, ()), strict=True)
    ]
    return max(ends, default=None)


def _size_of_boxes(data: bytes) -> int:
    at = 0
    while at < len(data):
        size = int.from_bytes(data[at : at + 4], "big")
        if size == 1:
            (size,) = struct.unpack_from(">Q", data, at + _BOX_HEADER)
        if size < _BOX_HEADER:  # 0: to the end of the file
            return len(data)
        at += size
    return at


def partial_gif(data: bytes) -> tuple[Image.Image, float] | None:
    """What came of a GIF, and the share of its rows that are missing; None where it is whole, or nothing came.

    Rows that are missing between others, as where they come in four passes, are those above them.
    """
    image = GifImageFile(TimedBytes(data))
    try:
        image.load()
    except OSError:
        image.tile = []  # nothing more is to be loaded
        rows = np.array(image.copy())
        blank = (rows == rows[-1, -1]).all(axis=1)
        if blank.all():
            return None
        filled = Image.fromarray(rows[np.maximum.accumulate(np.where(blank, 0, np.arange(len(rows))))])
        if image.mode == "P":
            filled.putpalette(image.getpalette() or [])
        return filled, float(blank.mean())
    return None


def without_end(data: bytes) -> tuple[Image.Image, float]:
    """A JPEG whose last bytes are missing, with one colour where nothing is known, and the share of its rows there.

    A progressive one comes in passes over all rows: all of it counts as missing until the brightness of every detail
    has come once.
    """
    image = JpegImageFile(TimedBytes(data + END_OF_JPEG))
    image.load()
    if image.info.get("progressive"):
        return image, 0.0 if _detail_has_come(data) else 1.0
    strict = JpegImageFile(TimedBytes(data))
    strict.im = Image.core.fill(strict.mode, strict.size, _UNTOUCHED[len(strict.getbands())])
    with suppress(OSError):
        strict.load()
    rows = np.asarray(Image.Image()._new(strict.im)).reshape(strict.height, -1, len(strict.getbands()))
    missing = int((rows == _UNTOUCHED[rows.shape[2]]).all(axis=(1, 2)).sum())
    return image, max(0, missing - _HELD_BACK) / strict.height


def _detail_has_come(data: bytes) -> bool:
    """Whether a progressive JPEG's scans cover all 63 frequencies of its first component (ITU-T T.81, B.2.3).

    The last scan does not count, as it may be cut.
    """
    seen: set[int] = set()
    before: set[int] = set()
    at = data.find(_SCAN)
    while 0 <= at < len(data) - 16:
        components = data[at + 4]
        first = components and data[at + 5] == data[data.find(_SCAN) + 5]
        begin, end = data[at + 5 + 2 * components : at + 7 + 2 * components]
        before = set(seen)
        if first and components == 1:
            seen.update(range(begin, end + 1))
        at = data.find(_SCAN, at + 2)
    return set(range(1, 64)) <= before
