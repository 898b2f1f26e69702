"""How pictures of any shape become the squares that the networks see.

By their middle, as `square` cuts it and `cache.py` keeps it, or by the rules of pytorch-CycleGAN-and-pix2pix, under its
names. Each of those cuts a square at random, so that these pictures are decoded anew for every step.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import cv2
import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from train.config.train_config import TrainConfig  # brings PyTorch, which processes that decode do without

Placement = tuple[float, float]  # of a square in its picture, in [0, 1]: from the left to the right, from top to bottom
MIDDLE: Placement = (0.5, 0.5)


@dataclass(frozen=True)
class Preprocess:
    """Cuts squares of `size` pixels out of pictures that are first brought to `load_size`.

    rule: `resize_and_crop`: to `load_size` in width and height, whatever the proportions; `scale_width_and_crop`: to
    `load_size` in width, with its proportions; `crop`: as the picture is. Where that is lower, or in `crop` narrower,
    than the square, `scale_width_and_crop` stretches it to the square's height, and `crop` enlarges it.
    """

    rule: str
    size: int
    load_size: int

    def square(self, picture: NDArray[np.uint8], place: Placement = MIDDLE) -> NDArray[np.uint8]:
        """The square at a place of RGB uint8 (H, W, 3): (size, size, 3)."""
        height, width = picture.shape[:2]
        # Cut first and resized then, so that a long picture takes no more memory than it has as a file.
        wide, high = (max(1, round(pixels)) for pixels in self._window(width, height))
        left, top = round(place[0] * (width - wide)), round(place[1] * (height - high))
        cut = picture[top : top + high, left : left + wide]
        if cut.shape[:2] == (self.size, self.size):
            return cut
        shrinks = wide * high > self.size**2
        return cv2.resize(cut, (self.size, self.size), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC)

    def _window(self, width: int, height: int) -> tuple[float, float]:
        """Width and height, in pixels of the picture, of what becomes the square."""
        if self.rule == "crop":
            side = min(self.size, width, height)
            return side, side
        share = self.size / self.load_size
        if self.rule == "resize_and_crop":
            return share * width, share * height
        return share * width, min(share * width, height)


def preprocess_of(config: "TrainConfig") -> Preprocess | None:
    """The rule that a run cuts its squares by; None for the middle of each picture."""
    if config.preprocess == "center_crop":
        return None
    return Preprocess(config.preprocess, config.size, config.load_size or config.size)


def square(picture: NDArray[np.uint8], side: int) -> NDArray[np.uint8]:
    """The middle square of RGB uint8 (H, W, 3), brought to (side, side, 3)."""
    height, width = picture.shape[:2]
    shorter = min(height, width)
    if shorter != max(height, width):
        top, left = (height - shorter) // 2, (width - shorter) // 2
        picture = picture[top : top + shorter, left : left + shorter]
    if shorter == side:
        return picture
    return cv2.resize(picture, (side, side), interpolation=cv2.INTER_AREA if shorter > side else cv2.INTER_CUBIC)
