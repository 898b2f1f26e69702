"""JPEGs whose last bytes are missing: what is left of them, and how much that is."""

import contextlib

import numpy as np
from PIL import Image
from PIL.JpegImagePlugin import JpegImageFile

from cyclegan_core.images.limits import TimedBytes

END_OF_JPEG, _SCAN = b"\xff\xd9", b"\xff\xda"
# By number of bands: colours that hardly a row of a photograph has from end to end.
_UNTOUCHED = {1: (3,), 3: (255, 0, 254), 4: (255, 0, 254, 1)}
_HELD_BACK = 24  # rows that the decoder has, but gives away only when it knows the next ones


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
    with contextlib.suppress(OSError):
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
