"""How sharp a crop is, and softening one that is sharper than the pictures that a generator was trained on.

Sets of faces are softer than what cameras take today: of a portrait that is sharper than all that it has seen, a
generator leaves wrinkles and lines as they are, or draws half a face.
"""

import cv2
import numpy as np
from numpy.typing import NDArray

BLUR = 1.6  # standard deviation in pixels of the crop; what it takes away is taken away in part


def sharpness(crop: NDArray[np.uint8]) -> float:
    """The standard deviation of the Laplacian of an RGB uint8 (H, W, 3) crop's lightness, in units of 1/255."""
    _, deviation = cv2.meanStdDev(cv2.Laplacian(cv2.cvtColor(crop, cv2.COLOR_RGB2GRAY), cv2.CV_16S))
    return float(deviation[0, 0])


def softened(crop: NDArray[np.uint8], limit: float | None) -> NDArray[np.uint8]:
    """An RGB uint8 (H, W, 3) crop, softened towards a sharpness of `limit`; the same array where it has no more.

    The softening grows continuously with the sharpness, so that a face in a film does not flicker.
    """
    if limit is None or (sharp := sharpness(crop)) <= limit:
        return crop
    blurred = cv2.GaussianBlur(crop, (0, 0), BLUR)
    share = min(1.0, (sharp - limit) / max(sharp - sharpness(blurred), 1e-6))
    return cv2.addWeighted(crop, 1 - share, blurred, share, 0)
