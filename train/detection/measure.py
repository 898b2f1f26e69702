"""How well one detector finds the faces that another one finds."""

from collections import defaultdict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cyclegan_core.faces.detection import Detector
from cyclegan_core.faces.face import Face
from train.detection.mosaics import Mosaics

MOSAICS, SIDE = 150, 640
MOVED = 3  # pixels by which a picture is moved, to see how far a detector agrees with itself
SAME_FACE = 0.45  # intersection over union
SIZES = (8, 16, 24, 48, 96, 1000)  # pixels: limits of the groups by the shorter side of the face's box


class Moved:
    """A detector that sees every picture moved by some pixels: as it then disagrees with itself, so may others."""

    def __init__(self, detector: Detector, pixels: int = MOVED) -> None:
        self.name, self._detector, self._pixels = f"{detector.name}, moved", detector, pixels

    def detect(self, picture: NDArray[np.uint8]) -> list[Face]:
        """Faces of an RGB uint8 (H, W, 3) picture, in its own coordinates."""
        return [
            Face(tuple(edge - self._pixels for edge in face.box), face.score, face.landmarks - self._pixels)  # type: ignore[arg-type]
            for face in self._detector.detect(np.roll(picture, (self._pixels, self._pixels), (0, 1)))
        ]


def measure(
    student: Detector, teacher: Detector, mosaics: Mosaics, count: int = MOSAICS, *, turn: bool = True
) -> dict[str, Any]:
    """Recall, share of false faces and landmark error of the student, by the teacher's faces on upright mosaics.

    turn: the student sees each mosaic in one of the four orientations. Landmark errors are mean distances in shares of
    the distance of the eyes.
    """
    found: dict[str, list[bool]] = defaultdict(list)
    errors: list[float] = []
    false = total = 0
    for number in range(count):
        random = np.random.default_rng((1, number))
        picture = mosaics.draw(SIDE, random)
        expected = teacher.detect(picture)
        quarters = number % 4 if turn else 0
        answers = student.detect(np.ascontiguousarray(np.rot90(picture, quarters)))
        turned = [_turned(face, SIDE, quarters) for face in expected]
        taken = set()
        for face in turned:
            overlaps = [_overlap(face, answer) for answer in answers]
            best = int(np.argmax(overlaps)) if overlaps else -1
            hit = best >= 0 and overlaps[best] > SAME_FACE
            side = min(face.width, face.height)
            if side < SIZES[0]:
                taken.add(best if hit else -1)
                continue
            limit = next(upper for upper in SIZES[1:] if side < upper)
            lower = SIZES[SIZES.index(limit) - 1]
            found[f"{lower} to {limit} pixels"].append(hit)
            if side >= 24:
                found["from 24 pixels"].append(hit)
                found[f"from 24 pixels, turned by {90 * quarters} degrees"].append(hit)
            if hit:
                taken.add(best)
                if side >= 24:
                    errors.append(_landmark_error(face, answers[best]))
        false += sum(index not in taken for index in range(len(answers)))
        total += len(answers)
    return {
        "recall": {name: [round(float(np.mean(hits)), 4), len(hits)] for name, hits in sorted(found.items())},
        "false": [round(false / max(total, 1), 4), total],
        "landmark_error": {
            "mean": round(float(np.mean(errors)), 4),
            "95 %": round(float(np.quantile(errors, 0.95)), 4),
        },
    }


def _turned(face: Face, size: int, quarters: int) -> Face:
    """The face after `np.rot90(picture, quarters)` of a square picture."""
    points = np.concatenate([np.array(face.box).reshape(2, 2), face.landmarks])
    for _ in range(quarters):
        points = np.stack([points[:, 1], size - points[:, 0]], 1)
    (left, top), (right, bottom) = points[:2].min(0).tolist(), points[:2].max(0).tolist()
    return Face((left, top, right, bottom), face.score, points[2:].astype(np.float32))


def _overlap(a: Face, b: Face) -> float:
    width = min(a.box[2], b.box[2]) - max(a.box[0], b.box[0])
    height = min(a.box[3], b.box[3]) - max(a.box[1], b.box[1])
    common = max(width, 0.0) * max(height, 0.0)
    return common / max(a.width * a.height + b.width * b.height - common, 1e-9)


def _landmark_error(expected: Face, given: Face) -> float:
    eyes: NDArray[np.float32] = expected.landmarks[0] - expected.landmarks[1]
    distances = np.linalg.norm(expected.landmarks - given.landmarks, axis=1)
    return float(distances.mean() / max(float(np.linalg.norm(eyes)), 1e-6))
