"""Random flips, turns, zooms, shifts and sharpness of a batch, on the device of the pictures."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from train.config.train_config import TrainConfig


def augment(
    pictures: Tensor, config: TrainConfig, *, size: int, sharpen: float = 0.0, rank: int = 0, world: int = 1
) -> Tensor:
    """Uint8 (B, 3, H, W) to float32 (B, 3, size, size) in [-1, 1], each flipped, turned, zoomed and shifted at random.

    sharpen: each is sharpened by an amount at random as well, at most this one (see `sharpened`).

    The draw is torch's global one, on the CPU; the arithmetic is on the device of the pictures. With `world` processes
    every one draws for the `B * world` pictures of all of them and takes its own rows, so that two processes with the
    same generator state do what one would do.
    """
    count = len(pictures)

    def uniform(limit: float) -> Tensor:
        return (torch.rand(count * world) * 2 - 1) * limit

    angle = uniform(math.radians(config.turn))
    scale = torch.exp(uniform(math.log1p(config.zoom)))
    mirror = torch.where(torch.rand(count * world) < 0.5, -1.0, 1.0) if config.flip else torch.ones(count * world)
    cos, sin = torch.cos(angle) * scale, torch.sin(angle) * scale
    rows = [torch.stack([cos * mirror, -sin, uniform(2 * config.shift)], dim=1)]
    rows.append(torch.stack([sin * mirror, cos, uniform(2 * config.shift)], dim=1))
    moves = torch.stack(rows, dim=1)[rank * count : (rank + 1) * count].to(pictures.device, non_blocking=True)
    grid = F.affine_grid(moves, [count, 3, *pictures.shape[2:]], align_corners=False)
    moved = F.grid_sample(pictures.float() / 127.5 - 1, grid, padding_mode="reflection", align_corners=False)
    moved = F.interpolate(moved, (size, size), mode="area") if moved.shape[-1] != size else moved
    if not sharpen:
        return moved
    amount = torch.rand(count * world)[rank * count : (rank + 1) * count].to(pictures.device) * sharpen
    return sharpened(moved, amount)


def sharpened(x: Tensor, amount: Tensor) -> Tensor:
    """Float (B, 3, H, W) in [-1, 1] with so many times (B,) what a blur of 3 x 3 pixels takes away added to it."""
    blurred = F.avg_pool2d(F.pad(x, (1, 1, 1, 1), mode="reflect"), 3, 1)
    return torch.clamp(x + amount[:, None, None, None] * (x - blurred), -1, 1)


def disturb(x: Tensor, *, rank: int = 0, world: int = 1) -> Tensor:
    """Float (B, 3, H, W) with small random changes of brightness, contrast, colour, sharpness and noise.

    They must not decide which domain a picture is from. rank, world: every process draws for the pictures of all and
    takes its own.
    """
    count = len(x)

    def normal(*shape: int) -> Tensor:
        return torch.randn(count * world, *shape, device=x.device)[rank * count : (rank + 1) * count]

    gain, tint = torch.exp(normal(1, 1, 1) * 0.15), normal(3, 1, 1) * 0.08
    mean = x.mean(dim=(1, 2, 3), keepdim=True)
    x = (x - mean) * gain + mean + tint
    if torch.rand(()) < 0.5:
        x = F.avg_pool2d(F.pad(x, (1, 1, 1, 1), mode="reflect"), 3, 1)
    strength = torch.rand(count * world, 1, 1, 1, device=x.device)[rank * count : (rank + 1) * count]
    return x + normal(*x.shape[1:]) * (0.1 * strength)
