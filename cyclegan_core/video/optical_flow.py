"""Following a face from one frame to the next by optical flow: a tenth of what finding it again costs."""

from itertools import combinations

import cv2
import numpy as np
from numpy.typing import NDArray

from cyclegan_core.faces.alignment import TIGHT_TEMPLATE, align, fit_similarity

TEMPLATE = np.array(TIGHT_TEMPLATE)
PATCH = 24  # side of the piece by which a face is recognised, in pixels
# Correlation with the face as it was last detected, below which flow has slid off it. A nod or a smile stays above 0.7.
ALIKE = 0.5
LEAST_POINTS = 6  # of the probes that must be found again
RETURN_ERROR = 0.03  # as a fraction of the face: how far from its start a probe may come back
SMALLEST_SIZE = 5.0  # pixels of a face; nothing can be told apart in a smaller one
LARGEST_ZOOM = 1.35  # from one frame to the next

# Where the motion is probed, as weights of the landmarks: on them, between any two, and on both brows.
_PROBES = np.concatenate(
    [
        np.eye(5),
        [np.eye(5)[list(pair)].mean(0) for pair in combinations(range(5), 2)],
        np.array([[1.3, 0, 0, -0.3, 0], [0, 1.3, 0, 0, -0.3]]),
    ]
)


def face_size(landmarks: NDArray[np.floating]) -> float:
    """Side of the square around the face, from brows to chin, in the unit of the landmarks (5, 2)."""
    matrix, _ = fit_similarity(TEMPLATE, landmarks)
    return float(np.hypot(matrix[0, 0], matrix[1, 0]))


def follow(
    before: NDArray[np.uint8], now: NDArray[np.uint8], landmarks: NDArray[np.floating]
) -> NDArray[np.float64] | None:
    """Where the landmarks (5, 2) of a face in the last frame are now, or None where they cannot be followed.

    before, now: grey uint8 (H, W). Pyramidal Lucas-Kanade, forwards and backwards; the face moves as a whole, by the
    similarity transform that most probes agree on, so that a blink or a word does not pull at it.
    """
    size = face_size(landmarks)
    if size < SMALLEST_SIZE:
        return None
    probes = (_PROBES @ landmarks).astype(np.float32).reshape(-1, 1, 2)
    window = int(np.clip(size / 4, 4, 10)) * 2 + 1
    options = {"winSize": (window, window), "maxLevel": 3}
    moved, found, _ = cv2.calcOpticalFlowPyrLK(before, now, probes, None, **options)  # type: ignore[call-overload]
    back, found_back, _ = cv2.calcOpticalFlowPyrLK(now, before, moved, None, **options)  # type: ignore[call-overload]
    error = np.linalg.norm(back - probes, axis=2)[:, 0]
    inside = ((moved[:, 0] >= 0) & (moved[:, 0] < now.shape[::-1])).all(1)
    good = (found[:, 0] > 0) & (found_back[:, 0] > 0) & inside & (error < max(RETURN_ERROR * size, 0.5))
    if good.sum() < LEAST_POINTS:
        return None
    start, end = probes[good, 0], moved[good, 0]
    matrix, _ = fit_similarity(start, end)
    residual = np.linalg.norm(start @ matrix[:, :2].T + matrix[:, 2] - end, axis=1)
    kept = residual <= max(2 * float(np.median(residual)), 0.01 * size)
    if kept.sum() < LEAST_POINTS:
        return None
    matrix, _ = fit_similarity(start[kept], end[kept])
    if not 1 / LARGEST_ZOOM < np.hypot(matrix[0, 0], matrix[1, 0]) < LARGEST_ZOOM:
        return None
    return landmarks @ matrix[:, :2].T + matrix[:, 2]


def patch(grey: NDArray[np.uint8], landmarks: NDArray[np.floating]) -> NDArray[np.float32]:
    """The face as a small piece of zero mean and unit length, float32 (24, 24), whatever its size and the light."""
    matrix = align(landmarks, TEMPLATE, PATCH).matrix
    piece = cv2.warpAffine(grey, matrix, (PATCH, PATCH), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    centred = piece.astype(np.float32) - piece.mean(dtype=np.float32)
    return centred / max(float(np.linalg.norm(centred)), 1e-6)


def alike(a: NDArray[np.float32], b: NDArray[np.float32]) -> bool:
    """Whether two patches show the same face."""
    return float((a * b).sum()) > ALIKE
