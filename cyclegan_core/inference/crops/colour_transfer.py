"""Giving a painted crop the colours of its photograph, region by region.

A generator that draws has learned the skin and the hair of its drawings: pale the one, often pink or brown the other.
Moved towards the photo's mean colours over large regions, a drawing keeps its lines, eyes and shades, and brown skin,
white hair and warm light stay what they are. After Reinhard et al. 2001, "Color transfer between images", with means of
regions instead of the whole picture.
"""

import cv2
import numpy as np
from numpy.typing import NDArray

from cyclegan_core.faces.monochrome import LUMA

GRID = 16  # regions along a side of the crop; a divisor of usual sizes, as averaging is quick then
OVERLAP = 1.1  # of neighbouring regions: standard deviation of a Gaussian, in regions; wider than an eye of a drawing
LIGHTNESS = 0.45  # share of the move that lightness makes of what colour makes: drawings have shades of their own


def with_colours_of(photo: NDArray[np.uint8], painted: NDArray[np.float32], share: float) -> NDArray[np.float32]:
    """A painted crop float32 (S, S, 3), moved towards the colours of its photo, RGB uint8 (S, S, 3), both in [0, 255].

    share: of the way in [0, 1]; 0 returns the painted crop as it is.
    """
    if not share:
        return painted
    apart = _regions(photo) - _regions(painted)
    lighter = (apart @ LUMA)[..., None]
    move = share * (LIGHTNESS * lighter + (apart - lighter))
    moved = cv2.resize(move, painted.shape[1::-1], interpolation=cv2.INTER_LINEAR)
    moved += painted
    return np.clip(moved, 0, 255, out=moved)


def _regions(crop: NDArray[np.uint8] | NDArray[np.float32]) -> NDArray[np.float32]:
    means = cv2.resize(crop, (GRID, GRID), interpolation=cv2.INTER_AREA).astype(np.float32)
    return cv2.GaussianBlur(means, (0, 0), OVERLAP).astype(np.float32)
