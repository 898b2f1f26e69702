"""Keeping a grey or toned photograph (sepia, cyanotype) grey or toned where a face in it is changed."""

from dataclasses import dataclass
from functools import cache

import cv2
import numpy as np
from numpy.typing import NDArray

LUMA = np.array([0.299, 0.587, 0.114], np.float32)  # ITU-R BT.601, of gamma-encoded values
MEASURED_SIDE = 64  # pixels at most; averaging takes away the colour noise of JPEG
# Largest distance from the curve, of 255, by share of the pixels. Measured: sepia in a JPEG of quality 40 stays under
# 4.1 and 6.1, 12 where bright parts are clipped; photographs in colour have 38 and 59. The rest may be a coloured date.
LARGEST_DEVIATIONS = {0.9: 8.0, 0.98: 13.0}
SMOOTHING = 4.0  # levels of lightness


@dataclass(frozen=True, eq=False)
class Tone:
    """The curve on which the colours of a grey or toned picture lie.

    tint: float32 (256, 3), what is to be added to the lightness, 0..255, to have red, green and blue; 0 for grey.
    """

    tint: NDArray[np.float32]

    @classmethod
    def of(cls, picture: NDArray[np.uint8]) -> "Tone | None":
        """The tone of an RGB uint8 (H, W, 3) picture, measured on a small copy; None for a picture with colours."""
        # Every second, third ... pixel of a large picture, as averaging all of one takes longer than all the rest.
        step = max(1, min(picture.shape[:2]) // (4 * MEASURED_SIDE))
        height, width = (-(-side // step) for side in picture.shape[:2])
        part = picture if step == 1 else cv2.resize(picture, (width, height), interpolation=cv2.INTER_NEAREST)
        block = -(-min(height, width) // MEASURED_SIDE)
        height, width = height // block, width // block
        # Whole blocks are averaged four times as fast as parts of pixels.
        whole = np.ascontiguousarray(part[: height * block, : width * block])
        colours = cv2.resize(whole, (width, height), interpolation=cv2.INTER_AREA).reshape(-1, 3)
        if (colours == colours[:, :1]).all():
            return cls(np.zeros((256, 3), np.float32))
        lightness = colours @ LUMA
        offsets = colours - lightness[:, None]
        level = np.rint(lightness).astype(int)
        weights = np.bincount(level, minlength=256).astype(np.float64)[:, None]
        sums = np.stack([np.bincount(level, offset, 256) for offset in offsets.T], axis=1).astype(np.float64)
        tint = (_smooth(sums) / _smooth(weights)).astype(np.float32)
        # Row by row, as the largest of three numbers at a time takes four times as long.
        deviation = np.abs(offsets - tint[level]).T.copy().max(0)
        near = all(np.quantile(deviation, share) <= most for share, most in LARGEST_DEVIATIONS.items())
        return cls(tint) if near else None

    def keep(self, before: NDArray[np.uint8], after: NDArray[np.float32]) -> NDArray[np.float32]:
        """What a changed part of the picture becomes on the curve: only its lightness changes.

        before: uint8 (h, w, 3). after: float32 (h, w, 3) in units of 1/255. Where they are equal, so is the result.
        """
        old = before @ LUMA
        new = (old + (after - before) @ LUMA).clip(0, 255)
        levels = np.arange(256)
        channels = [
            before[..., channel] + (new - old) + np.interp(new, levels, tint) - np.interp(old, levels, tint)
            for channel, tint in enumerate(self.tint.T)
        ]
        return np.stack(channels, axis=-1).astype(np.float32)


def _smooth(levels: NDArray[np.float64]) -> NDArray[np.float64]:
    """A moving average over the 256 levels (256, N), wide enough that no level is without a value."""
    return _kernel() @ levels


@cache
def _kernel() -> NDArray[np.float64]:
    distance = np.abs(np.arange(256)[:, None] - np.arange(256))
    # The second term reaches levels that the picture does not have, which take the tint of the nearest.
    return np.exp(-0.5 * (distance / SMOOTHING) ** 2) + 1e-6 * np.exp(-distance / SMOOTHING)
