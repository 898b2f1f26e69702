"""The fixed sample sheet: the same faces before and after, drawn the way the demo shows them."""

from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from cyclegan_core import images
from cyclegan_core.faces.alignment import Alignment
from cyclegan_core.faces.blending import add_change, paste
from train.data import to_float


def spread(pictures: Tensor, count: int) -> Tensor:
    """At most `count` of (N, ...) pictures, evenly spread: names are often sorted by kind."""
    return pictures[torch.linspace(0, len(pictures) - 1, min(count, len(pictures))).long()]


@torch.inference_mode()
def show_translated(
    generator: nn.Module, pictures: Tensor, *, size: int, output: str, gain: float, batch: int = 64
) -> NDArray[np.uint8]:
    """Uint8 (N, 3, S, S) crops of any side S, translated and blended as in the demo, as uint8 (N, S, S, 3).

    size: side that the generator sees. output, gain: as in a translation's config.
    """
    shown = pictures.cpu().numpy().transpose(0, 2, 3, 1).copy(order="C")
    alignment = Alignment(np.eye(2, 3), shown.shape[1])
    device = next(generator.parameters()).device
    for start in range(0, len(shown), batch):
        part = shown[start : start + batch]
        small = [cv2.resize(p, (size, size), interpolation=cv2.INTER_AREA) for p in part]
        x = to_float(torch.from_numpy(np.stack(small)).permute(0, 3, 1, 2)).to(device)
        y = generator(x)
        if output == "change":
            for picture, change in zip(part, ((y - x) * (127.5 * gain)).permute(0, 2, 3, 1).cpu().numpy(), strict=True):
                add_change(picture, alignment, change)
        else:
            for picture, crop in zip(part, ((y + 1) * 127.5).permute(0, 2, 3, 1).cpu().numpy(), strict=True):
                paste(picture, alignment, crop, 1.0)
    return shown


def save_sheet(
    path: Path,
    generators: dict[str, nn.Module],
    pictures: dict[str, Tensor],
    *,
    size: int,
    output: str,
    gain: float,
    side: int,
    columns: int = 8,
) -> None:
    """Writes a PNG: for each direction the pictures before, and under them after, in rows of `columns`.

    pictures: uint8 (N, 3, S, S) for `a_to_b` and `b_to_a`. side: pixels of one picture on the sheet.
    """
    rows = []
    for direction, generator in generators.items():
        before = pictures[direction].permute(0, 2, 3, 1).cpu().numpy()
        after = show_translated(generator, pictures[direction], size=size, output=output, gain=gain)
        for start in range(0, len(before) - columns + 1, columns):
            rows += [before[start : start + columns], after[start : start + columns]]
    resize = [[cv2.resize(p, (side, side), interpolation=cv2.INTER_CUBIC) for p in row] for row in rows]
    images.save(np.concatenate([np.concatenate(row, axis=1) for row in resize], axis=0), path)
