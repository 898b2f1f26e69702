"""Training pictures for a face detector: mosaics of faces of every size and angle, and what a camera does to them."""

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from cyclegan_core.faces.retinaface import normalised

Picture = NDArray[np.uint8]

ROWS = (1, 2, 3, 4, 6)  # tiles along a side of a mosaic
ROW_SHARES = (0.28, 0.3, 0.2, 0.14, 0.08)
OTHERS = 0.12  # share of the tiles that show something else
UPRIGHT_ROLL, LARGEST_ROLL = 10.0, 50.0  # degrees: standard deviation of most faces, and the limit of the others
TILTED = 0.25  # share of the faces of the second kind
BORDERS = (cv2.BORDER_REFLECT_101, cv2.BORDER_REPLICATE, cv2.BORDER_CONSTANT)


class Mosaics:
    """Draws mosaics of the pictures of some files.

    faces: files with one face each, as a rule. others: files of anything; parts of them fill some of the tiles.
    """

    def __init__(self, faces: Sequence[Path], others: Sequence[Path] = ()) -> None:
        self._faces = [path.read_bytes() for path in faces]
        self._others = [path.read_bytes() for path in others]

    def draw(self, size: int, random: np.random.Generator) -> Picture:
        """A new mosaic, RGB uint8 (size, size, 3)."""
        canvas = _backdrop(size, random)
        rows = int(random.choice(ROWS, p=ROW_SHARES))
        edges = np.linspace(0, size, rows + 1).astype(int)
        for top, bottom in pairwise(edges):
            for left, right in pairwise(edges):
                tile = canvas[top:bottom, left:right]
                if random.random() < OTHERS:
                    self._fill_with_another(tile, random)
                else:
                    _place(_decode(self._faces, random), tile, random)
        return canvas

    def _fill_with_another(self, tile: Picture, random: np.random.Generator) -> None:
        if not self._others or random.random() < 0.3:
            return  # the backdrop itself
        picture = _decode(self._others, random)
        side = int(min(picture.shape[:2]) * random.uniform(0.15, 1))
        top, left = (int(random.integers(0, length - side + 1)) for length in picture.shape[:2])
        part = picture[top : top + side, left : left + side]
        tile[:] = cv2.resize(part, tile.shape[1::-1], interpolation=cv2.INTER_AREA)


def disturb(picture: Picture, random: np.random.Generator) -> Picture:
    """The RGB uint8 (H, W, 3) picture as a bad camera would give it: dark, grey, blurred, noisy, half covered."""
    result = picture.astype(np.float32)
    if random.random() < 0.15:
        result[:] = result.mean(axis=2, keepdims=True)
    if random.random() < 0.6:
        result *= random.uniform(0.35, 1.4)
        result += random.uniform(-30, 30) + random.normal(0, 8, 3)
    if random.random() < 0.25:
        result[:] = cv2.GaussianBlur(result, (0, 0), random.uniform(0.4, 1.8))
    if random.random() < 0.3:
        result += random.normal(0, random.uniform(2, 16), (*picture.shape[:2], 1)).astype(np.float32)
    if random.random() < 0.35:
        _cover(result, random)
    disturbed = np.clip(result, 0, 255).astype(np.uint8)
    if random.random() < 0.3:
        _, encoded = cv2.imencode(".jpg", disturbed, [cv2.IMWRITE_JPEG_QUALITY, int(random.integers(15, 80))])
        disturbed = np.asarray(cv2.imdecode(encoded, cv2.IMREAD_COLOR), np.uint8)
    return disturbed


def _cover(picture: NDArray[np.float32], random: np.random.Generator) -> None:
    for _ in range(int(random.integers(1, 7))):
        height, width = (int(length * random.uniform(0.03, 0.15)) + 1 for length in picture.shape[:2])
        top, left = (int(random.integers(0, length)) for length in picture.shape[:2])
        picture[top : top + height, left : left + width] = random.uniform(0, 255, 3)


def _decode(files: Sequence[bytes], random: np.random.Generator) -> Picture:
    data = np.frombuffer(files[int(random.integers(len(files)))], np.uint8)
    return np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR_RGB), np.uint8)


def _backdrop(size: int, random: np.random.Generator) -> Picture:
    """Soft clouds of random colours, from plain to rough."""
    cells = int(random.choice((1, 2, 4, 12, 48)))
    noise = random.uniform(0, 255, (cells, cells, 3)).astype(np.float32)
    return np.clip(cv2.resize(noise, (size, size), interpolation=cv2.INTER_CUBIC), 0, 255).astype(np.uint8)


def _place(picture: Picture, tile: Picture, random: np.random.Generator) -> None:
    """Draws a picture into a tile: mirrored or not, larger or smaller than it, moved and rolled."""
    if random.random() < 0.5:
        picture = picture[:, ::-1]
    height, width = picture.shape[:2]
    scale = max(tile.shape[:2]) / min(height, width) * random.uniform(0.55, 1.5)
    if scale < 1:
        size = (max(2, round(width * scale)), max(2, round(height * scale)))
        picture = np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), np.uint8)
        height, width = picture.shape[:2]
        scale = 1.0
    roll = random.uniform(-LARGEST_ROLL, LARGEST_ROLL) if random.random() < TILTED else random.normal(0, UPRIGHT_ROLL)
    matrix = cv2.getRotationMatrix2D((width / 2, height / 2), roll, scale)
    shift = np.array(tile.shape[1::-1]) * (0.5 + random.uniform(-0.18, 0.18, 2))
    matrix[:, 2] += shift - (width / 2, height / 2)
    border = BORDERS[int(random.integers(len(BORDERS)))]
    tile[:] = cv2.warpAffine(
        np.ascontiguousarray(picture), matrix, tile.shape[1::-1],
        flags=cv2.INTER_LINEAR, borderMode=border, borderValue=random.uniform(0, 255, 3).tolist(),
    )  # fmt: skip


def as_batch(pictures: Sequence[NDArray[np.uint8]]) -> Tensor:
    """RGB uint8 (S, S, 3) pictures as the network takes them, (B, 3, S, S), channels last."""
    return normalised(torch.from_numpy(np.stack(pictures))).contiguous(memory_format=torch.channels_last)
