"""Finding the faces of a picture that is much longer than wide: a panorama, or a screenshot of a whole page.

Seen as a whole, its faces would be reduced to a few pixels.
"""

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from cyclegan_core.faces.face import Face

LONG = 2.5  # ratio of the sides from which a picture is long
LEAST_LENGTH = 1280  # pixels; the detectors see shorter pictures in their full size
PART = 1.5  # length of a part, in widths of the picture
OVERLAP = 0.5  # of neighbouring parts, in widths of the picture
MOST_PARTS = 32
SAME_FACE = 0.5  # share of the smaller box that two boxes of one face have in common


def is_long(picture: NDArray[np.uint8]) -> bool:
    """Whether an RGB uint8 (H, W, 3) picture is to be searched in parts."""
    shorter, longer = sorted(picture.shape[:2])
    return longer > LONG * shorter and longer > LEAST_LENGTH


def part_length(picture: NDArray[np.uint8]) -> int:
    """Length in pixels of the parts of a long picture; the longest side of any other."""
    shorter, longer = sorted(picture.shape[:2])
    if not is_long(picture):
        return longer
    return math.ceil(max(PART * shorter, longer / MOST_PARTS + OVERLAP * shorter))


def detect_in_parts(detect: Callable[[NDArray[np.uint8]], list[Face]], picture: NDArray[np.uint8]) -> list[Face]:
    """Faces of a long RGB uint8 (H, W, 3) picture, with the best score first.

    detect: finds the faces of one part. The whole picture is searched as well, for faces that fill its width and are
    cut by every part.
    """
    upright = picture.shape[0] > picture.shape[1]
    shorter, longer = sorted(picture.shape[:2])
    length = part_length(picture)
    count = math.ceil((longer - length) / (length - OVERLAP * shorter)) + 1
    found = detect(picture)
    for start in np.linspace(0, longer - length, count).astype(int).tolist():
        part = picture[start : start + length] if upright else picture[:, start : start + length]
        dx, dy = (0, start) if upright else (start, 0)
        for face in detect(np.ascontiguousarray(part)):
            low, high = (face.box[1], face.box[3]) if upright else (face.box[0], face.box[2])
            cut = (low < 0 < start) or (high > length and start + length < longer)
            if not cut:  # the neighbouring part has more of it
                left, top, right, bottom = face.box
                box = left + dx, top + dy, right + dx, bottom + dy
                found.append(Face(box, face.score, face.landmarks + np.array((dx, dy), np.float32)))
    faces: list[Face] = []
    for face in sorted(found, key=lambda face: -face.score):
        if all(_in_common(face, other) < SAME_FACE for other in faces):
            faces.append(face)
    return faces


def _in_common(face: Face, other: Face) -> float:
    width = min(face.box[2], other.box[2]) - max(face.box[0], other.box[0])
    height = min(face.box[3], other.box[3]) - max(face.box[1], other.box[1])
    smaller = min(face.width * face.height, other.width * other.height)
    return max(width, 0) * max(height, 0) / max(smaller, 1e-9)
