"""Putting a translated crop back into its picture, without a seam and without touching what lies around it."""

from collections.abc import Iterator
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from cyclegan_core.faces.alignment import Alignment
from cyclegan_core.faces.monochrome import Tone

STRIP = 256  # rows blended at a time, so that a large face in a 48-megapixel photo needs little memory
# The mask is a superellipse that just touches the sides of the crop: rounder than a square, fuller than an ellipse.
EXPONENT = 2.6
FEATHER = 0.35  # share of the radius over which the mask falls from 1 to 0
BLOCK = 8  # pixels of a change that are looked at together for where it begins
UNSEEN = 0.01  # mean of a block's change in units of 1/255; what is less, in nearly all of its pixels, is rounded away
REACH = 2  # pixels of the change, as far as its interpolation reaches
# What a change does to the finest detail of its crop tells what becomes of the photo's own that is finer still.
FINEST = 1.0  # standard deviation in pixels of the crop; what such a blur takes away is the finest detail
CELLS = 4  # pixels of the crop along a side of what is compared together
FAINT = 2.0  # mean square of detail, in units of 1/255, that is noise
LARGELY_SEEN = 0.7  # size of the crop in sizes of what it shows, from which hardly any detail is finer
KEPT = (0.15, 1.6)  # share of the photo's finer detail that is left at least and at most


@lru_cache(maxsize=32)
def feathered_mask(size: int) -> NDArray[np.float32]:
    """Float32 (size, size) in [0, 1]: 1 in the middle, falling smoothly to exactly 0 at the sides and corners.

    The array is shared and must not be changed.
    """
    axis = np.abs((np.arange(size) + 0.5) * 2 / size - 1)
    radius = (axis[:, None] ** EXPONENT + axis[None, :] ** EXPONENT) ** (1 / EXPONENT)
    t = np.clip((1 - radius) / FEATHER, 0, 1)
    mask = t * t * (3 - 2 * t)
    mask[[0, -1]] = 0
    mask[:, [0, -1]] = 0
    shared = mask.astype(np.float32)
    shared.flags.writeable = False
    return shared


def add_change(
    picture: NDArray[np.uint8],
    alignment: Alignment,
    change: NDArray[np.float32],
    tone: Tone | None = None,
    *,
    strength: float = 1.0,
    detail: bool = True,
) -> None:
    """Adds a change to a picture, in place.

    picture: RGB uint8 (H, W, 3). change: float32 (s, s, 3) in units of 1/255, of any side s: it is enlarged, not the
    picture, so that the photo keeps its full resolution. Where the change takes the finest detail of the crop away,
    such as wrinkles and stubble, or adds to it, the photo's own detail that is finer than the crop goes with it, unless
    `detail` is False, for changes that are smooth. Faded out by the feathered mask. strength: by which all of that is
    multiplied. tone: of a grey or toned picture, which stays so.
    """
    added = faded(change) * np.float32(strength)
    part = _changed_part(added, alignment.size)
    seen = alignment.at_size(change.shape[0])
    if not detail or seen.scale > LARGELY_SEEN or seen.footprint(picture.shape[0], picture.shape[1]) is None:
        for strip, warped in _warped_strips(picture, alignment, added, part):
            _write(strip, strip + warped, tone)
        return
    crop = seen.crop(picture)
    taken = faded(1 - _kept_detail(crop, change)) * np.float32(min(strength, 1))
    # picture + added - taken * (picture - crop), as one layer of an opacity.
    layer = cv2.merge([*cv2.split(added + taken[..., None] * crop), taken])
    for strip, warped in _warped_strips(picture, alignment, layer, part):
        _write(strip, _over(strip, warped), tone)


def _kept_detail(crop: NDArray[np.uint8], change: NDArray[np.float32]) -> NDArray[np.float32]:
    """By what a photo's detail that is finer than a crop (s, s, 3) is to be multiplied: float32 (s, s), within KEPT."""
    before = cv2.cvtColor(crop, cv2.COLOR_RGB2GRAY).astype(np.float32)
    had, has = (_detail(grey) for grey in (before, before + cv2.cvtColor(change, cv2.COLOR_RGB2GRAY)))
    kept = cv2.sqrt((has + FAINT) / (had + FAINT)).clip(*KEPT)
    return cv2.resize(kept, crop.shape[1::-1], interpolation=cv2.INTER_LINEAR)


