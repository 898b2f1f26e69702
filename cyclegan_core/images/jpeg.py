"""JPEG files whose end is missing, as after a broken copy: every viewer shows what there is of them."""

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from PIL.JpegImagePlugin import JpegImageFile

from cyclegan_core.images.files import TimedBytes

END_IS_MISSING = "the end of this file is missing"
_LARGEST_MISSING_PART = 1 / 16  # of the pixels
_COARSEST_BIT = 1  # lowest bit of the coefficients that a progressive file must have given


def decode_without_end(data: bytes) -> Image.Image | None:
    """The decoded picture of a JPEG that ends too early, or None where a good part of it is gone.

    A baseline file lacks its last rows, which libjpeg leaves in the grey of empty blocks; of a progressive file all
    rows are there, and its last scans, which hold the details, are missing.
    """
    image = JpegImageFile(TimedBytes(data + b"\xff\xd9"))
    if image.info.get("progressive") and not _is_detailed(data):
        return None
    image.load()
    return image if _missing_part(np.asarray(image)) <= _LARGEST_MISSING_PART else None


def _missing_part(pixels: NDArray[np.uint8]) -> float:
    """Share of the pixels at the end, read row by row, that have the grey of empty blocks."""
    empty = (pixels == 128) | (pixels == 127)  # 127 where Pillow inverts CMYK
    if empty.ndim == 3:
        empty = empty.all(2)
    missing = 0
    for row in empty[::-1]:
        run = len(row) if row.all() else int(row[::-1].argmin())  # of empty pixels at the row's end
        if run == 0:
            break
        missing += run
    return missing / empty.size


def _is_detailed(data: bytes) -> bool:
    """Whether the finished scans of a progressive file hold all coefficients of all components but the last bit."""
    lowest: dict[int, list[int]] = {}
    scan: tuple[bytes, int, int, int] | None = None
    at = 2
    while (at := data.find(b"\xff", at)) >= 0 and at + 4 <= len(data):
        marker = data[at + 1]
        if marker in (0x00, 0xFF, 0x01) or 0xD0 <= marker <= 0xD8:  # within entropy-coded data, or fill
            at += 1 if marker == 0xFF else 2
            continue
        if scan is not None:  # another marker follows: the scan before it is whole
            components, first, last, bit = scan
            for component in components:
                lowest.setdefault(component, [99] * 64)[first : last + 1] = [bit] * (last - first + 1)
            scan = None
        length = int.from_bytes(data[at + 2 : at + 4], "big")
        segment = data[at + 4 : at + 2 + length]
        if marker == 0xC2:
            lowest = {segment[6 + 3 * index]: [99] * 64 for index in range(segment[5])}
        elif marker == 0xDA:
            count = segment[0]
            first, last, bits = segment[1 + 2 * count : 4 + 2 * count]
            scan = segment[1 : 1 + 2 * count : 2], first, last, bits & 15
        at += 2 + length
    return bool(lowest) and max(map(max, lowest.values())) <= _COARSEST_BIT
