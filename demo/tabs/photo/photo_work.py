"""What is known of the photo that a visitor works on, and how it is drawn. Runs no network."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np
from numpy.typing import NDArray

from cyclegan_core.faces.alignment import WIDE_TEMPLATE, Alignment, align
from cyclegan_core.faces.face import Face
from cyclegan_core.faces.tone import Tone
from cyclegan_core.inference.composition import GeneratedFace, close_up

if TYPE_CHECKING:
    from cyclegan_core.inference.studio import Chain, Studio  # brings PyTorch, which the page does not wait for

PORTRAIT_SIDE = 192  # pixels of the close-ups on the page
SMALLEST_ALONE, LARGEST_ALONE = 256, 1024  # side of a face that is saved alone, in pixels


@dataclass(frozen=True, eq=False)
class Work:
    """A photo, its faces and what was made of them. Without the photo itself: that may have 300 MB in memory.

    file: the photo's. shown: the photo as large as the page shows it, RGB uint8 (H, W, 3). scale: pixels of `shown` for
    one of the photo. before, portraits: files of `shown` and of each face. chains: of each face, or one alone that
    takes the whole picture; None before the first translation. layers: as `Studio.generate` gives them, in pixels of
    the photo. seconds: what that took.
    """

    token: str
    file: Path
    faces: tuple[Face, ...]
    shown: NDArray[np.uint8]
    scale: float
    before: str
    portraits: tuple[str, ...]
    chains: "tuple[Chain, ...] | None" = None
    layers: tuple[tuple[GeneratedFace, ...], ...] = ()
    seconds: float = 0.0

    @property
    def largest(self) -> int:
        """Index of the largest face."""
        return max(range(len(self.faces)), key=lambda index: self.faces[index].width)


def portrait_of(face: Face, size: int) -> Alignment:
    """An upright square of `size` pixels around a face, with room for hair and neck."""
    return align(face.landmarks, np.array(WIDE_TEMPLATE), size)


def draw(studio: "Studio", work: Work, strength: float) -> tuple[NDArray[np.uint8], list[NDArray[np.uint8]]]:
    """`shown` and the portraits with the layers over them, at a strength in [0, 1]."""
    scale = work.scale
    # Pixel centres lie at half-integers of the area.
    matrix = np.array([[scale, 0, (scale - 1) / 2], [0, scale, (scale - 1) / 2]])
    layers = [[_moved(item, matrix) for item in items] for items in work.layers]
    after = np.asarray(studio.blend(work.shown, layers, strength))
    squares = [_seen_from(portrait_of(face, PORTRAIT_SIDE), matrix) for face in work.faces]
    return after, [square.crop(after) for square in squares]


def alone(
    picture: NDArray[np.uint8], face: Face, layers: Sequence[GeneratedFace], strength: float, size: int | None = None
) -> NDArray[np.uint8]:
    """One face as RGB uint8 (size, size, 3), upright; by default as many pixels as the photo has there, within limits.

    A painted face fills its square here, as in `close_up`.
    """
    if size is None:
        size = int(np.clip(round(1 / portrait_of(face, 1).scale), SMALLEST_ALONE, LARGEST_ALONE))
    # A layer that changes nothing makes all squares equally wide, whatever the crops of the translations are.
    frame = GeneratedFace(face, portrait_of(face, 8), np.zeros((8, 8, 3), np.float32), "change")
    return close_up(picture, (frame, *layers), strength, size, Tone.of(picture))[1]


def _seen_from(alignment: Alignment, matrix: NDArray[np.float64]) -> Alignment:
    """The same piece of a picture whose pixels are those of the first, moved by a (2, 3) matrix."""
    back = cv2.invertAffineTransform(matrix)
    return Alignment((np.vstack([alignment.matrix, (0, 0, 1)]) @ np.vstack([back, (0, 0, 1)]))[:2], alignment.size)


def _moved(item: GeneratedFace, matrix: NDArray[np.float64]) -> GeneratedFace:
    if item.alignment is None:
        return item
    return GeneratedFace(item.face, _seen_from(item.alignment, matrix), item.generated, item.output)
