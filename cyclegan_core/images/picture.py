"""A picture with its transparency, and what there is to say of it."""

from dataclasses import dataclass

import numpy as np


@dataclass
class Picture:
    """A picture and what there is to say of it.

    pixels: RGB uint8 (H, W, 3) in sRGB; what is fully transparent is white. alpha: uint8 (H, W), 0 being transparent,
    or None where everything is opaque. notes: sentences for the person whose picture it is. frames: of the animation
    that it was taken from, 1 for a still picture.
    """

    pixels: np.ndarray
    alpha: np.ndarray | None = None
    notes: tuple[str, ...] = ()
    frames: int = 1

    @property
    def on_white(self) -> np.ndarray:
        """The pixels laid on white where they are transparent: RGB uint8 (H, W, 3)."""
        return self.pixels if self.alpha is None else on_white(self.pixels, self.alpha)


def on_white(picture: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    """RGB uint8 (H, W, 3) laid on white where its alpha, uint8 (H, W), is below 255."""
    opacity = alpha[..., None].astype(np.uint16)
    return ((picture * opacity + 255 * (255 - opacity) + 127) // 255).astype(np.uint8)
