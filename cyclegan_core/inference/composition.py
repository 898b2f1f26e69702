"""Composites the output of generators onto a picture, at any strength, without running a generator again."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from numbers import Real
from typing import Any, Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from cyclegan_core.faces.alignment import Alignment
from cyclegan_core.faces.blending import add_change, paste
from cyclegan_core.faces.face import Face
from cyclegan_core.faces.monochrome import Tone

Output = Literal["change", "picture"]
STRONGEST = 1.5  # of strengths: a change may be exaggerated by half
STRIP = 256  # rows that are composited at a time: a large picture would be in memory several times as floats


@dataclass(frozen=True, eq=False)
class Layer:
    """What is laid over a picture: the output of one generator for one face, or for the whole picture.

    face, alignment: of the crop that the generator was shown; None where it was shown the whole picture.
    generated: float32 (s, s, 3) for a face, float32 or float16 (h, w, 3) for a whole picture, in units of 1/255. For a
        face that is painted on the head alone (s, s, 4), with its opacity in [0, 1] as the last channel.
    output: `change` where `generated` is added to the picture, `picture` where it replaces the picture.
    stage: how many steps on the whole picture come before this layer in its chain; such a step counts itself.
    around: what goes with a face's change around its crop, a layer of the same face.
    """

    face: Face | None
    alignment: Alignment | None
    generated: NDArray[Any]
    output: Output
    stage: int = 0
    around: "Layer | None" = None

    def seen_from(self, back: NDArray[np.float64]) -> "Layer":
        """The layer for another picture. back: (2, 3), from that one's pixels to those of the layer's own."""
        if self.alignment is None:
            return self
        alignment = Alignment((_square(self.alignment.matrix) @ _square(back))[:2], self.alignment.size)
        return replace(self, alignment=alignment, around=self.around and self.around.seen_from(back))


def read_strength(value: object) -> float:
    """A strength that comes from outside. Raises ValueError where it is no number from 0 to STRONGEST."""
    if isinstance(value, bool) or not isinstance(value, Real) or not 0 <= float(value) <= STRONGEST:
        raise ValueError(f"strength must be a number from 0 to {STRONGEST}, not {str(value)[:20]}")
    return float(value)


def composite(picture: NDArray[np.uint8], item: Layer, strength: float, tone: Tone | None = None) -> None:
    """Composites one layer onto an RGB uint8 (H, W, 3) picture, in place, at a strength in [0, 1.5].

    What is painted covers the picture at 1, and stays so above. tone: of a grey or toned picture, whose faces stay so;
    what was made of a whole picture keeps its own colours.
    """
    if item.alignment is None:
        _mix(picture, _resized(item.generated, *picture.shape[:2]), item.output, strength)
    elif item.output == "change":
        add_change(picture, item.alignment, item.generated, tone, strength=strength)
        if (around := item.around) and around.alignment:
            add_change(picture, around.alignment, around.generated, tone, strength=strength, detail=False)
    else:
        paste(picture, item.alignment, item.generated, min(strength, 1), tone)


def composite_all(
    picture: NDArray[np.uint8], items: Iterable[Layer], strength: float, tone: Tone | None
) -> NDArray[np.uint8]:
    """A new picture: an RGB uint8 (H, W, 3) picture with all layers composited onto it, at a strength in [0, 1.5].

    tone: that of the picture, by `Tone.of`, which takes as long as compositing a small face.
    Steps on faces and on the whole picture keep the order of their chain. Between two steps on the whole picture the
    widest face comes last, as it is the nearest to the camera. Layers of one face keep the order in which they come.
    """
    result = np.array(picture)
    if strength > 0:
        for item in sorted(items, key=_order):
            composite(result, item, strength, tone)
            tone = Tone.of(result) if item.alignment is None else tone
    return result


def _order(item: Layer) -> tuple[int, float]:
    return item.stage, item.face.width if item.face else 0.0


def _resized(generated: NDArray[Any], height: int, width: int) -> NDArray[Any]:
    if generated.shape[:2] == (height, width):
        return generated
    is_larger = generated.shape[0] * generated.shape[1] > height * width
    interpolation = cv2.INTER_AREA if is_larger else cv2.INTER_CUBIC
    return cv2.resize(generated.astype(np.float32, copy=False), (width, height), interpolation=interpolation)


def _mix(picture: NDArray[np.uint8], generated: NDArray[Any], output: Output, strength: float) -> None:
    """Mixes a generated picture of the same size into the picture, in place and without a mask."""
    for top in range(0, len(picture), STRIP):
        strip, layer = picture[top : top + STRIP], generated[top : top + STRIP].astype(np.float32, copy=False)
        mixed = strip + (strength * layer if output == "change" else min(strength, 1) * (layer - strip))
        np.copyto(strip, np.rint(mixed).clip(0, 255).astype(np.uint8))


def close_up(
    picture: NDArray[np.uint8], items: Sequence[Layer], strength: float, size: int, tone: Tone | None
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """One face before and after its translation, upright in a square: two RGB uint8 (size, size, 3).

    items: the layers of that face, at least one, and those of the whole picture if there are any. tone: as for
    `composite_all`. The square is that of
    the widest crop among them. A face that replaces the picture fills its crop, as there is nothing to fade into,
    unless it has an opacity of its own.
    Raises ValueError where no layer is one of a face.
    """
    parts = [*items, *(item.around for item in items if item.around)]
    alignments = [part.alignment for part in parts if part.alignment is not None]
    if not alignments:
        raise ValueError("a close-up needs a layer of a face")
    widest = min(alignments, key=lambda alignment: alignment.scale / alignment.size).at_size(size)
    before = widest.crop(picture)
    after = before.copy()
    for item in sorted(items, key=_order):
        if item.alignment is None:
            _mix(after, _crop_of_whole(item.generated, picture.shape, widest), item.output, strength)
            tone = Tone.of(after)
            continue
        layer = item.seen_from(widest.inverse)
        fills = item.output == "picture" and item.generated.shape[2] == 3
        if fills and layer.alignment and np.allclose(layer.alignment.at_size(size).matrix, np.eye(2, 3)):
            unmixed = after.copy()
            _mix(after, _resized(item.generated, size, size), item.output, strength)
            if tone is not None:
                np.copyto(after, np.rint(tone.keep(unmixed, after.astype(np.float32))).clip(0, 255).astype(np.uint8))
        else:
            composite(after, layer, strength, tone)
    return before, after


def _crop_of_whole(generated: NDArray[Any], shape: Sequence[int], square: Alignment) -> NDArray[np.float32]:
    """The part of a whole picture's layer that lies in a square. shape: of the picture, on which the square lies."""
    height, width = generated.shape[:2]
    sy, sx = shape[0] / height, shape[1] / width
    # Pixel centres lie at half-integers of the area.
    to_picture = np.array([[sx, 0, (sx - 1) / 2], [0, sy, (sy - 1) / 2]])
    placed = Alignment((_square(square.matrix) @ _square(to_picture))[:2], square.size)
    roi = placed.footprint(height, width)
    if roi is None:
        raise ValueError("the face lies outside the picture")
    left, top = max(roi[0] - 2, 0), max(roi[1] - 2, 0)  # room for the interpolation's support
    part: Any = generated[top : roi[3] + 2, left : roi[2] + 2].astype(np.float32)  # OpenCV has no float16
    shift = np.array([[1, 0, left], [0, 1, top], [0, 0, 1]])
    cropped: Any = Alignment(placed.matrix @ shift, placed.size).crop(part)
    return cropped


def _square(matrix: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.vstack([matrix, (0, 0, 1)])
