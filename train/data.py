"""Two unpaired folders of pictures as endless, augmented batches."""

import json
import math
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from cyclegan_core import images
from cyclegan_core.errors import CycleganError, PictureError
from cyclegan_core.translation_config import Crop
from train.config import TrainConfig

CROPS_FILE = "crops.json"  # beside trainA, trainB, testA and testB


def read_crop(data: Path, size: int) -> Crop | None:
    """The template that the pictures in `data` were cut with, or None for whole pictures."""
    described = _described(data)
    if described is None:
        return None
    return Crop(size, tuple((x, y) for x, y in described["template"]), described["margin"])


def stored_size(data: Path, size: int) -> int:
    """The side that pictures are kept at: a multiple of `size` up to the prepared one, so that shrinking is exact."""
    described = _described(data)
    return size * max(1, described["size"] // size) if described else size


def _described(data: Path) -> dict[str, Any] | None:
    """What train/prepare.py says of its crops; None where it did not make them."""
    try:
        return json.loads((data / CROPS_FILE).read_text())
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise CycleganError(f"{data.name}/{CROPS_FILE} cannot be read ({error}); prepare the crops again") from error


def picture_files(folder: Path) -> list[Path]:
    """The pictures of a folder in the order of their names. Raises CycleganError where there are none."""
    files = sorted(p for p in folder.glob("*") if p.suffix.lower() in images.SUFFIXES) if folder.is_dir() else []
    if not files:
        raise CycleganError(f"{folder} holds no pictures; prepare it with train/prepare.py or name another folder")
    return files


def load_pictures(folder: Path, size: int) -> Tensor:
    """All pictures of a folder as uint8 (N, 3, size, size), brought to squares. Skips unreadable ones."""
    pictures = []
    for path in picture_files(folder):
        try:
            picture = images.load(path)
        except PictureError as error:
            print(f"skipped: {error}", flush=True)
            continue
        if picture.shape[:2] != (size, size):
            shrinks = min(picture.shape[:2]) > size
            picture = cv2.resize(picture, (size, size), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC)
        pictures.append(picture.transpose(2, 0, 1))
    if not pictures:
        raise CycleganError(f"no picture of {folder} can be read")
    return torch.from_numpy(np.stack(pictures))


def to_float(pictures: Tensor) -> Tensor:
    """Uint8 (B, 3, H, W) to float32 in [-1, 1]."""
    return pictures.float() / 127.5 - 1


class Shuffled:
    """Endless indices below `count`, each once in every pass, in a new order for every pass."""

    def __init__(self, count: int, seed: int) -> None:
        self.count = count
        self.generator = torch.Generator().manual_seed(seed)
        self.order = torch.empty(0, dtype=torch.long)

    def take(self, number: int) -> Tensor:
        while len(self.order) < number:
            self.order = torch.cat([self.order, torch.randperm(self.count, generator=self.generator)])
        taken, self.order = self.order[:number], self.order[number:]
        return taken

    def state_dict(self) -> dict[str, Tensor]:
        return {"generator": self.generator.get_state(), "order": self.order}

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        self.generator.set_state(state["generator"])
        self.order = state["order"]


def augment(pictures: Tensor, config: TrainConfig, *, size: int) -> Tensor:
    """Uint8 (B, 3, H, W) to float32 (B, 3, size, size) in [-1, 1], each flipped, turned, zoomed and shifted at random.

    The draw is torch's global one, on the CPU; the arithmetic is on the device of the pictures.
    """
    count = len(pictures)

    def uniform(limit: float) -> Tensor:
        return (torch.rand(count) * 2 - 1) * limit

    angle = uniform(math.radians(config.turn))
    scale = torch.exp(uniform(math.log1p(config.zoom)))
    mirror = torch.where(torch.rand(count) < 0.5, -1.0, 1.0) if config.flip else torch.ones(count)
    cos, sin = torch.cos(angle) * scale, torch.sin(angle) * scale
    rows = [torch.stack([cos * mirror, -sin, uniform(2 * config.shift)], dim=1)]
    rows.append(torch.stack([sin * mirror, cos, uniform(2 * config.shift)], dim=1))
    grid = F.affine_grid(torch.stack(rows, dim=1), [count, 3, *pictures.shape[2:]], align_corners=False)
    moved = F.grid_sample(to_float(pictures), grid.to(pictures.device), padding_mode="reflection", align_corners=False)
    return F.interpolate(moved, (size, size), mode="area") if moved.shape[-1] != size else moved
