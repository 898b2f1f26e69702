"""Which part of a crop is the head: hair, face, ears and neck, and not what lies behind them.

A face that is painted anew comes with a background that the generator has invented. Within the matte the painting
covers the photo; around it the photo stays.
"""

from functools import cache
from pathlib import Path

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from cyclegan_core.runtime.compiled import probability
from cyclegan_core.runtime.int8 import load_weights
from cyclegan_core.runtime.model_cache import on_cpu

WEIGHTS = Path(__file__).with_name("head_matte.safetensors")
SIZE = 64  # side in pixels of what the network sees, and of the matte that it gives
# Probabilities between which the matte runs from 0 to 1. Half-sure hair counts nearly whole, as its lack would be seen.
UNSURE, SURE = 0.15, 0.6
HOLE = 7  # pixels of SIZE; a gap that is narrower is none


class HeadMatteNet(nn.Module):
    """Float (B, 3, 64, 64) in [-1, 1], a crop cut by HEAD_TEMPLATE, to logits (B, 1, 64, 64) of being the head.

    A small U-Net (Ronneberger et al. 2015) on squares of 2 x 2 pixels. Its lowest layers see the whole crop, so that
    hair is known by where it is as well as by its colour.
    """

    def __init__(self, channels: int = 16) -> None:
        super().__init__()
        c = channels
        self.downs = nn.ModuleList([_block(12, c), _block(c, 2 * c), _block(2 * c, 3 * c), _block(3 * c, 4 * c)])
        self.ups = nn.ModuleList([_block(7 * c, 3 * c), _block(5 * c, 2 * c), _block(3 * c, c)])
        self.last = nn.Conv2d(c, 4, 1)

    def forward(self, x: Tensor) -> Tensor:
        x = F.pixel_unshuffle(x, 2)
        bridges = []
        for number, block in enumerate(self.downs):
            x = block(F.max_pool2d(x, 2) if number else x)
            bridges.append(x)
        for block, bridge in zip(self.ups, reversed(bridges[:-1]), strict=True):
            x = block(torch.cat([F.interpolate(x, scale_factor=2.0, mode="bilinear", align_corners=False), bridge], 1))
        return F.pixel_shuffle(self.last(x), 2)


def _block(narrow: int, wide: int) -> nn.Sequential:
    layers: list[nn.Module] = []
    for inputs in (narrow, wide):
        layers += [nn.Conv2d(inputs, wide, 3, 1, 1, bias=False), nn.BatchNorm2d(wide), nn.ReLU()]
    return nn.Sequential(*layers)


def _firm(probability: NDArray[np.float32]) -> NDArray[np.float32]:
    """A matte without holes and with a soft edge, (64, 64), of probabilities of being the head."""
    matte = ((probability - UNSURE) / (SURE - UNSURE)).clip(0, 1)
    closed = cv2.morphologyEx(matte, cv2.MORPH_CLOSE, np.ones((HOLE, HOLE), np.uint8), borderType=cv2.BORDER_REPLICATE)
    return cv2.GaussianBlur(closed, (0, 0), 1.0).astype(np.float32)


class HeadMatte:
    """Tells heads from backgrounds, on a CPU. Safe for many threads."""

    def __init__(self, weights: Path = WEIGHTS) -> None:
        net = HeadMatteNet()
        ranges = load_weights(net, weights)  # half precision in the file
        self._net = on_cpu(net, torch.zeros(1, 3, SIZE, SIZE), ranges)

    def __call__(self, crops: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Mattes float32 (B, S, S) in [0, 1], 1 on the head, of crops RGB uint8 (B, S, S, 3) cut by HEAD_TEMPLATE."""
        side = crops.shape[1]
        small = np.stack([cv2.resize(crop, (SIZE, SIZE), interpolation=cv2.INTER_AREA) for crop in crops])
        (logits,) = self._net((small.astype(np.float32) / 127.5 - 1).transpose(0, 3, 1, 2))
        mattes = probability(logits[:, 0])
        return np.stack([cv2.resize(_firm(matte), (side, side), interpolation=cv2.INTER_LINEAR) for matte in mattes])


@cache
def embedded_head_matte() -> HeadMatte:
    """The one that is shared by all translators."""
    return HeadMatte()


def with_head_opacity(painted: NDArray[np.float32], crops: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Painted crops float32 (B, S, S, 3) as `blending.paste` takes them to cover the head alone, (B, S, S, 4).

    crops: RGB uint8 (B, S, S, 3), of which they were painted.
    """
    pairs = zip(painted, embedded_head_matte()(crops), strict=True)
    return np.stack([cv2.merge([crop, matte]) for crop, matte in pairs])