def _detail(grey: NDArray[np.float32]) -> NDArray[np.float32]:
    """Mean square of the finest detail around each cell of a float32 (s, s) picture."""
    finest = grey - cv2.GaussianBlur(grey, (0, 0), FINEST)
    cells = max(1, grey.shape[0] // CELLS)
    mean = cv2.resize(finest * finest, (cells, cells), interpolation=cv2.INTER_AREA)
    return cv2.GaussianBlur(mean, (3, 3), 0)


def faded(change: NDArray[np.float32]) -> NDArray[np.float32]:
    """A change (s, s, 3) or (s, s) as it is added: faded out by the feathered mask."""
    mask = feathered_mask(change.shape[0])
    return change * (mask[..., None] if change.ndim == 3 else mask)


def _changed_part(change: NDArray[np.float32], size: int) -> tuple[float, float, float, float]:
    """Left, top, right, bottom of what a change (s, s, 3) is not about zero in, in pixels of a crop of `size`."""
    side = change.shape[0]
    blocks = max(1, side // BLOCK)
    seen = cv2.resize(np.abs(change), (blocks, blocks), interpolation=cv2.INTER_AREA).max(2) > UNSEEN
    x, y, width, height = cv2.boundingRect(seen.astype(np.uint8))
    reach = REACH / side
    edges = (x / blocks - reach, y / blocks - reach, (x + width) / blocks + reach, (y + height) / blocks + reach)
    left, top, right, bottom = (min(max(edge, 0.0), 1.0) * size for edge in edges)
    return left, top, right, bottom


def paste(
    picture: NDArray[np.uint8],
    alignment: Alignment,
    crop: NDArray[np.float32],
    strength: float,
    tone: Tone | None = None,
) -> None:
    """Paints a crop over a picture, in place, for generators that paint the whole face anew.

    picture: RGB uint8 (H, W, 3). crop: float32 (s, s, 3) in [0, 255], or (s, s, 4) with its own opacity in [0, 1] as
    the last channel. strength: opacity in [0, 1]. tone: as for `add_change`.
    """
    mask = feathered_mask(crop.shape[0]) * np.float32(strength)
    if crop.shape[2] == 4:
        mask *= crop[..., 3]
    # Premultiplied, so that what lies outside the crop never bleeds into the edge. By OpenCV where channels are taken
    # apart, which numpy does three numbers at a time.
    red, green, blue = (channel * mask for channel in cv2.split(crop)[:3])
    for strip, warped in _warped_strips(picture, alignment, cv2.merge([red, green, blue, mask])):
        _write(strip, _over(strip, warped), tone)


def _over(strip: NDArray[np.uint8], layer: NDArray[np.float32]) -> NDArray[np.float32]:
    """A layer (h, w, 4) of premultiplied colours and an opacity, over a strip (h, w, 3)."""
    mixed: NDArray[np.float32] = cv2.cvtColor(1 - layer[..., 3], cv2.COLOR_GRAY2RGB)
    mixed *= strip
    mixed += cv2.cvtColor(layer, cv2.COLOR_RGBA2RGB)
    return mixed


def _write(strip: NDArray[np.uint8], changed: NDArray[np.float32], tone: Tone | None) -> None:
    if tone is not None:
        changed = tone.keep(strip, changed)
    np.rint(changed, out=changed)
    np.clip(changed, 0, 255, out=changed)
    np.copyto(strip, changed, casting="unsafe")


def _warped_strips(
    picture: NDArray[np.uint8],
    alignment: Alignment,
    image: NDArray[np.float32],
    part: tuple[float, float, float, float] | None = None,
) -> Iterator[tuple[NDArray[np.uint8], NDArray[np.float32]]]:
    """Views of the picture under the crop, or a part of it, strip by strip, each with the image warped onto it."""
    roi = alignment.footprint(picture.shape[0], picture.shape[1], part)
    if roi is None:
        return
    left, top, right, bottom = roi
    side = image.shape[0]
    scale = alignment.at_size(side).scale
    if scale > 1:
        # The face is smaller than the image that is laid on it: average first, so that nothing aliases.
        side = max(1, round(side / scale))
        image = cv2.resize(image, (side, side), interpolation=cv2.INTER_AREA)
    # Cubic to twice the size and linear from there looks like cubic all the way, and takes a quarter of the time.
    side = 2 * side
    image = cv2.resize(image, (side, side), interpolation=cv2.INTER_CUBIC)
    from_crop = alignment.at_size(side).inverse
    for y in range(top, bottom, STRIP):
        rows = min(STRIP, bottom - y)
        matrix = from_crop - ((0, 0, left), (0, 0, y))
        yield (
            picture[y : y + rows, left:right],
            cv2.warpAffine(image, matrix, (right - left, rows), flags=cv2.INTER_LINEAR),
        )
