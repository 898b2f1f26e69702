"""Face detection by the Haar cascades that come inside OpenCV's wheel: needs no weights, finds frontal faces only."""

import threading
from collections.abc import Callable
from itertools import combinations

import cv2
import numpy as np
from numpy.typing import NDArray

from cyclegan_core.faces.alignment import fit_similarity
from cyclegan_core.faces.face import Face

# Mean landmarks as fractions of the box of `haarcascade_frontalface_default`, measured against RetinaFace's landmarks.
MEAN_SHAPE = np.array([(0.312, 0.385), (0.688, 0.385), (0.5, 0.617), (0.335, 0.757), (0.665, 0.757)])

DETECTION_SIDE = 1024  # longest side that the cascades see: they cost time by area
SMALLEST_FACE = 24  # pixels; the cascade was trained on 24x24
# A level weight below this, with no pair of eyes in the box, is a wall or a shirt more often than a face.
SURE_WEIGHT = 4.5
NMS_THRESHOLD = 0.3
TILT = 25.0  # degrees; upright search itself covers about 15 to either side
TILTED_SIDE = 640  # longest side at which tilted heads are looked for: a last resort, for portraits
EYE_SIDE = 160  # the box is brought to this width before eyes are looked for


class HaarDetector:
    """Finds frontal faces and estimates their landmarks from the eyes. Calls from several threads take turns."""

    name = "Haar cascades"

    def __init__(self) -> None:
        folder = cv2.data.haarcascades  # type: ignore[attr-defined, unused-ignore]  # a package that cv2 fills in itself
        self._face = cv2.CascadeClassifier(folder + "haarcascade_frontalface_default.xml")
        self._eyes = [
            cv2.CascadeClassifier(folder + "haarcascade_eye.xml"),
            cv2.CascadeClassifier(folder + "haarcascade_eye_tree_eyeglasses.xml"),
        ]
        self._lock = threading.Lock()  # a CascadeClassifier keeps buffers of the picture it works on

    def detect(self, picture: NDArray[np.uint8]) -> list[Face]:
        """Faces of an RGB uint8 (H, W, 3) picture, best score first.

        The cascades know upright faces only. Where they find none, heads that are tilted to either side are tried.
        """
        grey = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)
        scale = min(1.0, DETECTION_SIDE / max(grey.shape))
        small = cv2.resize(grey, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA) if scale < 1 else grey
        with self._lock:
            faces = self._detect_upright(small)
            if not faces:
                faces = max((self._detect_tilted(small, tilt) for tilt in (-TILT, TILT)), key=_total_score)
        stretch = np.array([grey.shape[1] / small.shape[1], grey.shape[0] / small.shape[0]])
        return [_moved(face, lambda points: points * stretch) for face in faces]

    def _detect_tilted(self, grey: NDArray[np.uint8], tilt: float) -> list[Face]:
        """Faces found after turning the picture by `tilt` degrees, in the coordinates of the unturned one."""
        shrink = min(1.0, TILTED_SIDE / max(grey.shape))
        if shrink < 1:
            smaller = cv2.resize(grey, None, fx=shrink, fy=shrink, interpolation=cv2.INTER_AREA)
            stretch = np.array([grey.shape[1] / smaller.shape[1], grey.shape[0] / smaller.shape[0]])
            return [_moved(face, lambda p: p * stretch) for face in self._detect_tilted(smaller, tilt)]
        height, width = grey.shape
        turn = cv2.getRotationMatrix2D(((width - 1) / 2, (height - 1) / 2), tilt, 1.0)
        back = cv2.invertAffineTransform(turn)
        turned = cv2.warpAffine(grey, turn, (width, height), borderMode=cv2.BORDER_REPLICATE)
        return [_moved(face, lambda p: p @ back[:, :2].T + back[:, 2]) for face in self._detect_upright(turned)]

    def _detect_upright(self, grey: NDArray[np.uint8]) -> list[Face]:
        boxes, _, weights = self._face.detectMultiScale3(
            cv2.equalizeHist(grey),
            scaleFactor=1.1,
            minNeighbors=4,
            minSize=(SMALLEST_FACE, SMALLEST_FACE),
            outputRejectLevels=True,
        )
        candidates = [
            self._examine(grey, np.asarray(box, np.float64), float(weight))
            for box, weight in zip(boxes, weights, strict=True)
        ]
        faces = [face for face in candidates if face is not None]
        if not faces:
            return []
        xywh = [[*face.box[:2], face.width, face.height] for face in faces]
        kept = cv2.dnn.NMSBoxes(xywh, [face.score for face in faces], 0.0, NMS_THRESHOLD)
        return [faces[i] for i in np.asarray(kept).reshape(-1)]

    def _examine(self, grey: NDArray[np.uint8], box: NDArray[np.float64], weight: float) -> Face | None:
        eyes = self._find_eyes(grey, box)
        if eyes is None and weight < SURE_WEIGHT:
            return None
        x, y, width, height = box
        shape = MEAN_SHAPE * (width, height) + (x, y)
        if eyes is not None:
            to_eyes, _ = fit_similarity(shape[:2], eyes)
            shape = shape @ to_eyes[:, :2].T + to_eyes[:, 2]
        # Two eyes where eyes belong are as good as certain; a box alone never is.
        weight = max(weight, 0.0)
        score = weight / (weight + 2) if eyes is None else 1 - 0.02 / (1 + weight)
        return Face((x, y, x + width, y + height), score, shape.astype(np.float32))

    def _find_eyes(self, grey: NDArray[np.uint8], box: NDArray[np.float64]) -> NDArray[np.float64] | None:
        """Centres (2, 2) of the most face-like pair of eyes in the upper part of the box."""
        x, y, width, height = box
        left, top = max(int(x), 0), max(int(y + 0.12 * height), 0)
        part = grey[top : int(y + 0.62 * height), left : int(x + width)]
        if min(part.shape) < 4:
            return None
        scale = EYE_SIDE / width
        part = cv2.equalizeHist(cv2.resize(part, None, fx=scale, fy=scale, interpolation=cv2.INTER_LINEAR))
        centres = []
        for cascade in self._eyes:
            found = cascade.detectMultiScale(
                part, 1.08, 3, minSize=(EYE_SIDE // 8, EYE_SIDE // 8), maxSize=(EYE_SIDE // 2, EYE_SIDE // 2)
            )
            centres += [((ex + ew / 2) / scale + left, (ey + eh / 2) / scale + top) for ex, ey, ew, eh in found]
        expected = MEAN_SHAPE[:2] * (width, height) + (x, y)
        pairs = [np.array(sorted(pair)) for pair in combinations(centres, 2)]
        if not pairs:
            return None
        errors = [float(np.abs(pair - expected).max()) / width for pair in pairs]
        best = int(np.argmin(errors))
        return pairs[best] if errors[best] < 0.13 else None


def _total_score(faces: list[Face]) -> float:
    return sum(face.score for face in faces)


def _moved(face: Face, move: Callable[[NDArray[np.floating]], NDArray[np.floating]]) -> Face:
    """The face in other coordinates; its box keeps its shape and goes along with its centre."""
    left, top, right, bottom = face.box
    corners = np.array([(left, top), (right, top), (left, bottom)], np.float64)
    centre = move(np.array([((left + right) / 2, (top + bottom) / 2)]))[0]
    moved = move(corners)
    half = (np.linalg.norm(moved[1] - moved[0]) / 2, np.linalg.norm(moved[2] - moved[0]) / 2)
    box = (*(centre - half).tolist(), *(centre + half).tolist())
    return Face((box[0], box[1], box[2], box[3]), face.score, move(face.landmarks).astype(np.float32))
