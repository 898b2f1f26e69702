"""Sample sheets: the same pictures before and after, drawn the way the demo shows them."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from cyclegan_core import images
from cyclegan_core.faces.alignment import Alignment
from cyclegan_core.faces.blending import add_change, paste
from cyclegan_core.inference.crops.steps import after_painting, before_generator
from cyclegan_core.translations.config import Crop, Direction, TranslationConfig
from train.data.folders import to_float

ROWS = ("source", "translated", "back again", "identity")  # of a snapshot's sheet, for each direction
MARGIN = 76  # pixels at the left that say which row is which


@dataclass(frozen=True)
class Look:
    """How the demo shows what a generator makes.

    size: side in pixels that the generator sees. output, gain: as in a translation's config. whole: not crops of faces,
    whose borders stay as they are, but pictures that are translated up to their edges. crop: what it asks for before
    and after the generator, None for nothing.
    """

    size: int
    output: str = "picture"
    gain: float = 1.0
    whole: bool = False
    crop: Crop | None = None

    @classmethod
    def of(cls, config: TranslationConfig, side: int) -> Self:
        """That of a translation. side: of its pictures, where it sees whole ones."""
        if config.crop is None:
            return cls(side, config.output, config.gain, whole=True)
        return cls(config.crop.size, config.output, config.gain, crop=config.crop)


def spread(pictures: Tensor, count: int) -> Tensor:
    """At most `count` of (N, ...) pictures, evenly spread: names are often sorted by kind."""
    return pictures[torch.linspace(0, len(pictures) - 1, min(count, len(pictures))).long()]


@torch.inference_mode()
def show_translated(
    generator: nn.Module, pictures: Tensor, look: Look, direction: str, *, batch: int = 64
) -> NDArray[np.uint8]:
    """Uint8 (N, 3, S, S) pictures of any side S, translated and blended as in the demo, as uint8 (N, S, S, 3).

    direction: that of the generator, `a_to_b` or `b_to_a`.
    """
    shown = pictures.cpu().numpy().transpose(0, 2, 3, 1).copy(order="C")
    alignment = Alignment(np.eye(2, 3), shown.shape[1])
    device = next(generator.parameters()).device
    for start in range(0, len(shown), batch):
        part = shown[start : start + batch]
        small = np.stack([_resized(p, look.size) for p in part])
        seen = before_generator(small, look.crop, Direction(direction)) if look.crop else small
        x = to_float(torch.from_numpy(seen).permute(0, 3, 1, 2)).to(device)
        y = generator(x).float()
        made = (y - x) * (127.5 * look.gain) if look.output == "change" else (y + 1) * 127.5
        crops = made.permute(0, 2, 3, 1).cpu().numpy()
        if look.crop and look.output == "picture":
            crops = after_painting(crops, small, look.crop, Direction(direction))
        for picture, crop in zip(part, crops, strict=True):
            if look.whole:
                large = _resized(crop, picture.shape[0])
                picture[:] = np.rint(large + picture if look.output == "change" else large).clip(0, 255)
            elif look.output == "change":
                add_change(picture, alignment, crop)
            else:
                paste(picture, alignment, crop, 1.0)
    return shown


def save_sheet(
    path: Path,
    generators: Mapping[str, nn.Module],
    pictures: Mapping[str, Tensor],
    look: Look,
    *,
    side: int,
    columns: int = 8,
) -> None:
    """Writes a PNG: for each direction the pictures before, and under them after, in rows of `columns`.

    pictures: uint8 (N, 3, S, S) for `a_to_b` and `b_to_a`. side: pixels of one picture on the sheet. A last row that
    is not full is filled up with black.
    """
    rows = []
    for direction, generator in generators.items():
        before = pictures[direction].permute(0, 2, 3, 1).cpu().numpy()
        after = show_translated(generator, pictures[direction], look, direction)
        for start in range(0, len(before), columns):
            rows += [_row(p[start : start + columns], side, columns) for p in (before, after)]
    images.save(np.concatenate(rows), path)


def save_snapshot_sheet(
    path: Path, generators: Mapping[str, nn.Module], pictures: Mapping[str, Tensor], look: Look, *, side: int
) -> None:
    """Writes what a snapshot of a run is looked at by: for each direction a row of each of ROWS.

    Source, translated (as the demo shows it), back again (by both generators, one after the other; the gain is left
    out, as training does not know it) and identity: the source through the generator of the other direction, which
    is to leave it as it is. pictures: uint8 (N, 3, S, S) for `a_to_b` and `b_to_a`, each pictures of the direction's
    own source. side: pixels of one picture on the sheet.
    """
    rows = []
    for direction, generator in generators.items():
        source = pictures[direction]
        (other,) = (g for name, g in generators.items() if name != direction)
        drawn = [source.permute(0, 2, 3, 1).cpu().numpy()]
        plain = replace(look, gain=1.0)
        ways = ((generator, look), (nn.Sequential(generator, other), plain), (other, plain))
        drawn += [show_translated(g, source, each, direction) for g, each in ways]
        for words, row in zip(ROWS, drawn, strict=True):
            rows.append(np.concatenate([_label(words, side), _row(row, side, len(source))], axis=1))
    width = max(row.shape[1] for row in rows)
    images.save(np.concatenate([np.pad(row, ((0, 0), (0, width - row.shape[1]), (0, 0))) for row in rows]), path)


def _row(pictures: NDArray[np.uint8], side: int, columns: int) -> NDArray[np.uint8]:
    row = np.concatenate([_resized(p, side) for p in pictures], axis=1)
    return np.pad(row, ((0, 0), (0, columns * side - row.shape[1]), (0, 0)))


def _resized(picture: NDArray[Any], side: int) -> NDArray[Any]:
    if picture.shape[0] == side:
        return picture
    shrinks = picture.shape[0] > side
    return cv2.resize(picture, (side, side), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC)


def _label(words: str, side: int) -> NDArray[np.uint8]:
    label = np.zeros((side, MARGIN, 3), np.uint8)
    return cv2.putText(label, words, (3, side // 2), cv2.FONT_HERSHEY_SIMPLEX, 0.38, (255, 255, 255), 1, cv2.LINE_AA)
