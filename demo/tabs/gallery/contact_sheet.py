"""Draws several pictures with their names into one."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

COLUMNS = 4
SPACE, LETTERS = 12, 18  # pixels between pictures; height of their names


def contact_sheet(tiles: Sequence[tuple[str, NDArray[np.uint8]]]) -> NDArray[np.uint8]:
    """Draws named RGB uint8 (H, W, 3) pictures, one or more of equal size, row by row, with the names below."""
    height, width = tiles[0][1].shape[:2]
    columns, rows = min(COLUMNS, len(tiles)), -(-len(tiles) // COLUMNS)
    across, down = width + SPACE, height + 2 * SPACE + LETTERS
    sheet = Image.new("RGB", (columns * across + SPACE, rows * down + SPACE), "white")
    drawing, font = ImageDraw.Draw(sheet), ImageFont.load_default(LETTERS)
    for index, (name, picture) in enumerate(tiles):
        left, top = SPACE + index % columns * across, SPACE + index // columns * down
        sheet.paste(Image.fromarray(picture), (left, top))
        drawing.text((left + width // 2, top + height + SPACE // 2), _fitting(name, font, width), "black", font, "ma")
    return np.asarray(sheet)


def _fitting(name: str, font: ImageFont.FreeTypeFont | ImageFont.ImageFont, width: int) -> str:
    """The name, cut at its end to at most `width` pixels."""
    while name and font.getlength(name) > width:
        name = name[:-1]
    return name
