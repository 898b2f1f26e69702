"""The two pictures that are made to be shared: before and after side by side, and a short loop between them."""

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from cyclegan_core import provenance
from cyclegan_core.images.shrinking import fitted

ALTERED = "AI-altered"
COMPARISON_SIDE, LOOP_SIDE = 1080, 720  # longest side of one picture in them, in pixels
HOLD_MS, STEP_MS, STEPS = 650, 50, 7  # two seconds: each picture is held, and seven mixtures lead to the other
LOOP_QUALITY = 80  # of WebP; 720 pixels take about 500 kB
BACKGROUND, INK, MUTED = "#ffffff", "#1d2124", "#5b6065"


def comparison(
    before: NDArray[np.uint8], after: NDArray[np.uint8], name: str, *, altered: bool = True
) -> NDArray[np.uint8]:
    """Draws two RGB uint8 (H, W, 3) pictures of equal size side by side, with `name` below the second.

    altered: writes "AI-altered" into the second picture.
    """
    left, right = (fitted(picture, COMPARISON_SIDE) for picture in (before, after))
    height, width = left.shape[:2]
    letters = max(14, round(max(height, width) / 36))
    gap = max(4, letters // 3)
    sheet = Image.new("RGB", (2 * width + 3 * gap, height + gap + 2 * letters), BACKGROUND)
    sheet.paste(Image.fromarray(left), (gap, gap))
    sheet.paste(Image.fromarray(_labelled(right) if altered else right), (width + 2 * gap, gap))
    drawing, font = ImageDraw.Draw(sheet), ImageFont.load_default(letters)
    middle = height + gap + letters
    drawing.text((gap + width / 2, middle), "Before", MUTED, font, "mm")
    while name and font.getlength(name) > width:
        name = name[:-1]
    drawing.text((2 * gap + 1.5 * width, middle), name, INK, font, "mm")
    return np.asarray(sheet)


def save_loop(before: NDArray[np.uint8], after: NDArray[np.uint8], path: Path, made_by: str | None) -> None:
    """Writes an animated WebP of two seconds that fades from `before` to `after` and back, without end.

    before, after: RGB uint8 (H, W, 3) pictures of equal size. made_by: as in `images.save`; where it is given,
    "AI-altered" is also written into every frame that shows something of `after`.
    """
    start, end = (fitted(picture, LOOP_SIDE) for picture in (before, after))
    if made_by:
        end = _labelled(end)
    mixtures = [cv2.addWeighted(start, 1 - share, end, share, 0) for share in np.arange(1, STEPS + 1) / (STEPS + 1)]
    frames = [Image.fromarray(frame) for frame in (start, *mixtures, end, *reversed(mixtures))]
    frames[0].save(
        path,
        "webp",
        save_all=True,
        append_images=frames[1:],
        duration=[HOLD_MS, *[STEP_MS] * STEPS, HOLD_MS, *[STEP_MS] * STEPS],
        loop=0,
        quality=LOOP_QUALITY,
        method=2,
        # Every frame whole: of mere differences WebP leaves out the first half of a fade, and then jumps.
        kmin=0,
        kmax=1,
        **(provenance.options("webp", made_by) if made_by else {}),
    )


def _labelled(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The picture with "AI-altered" in its lower right corner, on a dark ground that keeps it legible."""
    image = Image.fromarray(picture)
    letters = max(9, round(max(image.size) / 36))
    font, drawing = ImageFont.load_default(letters), ImageDraw.Draw(image, "RGBA")
    right, bottom = image.width - letters // 2, image.height - letters // 2
    left, top = right - font.getlength(ALTERED) - letters, bottom - 1.7 * letters
    drawing.rounded_rectangle((left, top, right, bottom), 0.85 * letters, (15, 18, 20, 184))
    drawing.text(((left + right) / 2, (top + bottom) / 2), ALTERED, "white", font, "mm")
    return np.asarray(image)
