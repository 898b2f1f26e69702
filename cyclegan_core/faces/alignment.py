"""From a face in a picture to the crop that a generator sees, by a transform onto five points."""

import math
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from cyclegan_core.images.shrinking import shrink

# Mean landmarks of UTKFace's aligned chips as fractions of the crop, made symmetric: tight, from brows to chin.
TIGHT_TEMPLATE = ((0.305, 0.295), (0.695, 0.295), (0.5, 0.52), (0.33, 0.684), (0.67, 0.684))
# The same face smaller: room for hair, ears and neck, and the mouth where anime faces (selfie2anime) have theirs.
WIDE_TEMPLATE = ((0.38, 0.41), (0.62, 0.41), (0.5, 0.548), (0.395, 0.65), (0.605, 0.65))
# The wide one enlarged by 1 / 0.85 about its middle: hair and chin still fit, and the face has 38 % more pixels.
MEDIUM_TEMPLATE = ((0.359, 0.395), (0.641, 0.395), (0.5, 0.558), (0.376, 0.678), (0.624, 0.678))
# The whole head with its hair, in a window that is taller than wide by HEAD_ASPECT: a face is squeezed until its chin
# lies nearly where a drawn one does. Squeezed by 1.2 they meet, but the drawing, laid back into its photograph, is a
# long face.
HEAD_TEMPLATE = ((0.3775, 0.415), (0.6225, 0.415), (0.5, 0.545), (0.392, 0.641), (0.608, 0.641))
HEAD_ASPECT = 1.1
MOST_ENLARGED = 8  # times, by cubic interpolation; linear goes on from there


@dataclass(frozen=True, eq=False)
class Alignment:
    """An affine transform between a picture and a square crop: a similarity, or one that squeezes a taller window.

    matrix: float64 (2, 3), from pixels of the picture to pixels of the crop. size: side of the crop in pixels.
    """

    matrix: NDArray[np.float64]
    size: int

    @property
    def scale(self) -> float:
        """Pixels of the crop for one pixel of the picture; where it is squeezed, the mean of both directions."""
        return math.sqrt(abs(float(np.linalg.det(self.matrix[:, :2]))))

    @property
    def inverse(self) -> NDArray[np.float64]:
        """Float64 (2, 3), from pixels of the crop to pixels of the picture."""
        return cv2.invertAffineTransform(self.matrix)

    def at_size(self, size: int) -> "Alignment":
        """The same piece of the picture on a crop of another side."""
        # Pixel centres lie at half-integers of the area, so the corner of the crop is at -0.5.
        ratio = size / self.size
        matrix = self.matrix * ratio
        matrix[:, 2] += (ratio - 1) / 2
        return Alignment(matrix, size)

    def footprint(
        self, height: int, width: int, part: tuple[float, float, float, float] | None = None
    ) -> tuple[int, int, int, int] | None:
        """Left, top, right, bottom of the picture's pixels that the crop covers; None where it covers none.

        part: left, top, right, bottom of that part of the crop which counts, in its pixels; None for all of it.
        """
        x0, y0, x1, y1 = (edge - 0.5 for edge in part or (0, 0, self.size, self.size))
        corners = np.array([[x0, y0, 1], [x1, y0, 1], [x0, y1, 1], [x1, y1, 1]]) @ self.inverse.T
        left, top = np.floor(corners.min(0)).astype(int)
        right, bottom = np.ceil(corners.max(0)).astype(int) + 1
        left, top, right, bottom = max(left, 0), max(top, 0), min(right, width), min(bottom, height)
        return (int(left), int(top), int(right), int(bottom)) if left < right and top < bottom else None

    def crop(self, picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """The crop, RGB uint8 (size, size, 3), of an RGB uint8 (H, W, 3) picture.

        What lies outside the picture is mirrored in. A picture with more pixels than the crop is averaged down first,
        so that nothing aliases; one with fewer is enlarged first, which is several times as fast as cubic warping.
        """
        roi = self.footprint(*picture.shape[:2])
        if roi is None:
            raise ValueError("the face lies outside the picture")
        resized = self.scale if self.scale < 1 else min(math.ceil(self.scale), MOST_ENLARGED)
        margin = 2 + int(1 / resized)  # room for the interpolation's support, and for what `shrink` leaves out
        left, top = max(roi[0] - margin, 0), max(roi[1] - margin, 0)
        part = picture[top : roi[3] + margin, left : roi[2] + margin]
        rows, columns = part.shape[:2]
        height, width = max(1, round(rows * resized)), max(1, round(columns * resized))
        sx, sy = columns / width, rows / height
        if resized < 1:
            part, sx, sy = shrink(part, width, height)
        elif resized > 1:
            part = cv2.resize(part, (width, height), interpolation=cv2.INTER_CUBIC)
        # From pixels of the resized part to pixels of the picture, centres at half-integers.
        to_picture = np.array([[sx, 0, left + (sx - 1) / 2], [0, sy, top + (sy - 1) / 2], [0, 0, 1]])
        return cv2.warpAffine(
            part,
            self.matrix @ to_picture,
            (self.size, self.size),
            flags=cv2.INTER_LINEAR,
            borderMode=cv2.BORDER_REFLECT,
        )


def fit_similarity(points: NDArray[np.floating], targets: NDArray[np.floating]) -> tuple[NDArray[np.float64], float]:
    """Least-squares similarity transform (2, 3) that takes points (N, 2) onto targets (N, 2), and its RMS error.

    Rotation, one scale and shift, never a reflection: with points as complex numbers, z -> a z + b.
    """
    z = np.asarray(points, np.float64) @ (1, 1j)
    w = np.asarray(targets, np.float64) @ (1, 1j)
    centred = z - z.mean()
    a = np.vdot(centred, w - w.mean()) / max(np.vdot(centred, centred).real, 1e-12)
    b = w.mean() - a * z.mean()
    error = float(np.sqrt(np.mean(np.abs(a * z + b - w) ** 2)))
    return np.array([[a.real, -a.imag, b.real], [a.imag, a.real, b.imag]]), error


def align(
    landmarks: NDArray[np.floating],
    template: NDArray[np.floating],
    size: int,
    margin: float = 0.0,
    aspect: float = 1.0,
) -> Alignment:
    """Alignment of a face's landmarks (5, 2) onto a crop of `size` pixels.

    template: (5, 2) as fractions of the crop. margin: fraction of the crop's side added on every side around it.
    aspect: height of the window in the picture, along the face, divided by its width; the crop is square. Raises
    ValueError for landmarks that do not span a face.
    """
    if not np.isfinite(landmarks).all():
        raise ValueError("the landmarks do not span a face")
    targets = ((np.asarray(template, np.float64) + margin) / (1 + 2 * margin)) * (size, size * aspect) - 0.5
    matrix, _ = fit_similarity(landmarks, targets)
    if math.hypot(matrix[0, 0], matrix[1, 0]) < 1e-6:
        raise ValueError("the landmarks do not span a face")
    matrix[1] = (matrix[1] + (0, 0, 0.5)) / aspect - (0, 0, 0.5)
    return Alignment(matrix, size)
