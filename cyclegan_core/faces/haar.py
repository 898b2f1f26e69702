"""Face detection that needs no download: OpenCV's Haar cascade proposes, a small network of our own decides and places.

The cascade comes inside OpenCV's wheel and finds frontal faces; it has no landmarks, and takes walls for faces.
"""

import threading

import cv2
import numpy as np
from numpy.typing import NDArray

from cyclegan_core.faces.alignment import fit_similarity
from cyclegan_core.faces.face import Face
from cyclegan_core.faces.landmark_net import LandmarkFinder

# Mean landmarks as fractions of the box of `haarcascade_frontalface_default`, measured against RetinaFace's landmarks.
MEAN_SHAPE = np.array([(0.312, 0.385), (0.688, 0.385), (0.5, 0.617), (0.335, 0.757), (0.665, 0.757)])

DETECTION_SIDE = 1024  # longest side that the cascade sees: it costs time by area
SMALLEST_FACE = 24  # pixels; the cascade was trained on 24x24
# Overlapping hits that make a proposal: few, as the network refuses what is no face.
NEIGHBOURS = 4
LEAST_SCORE = 0.85  # of the network
NMS_THRESHOLD = 0.3
BORDER = 0.2  # of the shorter side, that is mirrored at the edges to find faces that they cut
TILT = 25.0  # degrees; upright search itself covers about 15 to either side
TILTED_SIDE = 640  # longest side at which tilted heads are looked for: a last resort, for portraits


class HaarDetector:
    """Finds frontal faces and their landmarks. Calls from several threads take turns at the cascade."""

    name = "Haar cascades"

    def __init__(self) -> None:
        folder = cv2.data.haarcascades  # type: ignore[attr-defined, unused-ignore]  # a package that cv2 fills in itself
        self._cascade = cv2.CascadeClassifier(folder + "haarcascade_frontalface_default.xml")
        self._landmarks = LandmarkFinder()
        self._lock = threading.Lock()  # a CascadeClassifier keeps buffers of the picture it works on

    def detect(self, picture: NDArray[np.uint8]) -> list[Face]:
        """Faces of an RGB uint8 (H, W, 3) picture, best score first.

        The cascade knows whole, upright faces only. Where none is found, faces that the edge of the picture cuts are
        tried, then heads that are tilted to either side.
        """
        grey = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)
        scale = min(1.0, DETECTION_SIDE / max(grey.shape))
        size = max(1, round(grey.shape[1] * scale)), max(1, round(grey.shape[0] * scale))
        small = cv2.resize(grey, size, interpolation=cv2.INTER_AREA) if scale < 1 else grey
        stretch = np.array([grey.shape[1] / small.shape[1], grey.shape[0] / small.shape[0]])
        faces = self._decide(picture, self._propose(small) * stretch)
        if not faces:
            faces = self._decide(picture, self._propose_cut(small) * stretch)
        if not faces:
            tilted = [self._propose_tilted(small, tilt) * stretch for tilt in (-TILT, TILT)]
            faces = self._decide(picture, np.concatenate(tilted))
        return faces

    def _propose(self, grey: NDArray[np.uint8]) -> NDArray[np.float64]:
        """Guesses of landmarks (N, 5, 2) in pixels: a mean face in every box."""
        with self._lock:
            found = self._cascade.detectMultiScale(
                cv2.equalizeHist(grey), 1.1, NEIGHBOURS, minSize=(SMALLEST_FACE, SMALLEST_FACE)
            )
        boxes = np.asarray(found, np.float64).reshape(-1, 4)
        return boxes[:, None, :2] + MEAN_SHAPE * boxes[:, None, 2:]

    def _propose_cut(self, grey: NDArray[np.uint8]) -> NDArray[np.float64]:
        """Guesses near the edges, where the picture goes on mirrored: half a face and its mirror image are one."""
        border = int(BORDER * min(grey.shape))
        wider = cv2.copyMakeBorder(grey, border, border, border, border, cv2.BORDER_REFLECT)
        guesses = self._propose(np.asarray(wider, np.uint8)) - border
        centres = guesses.mean(axis=1)
        inside = (centres >= 0) & (centres < grey.shape[::-1])
        return guesses[inside.all(axis=1)]

    def _propose_tilted(self, grey: NDArray[np.uint8], tilt: float) -> NDArray[np.float64]:
        """Guesses after turning the picture by `tilt` degrees, in the coordinates of the unturned one."""
        shrink = min(1.0, TILTED_SIDE / max(grey.shape))
        size = (max(1, round(grey.shape[1] * shrink)), max(1, round(grey.shape[0] * shrink)))
        smaller = cv2.resize(grey, size, interpolation=cv2.INTER_AREA)
        turn = cv2.getRotationMatrix2D(((size[0] - 1) / 2, (size[1] - 1) / 2), tilt, 1.0)
        back = cv2.invertAffineTransform(turn)
        guesses = self._propose(cv2.warpAffine(smaller, turn, size, borderMode=cv2.BORDER_REPLICATE))
        return (guesses @ back[:, :2].T + back[:, 2]) * (grey.shape[1] / size[0], grey.shape[0] / size[1])

    def _decide(self, picture: NDArray[np.uint8], guesses: NDArray[np.float64]) -> list[Face]:
        """The guesses that are faces, each once and with its landmarks in place, best first."""
        landmarks, scores = self._landmarks.refine(picture, guesses)
        faces = [_face(*found) for found in zip(landmarks, scores.tolist(), strict=True) if found[1] >= LEAST_SCORE]
        if not faces:
            return []
        xywh = [[*face.box[:2], face.width, face.height] for face in faces]
        kept = cv2.dnn.NMSBoxes(xywh, [face.score for face in faces], 0.0, NMS_THRESHOLD)
        return [faces[i] for i in np.asarray(kept).reshape(-1)]


def _face(landmarks: NDArray[np.float32], score: float) -> Face:
    """A face whose box lies about its landmarks as the cascade's boxes do, but stays upright."""
    matrix, _ = fit_similarity(MEAN_SHAPE, landmarks)
    x, y = matrix[:, :2] @ (0.5, 0.5) + matrix[:, 2]
    half = float(np.hypot(matrix[0, 0], matrix[1, 0])) / 2
    return Face((x - half, y - half, x + half, y + half), score, landmarks)
