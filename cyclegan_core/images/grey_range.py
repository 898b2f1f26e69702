"""Which values of a grey picture with more than 8 bits are black and white."""

import math

import numpy as np
from PIL import Image

from cyclegan_core.images.strips import strips

_BITS_PER_SAMPLE, _PHOTOMETRIC = 258, 262
_MIN_IS_WHITE = 0


def wide_range(image: Image.Image) -> tuple[float, float] | None:
    """The values of black and of white; None for 8-bit pictures.

    A TIFF says how many of 16 bits it uses, and whether its smallest value is white. 16 bits of which no value reaches
    a sixteenth are the 12 or 10 bits of a sensor. Float has 0..1, 0..255 or 0..65535, whichever holds all values, as
    all are customary; what fits nowhere is stretched from its smallest to its largest value.
    """
    if not image.mode.startswith("I;16") and image.mode not in ("I", "F"):
        return None
    tags = getattr(image, "tag_v2", {})
    low, high = _extremes(image)
    if image.mode.startswith("I;16"):
        bits = tags.get(_BITS_PER_SAMPLE, (16,))[0]
        bits = next((fewer for fewer in (8, 10, 12) if 0 < high < 2**fewer), bits) if bits == 16 else bits
        black, white = 0.0, 2.0**bits - 1
    else:
        customary = (1.0, 255.0, 65535.0) if image.mode == "F" else (65535.0,)
        # Where no value is finite, the first fits as well.
        black, white = next(((0.0, most) for most in customary if low >= 0 and high <= most), (low, high))
    return (white, black) if tags.get(_PHOTOMETRIC) == _MIN_IS_WHITE else (black, white)


def scaled_grey(strip: Image.Image, black: float, white: float) -> Image.Image:
    """A strip with more than 8 bits as 8-bit grey."""
    lowest, highest = sorted((black, white))
    values = np.nan_to_num(np.asarray(strip, np.float64), nan=black, posinf=highest, neginf=lowest)
    scaled = (values.clip(lowest, highest) - black) * (255 / ((white - black) or 1))
    return Image.fromarray(np.rint(scaled).astype(np.uint8))


def _extremes(image: Image.Image) -> tuple[float, float]:
    low, high = math.inf, -math.inf
    for _, strip in strips(image):
        values = np.asarray(strip, np.float64)
        finite = values[np.isfinite(values)]
        low = float(finite.min(initial=low))
        high = float(finite.max(initial=high))
    return low, high
