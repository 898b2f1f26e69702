"""Averaging large pictures down, by halves as far as they go: these take OpenCV a tenth of the time of other shares."""

import math

import cv2
import numpy as np
from numpy.typing import NDArray


def fitted(picture: NDArray[np.uint8], side: int) -> NDArray[np.uint8]:
    """A uint8 (H, W, 3) picture, averaged down to at most `side` pixels on its longest side; no copy where it has."""
    scale = side / max(picture.shape)
    if scale >= 1:
        return picture
    height, width = (max(1, round(length * scale)) for length in picture.shape[:2])
    return shrink(picture, width, height)[0]


def shrink(picture: NDArray[np.uint8], width: int, height: int) -> tuple[NDArray[np.uint8], float, float]:
    """A uint8 (H, W, 3) picture, averaged down to uint8 (height, width, 3), sides of at least 1 and not above its own.

    Returns with it how many pixels of the picture one of the result's is wide and high. A few pixels at the right and
    at the bottom are left out where the sides cannot be halved to the end.
    """
    rows, columns = picture.shape[:2]
    halvings = int(math.log2(min(columns / width, rows / height)))
    rows, columns = (side >> halvings << halvings for side in (rows, columns))
    part = picture[:rows, :columns]
    for _ in range(halvings):
        part = cv2.resize(part, (part.shape[1] // 2, part.shape[0] // 2), interpolation=cv2.INTER_AREA)
    return cv2.resize(part, (width, height), interpolation=cv2.INTER_AREA), columns / width, rows / height
