"""Finding the faces of a picture, upright or turned by a quarter, with the best detector at hand."""

import math
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from cyclegan_core.faces import detector_weights
from cyclegan_core.faces.alignment import TIGHT_TEMPLATE, fit_similarity
from cyclegan_core.faces.detector_weights import read_published
from cyclegan_core.faces.embedded_detector import EmbeddedDetector
from cyclegan_core.faces.face import Face
from cyclegan_core.faces.long_pictures import detect_in_parts, is_long, part_length
from cyclegan_core.faces.retinaface import RetinaFaceDetector
from cyclegan_core.images.shrinking import shrink

# RMS distance of aligned landmarks from the template, as a fraction of the crop. Measured with RetinaFace: 99 % of
# upright faces stay under 0.07; a face seen in a wrongly turned picture is mostly above, or has a low score.
CERTAIN_ERROR, CERTAIN_SCORE, CERTAIN_ROLL = 0.07, 0.98, 60.0
# Beyond this the five points are not a face that can be aligned: a profile seen from behind, or nonsense.
LARGEST_ERROR = 0.16
TURNED_SIDE = 640  # longest side at which turned views are compared: they cost as much as the upright one, thrice


class Detector(Protocol):
    """What finds faces in a picture. Its methods may be called from several threads at once."""

    @property
    def name(self) -> str:
        """The name that is shown to people."""

    def detect(self, picture: NDArray[np.uint8]) -> list[Face]:
        """Faces of an RGB uint8 (H, W, 3) picture, with the best score first."""


def find_detector() -> Detector:
    """RetinaFace with the published weights where they are at hand, else with those embedded. Downloads nothing."""
    weights = detector_weights.find()
    return RetinaFaceDetector(read_published(weights)) if weights else EmbeddedDetector()


def find_faces(detector: Detector, picture: NDArray[np.uint8]) -> list[Face]:
    """Faces of an RGB uint8 (H, W, 3) picture that can be aligned, from left to right.

    Where no upright face is certain the picture is tried turned by 90, 270 and 180 degrees as well: photographs
    without an EXIF orientation often lie on their side. A picture that is much longer than wide, such as a panorama, is
    searched in overlapping parts.
    """
    faces = _detect(detector, picture)
    if not any(_certain(face) for face in faces):
        quarters = _best_orientation(detector, picture, faces)
        if quarters:
            height, width = picture.shape[:2]
            turned = _detect(detector, np.ascontiguousarray(np.rot90(picture, quarters)))
            faces = [_turn_back(face, height, width, quarters) for face in turned]
    return sorted(filter(can_be_aligned, faces), key=lambda face: face.box[0])


def can_be_aligned(face: Face) -> bool:
    """Whether the five landmarks lie as those of a face do. What is no face to a generator mostly fails this."""
    return _fit(face)[0] < LARGEST_ERROR


def _detect(detector: Detector, picture: NDArray[np.uint8]) -> list[Face]:
    return detect_in_parts(detector.detect, picture) if is_long(picture) else detector.detect(picture)


def _best_orientation(detector: Detector, picture: NDArray[np.uint8], upright: list[Face]) -> int:
    """Anticlockwise quarters after which the picture shows its faces best; 0 where no view is better than upright."""
    scale = min(1.0, TURNED_SIDE / part_length(picture))
    size = max(1, round(picture.shape[1] * scale)), max(1, round(picture.shape[0] * scale))
    small = shrink(picture, *size)[0] if scale < 1 else picture
    evidence = {0: _evidence(upright) * small.shape[0] / picture.shape[0]}
    for quarters in (1, 3, 2):
        evidence[quarters] = _evidence(_detect(detector, np.ascontiguousarray(np.rot90(small, quarters))))
    return max(evidence, key=lambda quarters: evidence[quarters])  # the first of equals: upright


def _fit(face: Face) -> tuple[float, float]:
    """Distance of the aligned landmarks from the template, and the roll in degrees."""
    matrix, error = fit_similarity(face.landmarks, np.array(TIGHT_TEMPLATE))
    return error, math.degrees(math.atan2(matrix[1, 0], matrix[0, 0]))


def _certain(face: Face) -> bool:
    error, roll = _fit(face)
    return face.score >= CERTAIN_SCORE and error < CERTAIN_ERROR and abs(roll) < CERTAIN_ROLL


def _evidence(faces: list[Face]) -> float:
    """How much faces look like the upright truth: certainty and size, weighed by fit and by standing upright.

    A score of 0.9999 counts more than twice as much as one of 0.98: a face that stands on its head gets that.
    """

    def weight(face: Face) -> float:
        error, roll = _fit(face)
        upright = max(math.cos(math.radians(roll)), 0)
        certainty = -math.log(max(1 - face.score, 1e-6))
        return certainty * face.width * math.exp(-((error / CERTAIN_ERROR) ** 2)) * upright

    return sum(map(weight, faces))


def _turn_back(face: Face, height: int, width: int, quarters: int) -> Face:
    """A face of `np.rot90(picture, quarters)` in the coordinates of the picture, whose size is given."""

    def back(points: NDArray[np.floating]) -> NDArray[np.floating]:
        for _ in range(quarters % 4):
            # One quarter clockwise, undoing one of np.rot90; the sides of the view swap with every quarter.
            points = np.stack([-points[:, 1], points[:, 0]], axis=1)
        shift = {0: (0, 0), 1: (width - 1, 0), 2: (width - 1, height - 1), 3: (0, height - 1)}[quarters % 4]
        return points + np.array(shift)

    corners = back(np.array(face.box, np.float64).reshape(2, 2))
    (left, top), (right, bottom) = corners.min(0).tolist(), corners.max(0).tolist()
    return Face((left, top, right, bottom), face.score, back(face.landmarks).astype(np.float32))
