"""Face detection that needs no download: RetinaFace with weights of our own proposes, a small network decides.

The weights know nearly all faces that the published ones know, but place landmarks less well and take some walls for
faces. `detector.md` and `landmarks.md` tell how good both networks are.
"""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cyclegan_core.faces.face import Face
from cyclegan_core.faces.landmark_net import LandmarkFinder
from cyclegan_core.faces.retinaface import RetinaFaceDetector

WEIGHTS = Path(__file__).with_name("detector.safetensors")
PROPOSAL_SCORE = 0.75  # of RetinaFace
LEAST_SCORE = 0.9  # of the landmark network
SAME_FACE = 0.3  # distance of two faces' middles, in widths of the larger one


class EmbeddedDetector:
    """Finds faces and their landmarks. Holds no state between calls, so several threads may share one.

    weights: of the network that proposes, as `train/detector.py` writes them.
    """

    name = "RetinaFace mobile0.25, embedded"

    def __init__(self, weights: Path = WEIGHTS) -> None:
        self._proposer = RetinaFaceDetector.load(weights, name=self.name, threshold=PROPOSAL_SCORE)
        self._landmarks = LandmarkFinder()

    def detect(self, picture: NDArray[np.uint8]) -> list[Face]:
        """Faces of an RGB uint8 (H, W, 3) picture, best score first."""
        proposed = self._proposer.detect(picture)
        if not proposed:
            return []
        landmarks, scores = self._landmarks.refine(picture, np.stack([face.landmarks for face in proposed]))
        faces = [
            Face(face.box, score, points)
            for face, score, points in zip(proposed, scores.tolist(), landmarks, strict=True)
            if score >= LEAST_SCORE
        ]
        kept: list[Face] = []
        # Of proposals that the landmarks draw to one face, the first was RetinaFace's best.
        for face in faces:
            if not any(_are_same(face, other) for other in kept):
                kept.append(face)
        return sorted(kept, key=lambda face: -face.score)


def _are_same(a: Face, b: Face) -> bool:
    distance = np.linalg.norm(a.landmarks.mean(0) - b.landmarks.mean(0))
    return bool(distance < SAME_FACE * max(a.width, b.width))
