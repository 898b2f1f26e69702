"""Finding the faces of a picture, upright or turned by a quarter, with the best detector at hand."""

import math
from collections.abc import Callable
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from cyclegan_core.faces.alignment import TIGHT_TEMPLATE, fit_similarity
from cyclegan_core.faces.face import Face
from cyclegan_core.faces.haar import HaarDetector
from cyclegan_core.faces.retinaface import RetinaFaceDetector, weights_path

# RMS distance of aligned landmarks from the template, as a fraction of the crop. Measured with RetinaFace: 99 % of
# upright faces stay under 0.07; a face seen in a wrongly turned picture is mostly above, or has a low score.
CERTAIN_ERROR, CERTAIN_SCORE, CERTAIN_ROLL = 0.07, 0.98, 60.0
# Beyond this the five points are not a face that can be aligned: a profile seen from behind, or nonsense.
LARGEST_ERROR = 0.16


class Detector(Protocol):
    """Finds faces. `detect` takes RGB uint8 (H, W, 3); safe to call from several threads at once."""

    @property
    def name(self) -> str: ...

    def detect(self, picture: NDArray[np.uint8]) -> list[Face]: ...


def find_detector() -> Detector:
    """RetinaFace where facexlib's weights are at hand, else OpenCV's Haar cascades. Downloads nothing."""
    weights = weights_path()
    return RetinaFaceDetector(weights) if weights else HaarDetector()


def find_faces(detector: Detector, picture: NDArray[np.uint8]) -> list[Face]:
    """Faces of an RGB uint8 (H, W, 3) picture that can be aligned, from left to right.

    Where no upright face is certain the picture is tried turned by 90, 270 and 180 degrees as well: photographs
    without an EXIF orientation often lie on their side.
    """
    faces = detector.detect(picture)
    if not any(_certain(face) for face in faces):
        turned = [_detect_turned(detector, picture, quarters) for quarters in (1, 3, 2)]
        faces = max([faces, *turned], key=_evidence)  # the first of equals: upright
    kept = [face for face in faces if _fit(face)[0] < LARGEST_ERROR]
    return sorted(kept, key=lambda face: face.box[0])


def _fit(face: Face) -> tuple[float, float]:
    """Distance of the aligned landmarks from the template, and the roll in degrees."""
    matrix, error = fit_similarity(face.landmarks, np.array(TIGHT_TEMPLATE))
    return error, math.degrees(math.atan2(matrix[1, 0], matrix[0, 0]))


def _certain(face: Face) -> bool:
    error, roll = _fit(face)
    return face.score >= CERTAIN_SCORE and error < CERTAIN_ERROR and abs(roll) < CERTAIN_ROLL


def _evidence(faces: list[Face]) -> float:
    """How much a set of faces looks like the upright truth: score, weighed by fit and by standing upright."""

    def weight(face: Face) -> float:
        error, roll = _fit(face)
        return face.score * math.exp(-((error / CERTAIN_ERROR) ** 2)) * max(math.cos(math.radians(roll)), 0)

    return sum(map(weight, faces))


def _detect_turned(detector: Detector, picture: NDArray[np.uint8], quarters: int) -> list[Face]:
    """Faces found in the picture turned anticlockwise by quarters, in the coordinates of the unturned picture."""
    height, width = picture.shape[:2]
    back = _turn_back(height, width, quarters)
    faces = []
    for face in detector.detect(np.ascontiguousarray(np.rot90(picture, quarters))):
        x0, y0, x1, y1 = face.box
        corners = back(np.array([(x0, y0), (x1, y1)]))
        (left, top), (right, bottom) = corners.min(0).tolist(), corners.max(0).tolist()
        faces.append(Face((left, top, right, bottom), face.score, back(face.landmarks).astype(np.float32)))
    return faces


def _turn_back(height: int, width: int, quarters: int) -> Callable[[NDArray[np.floating]], NDArray[np.floating]]:
    """Takes points (N, 2) of `np.rot90(picture, quarters)` to points of the picture of the given size."""

    def back(points: NDArray[np.floating]) -> NDArray[np.floating]:
        x, y = points[:, 0], points[:, 1]
        if quarters == 1:
            return np.stack([width - 1 - y, x], axis=1)
        if quarters == 2:
            return np.stack([width - 1 - x, height - 1 - y], axis=1)
        return np.stack([y, height - 1 - x], axis=1)

    return back
