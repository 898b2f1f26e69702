"""What a detector says of a face."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class Face:
    """A face in the coordinates of the picture: pixels, origin at the upper left corner.

    box: left, top, right, bottom; may reach past the edge of the picture.
    score: the detector's confidence, in [0, 1].
    landmarks: float32 (5, 2) as x, y: left eye, right eye, nose, left and right corner of the mouth; left and right
        as seen in an upright picture.
    """

    box: tuple[float, float, float, float]
    score: float
    landmarks: NDArray[np.float32]

    @property
    def width(self) -> float:
        return self.box[2] - self.box[0]

    @property
    def height(self) -> float:
        return self.box[3] - self.box[1]
