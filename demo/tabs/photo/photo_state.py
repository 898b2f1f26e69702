"""What the server knows of the photo that a visitor works on, and how it is drawn. Runs no network."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np
from numpy.typing import NDArray

from cyclegan_core.faces.alignment import WIDE_TEMPLATE, Alignment, align
from cyclegan_core.faces.blending import faded
from cyclegan_core.faces.face import Face
from cyclegan_core.faces.monochrome import Tone
from cyclegan_core.inference.composition import Layer, close_up

if TYPE_CHECKING:
    from cyclegan_core.inference.studio import Chain, Studio  # brings PyTorch, which the page does not wait for

CARD_SIDE = 192  # pixels of the faces on the page
# In 1/255, see `_mean_change`. Faces of examples that look like the target already are changed by 0.4 to 1.9, others by
# 2.1 to 34.
LEAST_CHANGE = 2.0
SMALLEST_ALONE, LARGEST_ALONE = 256, 1024  # side of a face that is saved alone, in pixels


@dataclass(frozen=True, eq=False)
class PhotoState:
    """A photo, its faces and their translation. Without the photo itself, which may take 300 MB of memory.

    token: identifies the photo on the page. file: of the photo. shown: the photo in the size of the page, RGB uint8
    (H, W, 3). scale: pixels of `shown` per pixel of the photo. before, portraits: paths of `shown` and of each face.
    steps: for each face the direction as `Studio.chain` reads it, "" to leave it as it is; one entry for the whole
    picture where there is no face. then: a second direction for all. active: index of the face that is edited, None
    for all faces alike. chains, layers: as `Studio.generate` takes and gives them, in pixels of the photo. seconds:
    that the networks took. generated: layers by face and chain, so that no network runs twice. cards: for each face the
    paths of its pictures by direction. form: the suffix that keeps what the file has. notes: sentences on the file,
    such as that its end is missing.
    """

    token: str
    file: Path
    faces: tuple[Face, ...]
    shown: NDArray[np.uint8]
    scale: float
    before: str
    portraits: tuple[str, ...]
    steps: tuple[str, ...]
    form: str
    notes: tuple[str, ...] = ()
    then: str = ""
    active: int | None = None
    chains: "tuple[Chain, ...]" = ()
    layers: tuple[tuple[Layer, ...], ...] = ()
    seconds: float = 0.0
    generated: "dict[tuple[int, Chain], tuple[Layer, ...]]" = field(default_factory=dict)
    cards: dict[int, dict[str, str]] = field(default_factory=dict)

    @property
    def card_face(self) -> int:
        """Index of the face that the cards show: the active one, or else the largest."""
        if self.active is not None:
            return self.active
        return max(range(len(self.faces)), key=lambda index: self.faces[index].width)

    @property
    def is_altered(self) -> bool:
        """Whether anything of the picture is translated."""
        return any(self.layers)


def portrait_alignment(face: Face, size: int) -> Alignment:
    """An upright square of `size` pixels around a face, with room for hair and neck."""
    return align(face.landmarks, np.array(WIDE_TEMPLATE), size)


def is_left_alone(layers: Sequence[Layer]) -> bool:
    """Whether what was made of a face can hardly be seen, as it looks like that already; a painted one always can."""
    changes = [_mean_change(item) for item in layers if item.output == "change"]
    return 0 < len(changes) == len(layers) and max(changes) < LEAST_CHANGE


def _mean_change(item: Layer) -> float:
    """Mean of what a layer adds, in units of 1/255, as if all of it lay within a square as wide as the face."""
    if item.face is None or item.alignment is None:
        return float(np.abs(item.generated).mean())
    area = (item.alignment.size / item.alignment.scale / item.face.width) ** 2  # of the crop, in such squares
    own = area * float(np.abs(faded(item.generated)).mean())
    return own + (_mean_change(item.around) if item.around else 0)


def draw(studio: "Studio", state: PhotoState, strength: float) -> NDArray[np.uint8]:
    """`state.shown` with its layers over it, at a strength in [0, 1.5]."""
    scale = state.scale
    # Pixel centres lie at half-integers of the area.
    back = cv2.invertAffineTransform(np.array([[scale, 0, (scale - 1) / 2], [0, scale, (scale - 1) / 2]]))
    layers = [[item.seen_from(back) for item in items] for items in state.layers]
    return studio.blend(state.shown, layers, strength).picture


def draw_face(
    picture: NDArray[np.uint8], face: Face, layers: Sequence[Layer], strength: float, size: int | None = None
) -> NDArray[np.uint8]:
    """Draws one face, upright, as RGB uint8 (size, size, 3). By default `size` follows the photo, within limits.

    A painted face fills its square here, as in `close_up`.
    """
    if size is None:
        size = int(np.clip(round(1 / portrait_alignment(face, 1).scale), SMALLEST_ALONE, LARGEST_ALONE))
    # A layer that changes nothing makes all squares equally wide, whatever the crops of the translations are.
    frame = Layer(face, portrait_alignment(face, 8), np.zeros((8, 8, 3), np.float32), "change")
    return close_up(picture, (frame, *layers), strength, size, Tone.of(picture))[1]
