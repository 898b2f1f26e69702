"""Laying what generators made over a picture, at any strength and without running them again."""

from dataclasses import dataclass
from typing import Any, Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from cyclegan_core.faces.alignment import Alignment
from cyclegan_core.faces.blending import add_change, paste
from cyclegan_core.faces.face import Face
from cyclegan_core.faces.tone import Tone

Output = Literal["change", "picture"]
STRIP = 256  # rows that are laid at a time


@dataclass(frozen=True, eq=False)
class GeneratedFace:
    """What one generator made of one face, or of a whole picture.

    face, alignment: None where the whole picture was the crop. generated: float32 (s, s, 3), or of a whole picture
    float32 or float16 (h, w, 3), in units of 1/255. output: `change` where it is to be added, `picture` where it is to
    be painted over.
    """

    face: Face | None
    alignment: Alignment | None
    generated: NDArray[Any]
    output: Output


def lay(picture: NDArray[np.uint8], item: GeneratedFace, strength: float, tone: Tone | None = None) -> None:
    """Lays it over an RGB uint8 (H, W, 3) picture, in place, at a strength in [0, 1].

    tone: of a grey or toned picture, whose faces stay so; what was made of a whole picture keeps its own colours.
    """
    if item.alignment is None:
        _lay_whole(picture, item, strength)
    elif item.output == "change":
        add_change(picture, item.alignment, item.generated * np.float32(strength), tone)
    else:
        paste(picture, item.alignment, item.generated, strength, tone)


def _lay_whole(picture: NDArray[np.uint8], item: GeneratedFace, strength: float) -> None:
    """Enlarged or reduced to the picture's size where it was made of the picture in another size."""
    height, width = picture.shape[:2]
    made = item.generated
    if made.shape[:2] != (height, width):
        reduced = made.shape[0] * made.shape[1] > height * width
        interpolation = cv2.INTER_AREA if reduced else cv2.INTER_CUBIC
        made = cv2.resize(made.astype(np.float32, copy=False), (width, height), interpolation=interpolation)
    for top in range(0, height, STRIP):  # a large picture would be in memory several times as floats
        strip, whole = picture[top : top + STRIP], made[top : top + STRIP].astype(np.float32, copy=False)
        mixed = strip + np.float32(strength) * (whole if item.output == "change" else whole - strip)
        np.copyto(strip, np.rint(mixed).clip(0, 255).astype(np.uint8))


def close_up(
    picture: NDArray[np.uint8],
    items: tuple[GeneratedFace, ...],
    strength: float,
    size: int,
    tone: Tone | None = None,
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """One face before and after, upright in a square of its own: two RGB uint8 (size, size, 3).

    items: the layers of that face, at least one, in the order in which they were made. The square is that of the widest
    crop among them. Here a painted face fills its square, as there is no picture around it to fade into. tone: that of
    the picture, see `Tone.of`.
    """
    alignments = [item.alignment for item in items if item.alignment is not None]
    if not alignments:
        raise ValueError("a whole picture has no close-up")
    widest = min(alignments, key=lambda alignment: alignment.scale / alignment.size).at_size(size)
    before = widest.crop(picture)
    after = before.copy()
    for item in items:
        if item.alignment is None:
            continue
        # From pixels of the square to pixels of the layer's crop.
        matrix = (np.vstack([item.alignment.matrix, (0, 0, 1)]) @ np.vstack([widest.inverse, (0, 0, 1)]))[:2]
        alignment = Alignment(matrix, item.alignment.size)
        placed = GeneratedFace(item.face, alignment, item.generated, item.output)
        if item.output == "picture" and np.allclose(alignment.at_size(size).matrix, np.eye(2, 3)):
            _lay_whole(after, placed, strength)
            if tone is not None:
                np.copyto(after, np.rint(tone.keep(before, after.astype(np.float32))).clip(0, 255).astype(np.uint8))
        else:
            lay(after, placed, strength, tone)
    return before, after
