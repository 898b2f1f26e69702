"""The One Euro filter of Casiez, Roussel and Vogel (CHI 2012): no jitter at rest, little lag in motion."""

import math

import numpy as np
from numpy.typing import NDArray


class OneEuroFilter:
    """Smooths points that move together. One for each thing that is followed; not shared between threads.

    A low-pass filter whose cutoff frequency rises with the speed. Speed is measured in sizes of the thing per second,
    so that one setting serves every resolution and every distance from the camera, and is common to all points, so
    that the filter never bends their shape.

    minimum_cutoff: in Hz, at rest; lower is calmer. beta: Hz per size and second; higher follows motion more closely.
    derivative_cutoff: in Hz, for the speed itself.
    """

    def __init__(self, minimum_cutoff: float = 1.0, beta: float = 12.0, derivative_cutoff: float = 1.5) -> None:
        self.minimum_cutoff = minimum_cutoff
        self.beta = beta
        self.derivative_cutoff = derivative_cutoff
        self._smoothed: NDArray[np.float64] | None = None
        self._velocity: NDArray[np.float64] | None = None

    def __call__(self, points: NDArray[np.floating], seconds: float, size: float) -> NDArray[np.float64]:
        """The smoothed points (N, 2); the first are returned as they are.

        seconds: since the last call, 0 or more. size: of the thing, in the unit of the points, above 0.
        """
        now = np.array(points, np.float64)
        if self._smoothed is None or self._velocity is None:
            self._smoothed, self._velocity = now, np.zeros_like(now)
        elif seconds > 0:
            velocity = (now - self._smoothed) / (size * seconds)
            self._velocity += _weight(self.derivative_cutoff, seconds) * (velocity - self._velocity)
            # Of the mean motion: noise of single points cancels out in it, motion of the whole does not.
            speed = float(np.linalg.norm(self._velocity.mean(0)))
            cutoff = self.minimum_cutoff + self.beta * speed
            self._smoothed += _weight(cutoff, seconds) * (now - self._smoothed)
        return self._smoothed.copy()


def _weight(cutoff: float, seconds: float) -> float:
    """Share of a new value in an exponential average that cuts off at so many Hz."""
    ratio = 2 * math.pi * cutoff * seconds
    return ratio / (ratio + 1)
