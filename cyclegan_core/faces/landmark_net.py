"""A small network of our own that looks closer at where a face may be: is it one, and where are its five landmarks?"""

from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from cyclegan_core.faces.alignment import WIDE_TEMPLATE, Alignment, align
from cyclegan_core.runtime.compiled import probability
from cyclegan_core.runtime.int8 import load_weights
from cyclegan_core.runtime.model_cache import on_cpu

WEIGHTS = Path(__file__).parent / "landmarks.safetensors"
SIZE = 64  # side of the crop that it sees
# Where landmarks lie in a crop that is cut just right: with room for a guess that is not.
TEMPLATE = 0.5 + (np.array(WIDE_TEMPLATE) - 0.5) * 1.25


class LandmarkNet(nn.Module):
    """Float (B, 3, 64, 64) in [-1, 1] to landmarks (B, 5, 2) as fractions of the crop and logits (B,) of being a face.

    A small residual network (He et al. 2015) of dense convolutions; the landmarks come from all places at once, as they
    are corrections to the template.
    """

    def __init__(self, channels: int = 32) -> None:
        super().__init__()
        c = channels
        self.features = nn.Sequential(
            *_convolution(3, c, 2), *_convolution(c, 3 * c // 2, 2), _Residual(3 * c // 2),
            *_convolution(3 * c // 2, 3 * c, 2), _Residual(3 * c), _Residual(3 * c),
            *_convolution(3 * c, 4 * c, 2), _Residual(4 * c),
        )  # fmt: skip
        self.head = nn.Linear(4 * c * 16, 11)
        self.register_buffer("template", torch.tensor(TEMPLATE, dtype=torch.float32), persistent=False)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        out = self.head(self.features(x).flatten(1)).float()
        return self.template + out[:, :10].view(-1, 5, 2) * 0.1, out[:, 10]


class _Residual(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.change = nn.Sequential(*_convolution(channels, channels, 1), *_convolution(channels, channels, 1)[:-1])

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(x + self.change(x))


def _convolution(narrow: int, wide: int, stride: int) -> list[nn.Module]:
    return [nn.Conv2d(narrow, wide, 3, stride, 1, bias=False), nn.BatchNorm2d(wide), nn.ReLU()]


class LandmarkFinder:
    """Places landmarks, on a CPU. Safe for many threads."""

    def __init__(self, weights: Path = WEIGHTS) -> None:
        net = LandmarkNet()
        ranges = load_weights(net, weights)  # half precision in the file
        self._net = on_cpu(net, torch.zeros(1, 3, SIZE, SIZE), ranges)

    def refine(
        self, picture: NDArray[np.uint8], guesses: NDArray[np.floating], *, looks: int = 2
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Landmarks (N, 5, 2) in pixels of an RGB uint8 (H, W, 3) picture, and probabilities (N,) of being a face.

        guesses: landmarks (N, 5, 2) that may be off by a fifth of the face or 30 degrees, such as those of a mean face.
        looks: times that the crop is cut anew by what the look before has found; each costs a millisecond a face.
        """
        landmarks = np.asarray(guesses, np.float64)
        scores = np.zeros(len(landmarks), np.float32)
        for _ in range(looks if len(landmarks) else 0):
            alignments = [align(points, TEMPLATE, SIZE) for points in landmarks]
            crops = np.stack([_crop(picture, alignment) for alignment in alignments])
            found, logits = self._net((crops.astype(np.float32) / 127.5 - 1).transpose(0, 3, 1, 2))
            points = found.astype(np.float64) * SIZE - 0.5
            landmarks = np.stack(
                [p @ a.inverse[:, :2].T + a.inverse[:, 2] for p, a in zip(points, alignments, strict=True)]
            )
            scores = probability(logits)
        return landmarks.astype(np.float32), scores


def _crop(picture: NDArray[np.uint8], alignment: Alignment) -> NDArray[np.uint8]:
    """As `Alignment.crop`; grey where the guess lies outside the picture, which is then no face."""
    try:
        return alignment.crop(picture)
    except (ValueError, cv2.error):
        return np.full((SIZE, SIZE, 3), 128, np.uint8)
