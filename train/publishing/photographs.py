"""The sheet of whole photographs on a model card: each as it is, and below as the page would return it, both ways."""

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from cyclegan_core import images
from cyclegan_core.inference.translator import FaceTranslator
from cyclegan_core.translations.translation import Translation

HEIGHT, WIDEST = 400, 480  # pixels of a photograph on the sheet
GAP = 4


def photographs_sheet(translation: Translation, files: Sequence[Path]) -> NDArray[np.uint8]:
    """RGB uint8 (H, W, 3): a column for each photograph, a row for each direction below that of the originals.

    Raises PictureError for a file that cannot be read, and ValueError where there are none.
    """
    if not files:
        raise ValueError("a sheet of photographs needs one at least")
    translator = FaceTranslator(translation)
    columns = []
    for file in files:
        photo = images.load(file)
        after = [translator(photo, name).picture for name in translator.directions]
        columns.append(np.concatenate([_on_the_sheet(picture) for picture in (photo, *after)]))
    return np.concatenate(columns, axis=1)


def _on_the_sheet(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Reduced to the height of a row, its sides cut off where it is too wide, and a gap around it."""
    scale = HEIGHT / picture.shape[0]
    width = max(1, round(picture.shape[1] * scale))
    reduced = cv2.resize(picture, (width, HEIGHT), interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC)
    left = max(0, (width - WIDEST) // 2)
    shown = reduced[:, left : left + WIDEST]
    return cv2.copyMakeBorder(shown, GAP, GAP, GAP, GAP, cv2.BORDER_CONSTANT, value=(255, 255, 255)).astype(np.uint8)
