"""A picture as it comes from a file: its pixels, its transparency, and what there is to say of the file."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class Picture:
    """A picture from a file, upright and in sRGB.

    pixels: RGB uint8 (H, W, 3); what is transparent is laid on white. alpha: uint8 (H, W) from 0, transparent, to 255,
    or None for an opaque picture. colours: RGB uint8 (H, W, 3) without the white; None for an opaque picture.
    notes: what the user should know of the file, such as that its end is missing; clauses without a full stop.
    """

    pixels: NDArray[np.uint8]
    alpha: NDArray[np.uint8] | None = None
    colours: NDArray[np.uint8] | None = None
    notes: tuple[str, ...] = ()

    def with_alpha(self, translated: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """A translation of `pixels`, RGB uint8 (H, W, 3), as RGBA (H, W, 4) with this picture's transparency.

        An opaque picture's translation comes back as it is. Where nothing was translated, the colours are those of the
        file, to the last bit.
        """
        if self.alpha is None or self.colours is None:
            return translated
        translated = np.asarray(translated)
        alpha = self.alpha[..., None]
        result = np.concatenate([self.colours, alpha], axis=2)
        changed = (translated != self.pixels).any(2) & (self.alpha > 0)
        opacity = alpha[changed] / np.float32(255)
        without_white = 255 - (255 - translated[changed].astype(np.float32)) / opacity
        result[changed, :3] = np.rint(without_white.clip(0, 255)).astype(np.uint8)
        return result
