"""A history of generated pictures, which keeps the discriminator from oscillating."""

from typing import Any

import torch
from torch import Tensor


class ImagePool:
    """Keeps up to `size` generated pictures and hands out a mix of old and new ones.

    Once full, each picture asked about is, with probability one half, exchanged for a stored one.
    Source: Shrivastava et al. 2017, "Learning from simulated and unsupervised images", section 2.3; 50 as in CycleGAN.

    Every row of the batch has a history of its own, an equal part of `size`, so that processes that share a batch need
    not exchange pictures and together do what one process does: the process of `rank` among `world` draws for all rows
    of the global batch and keeps those that are its own. All batches must have the same number of rows.
    """

    def __init__(self, size: int = 50, *, rank: int = 0, world: int = 1) -> None:
        if size < 0:
            raise ValueError(f"the size of a pool cannot be negative: {size}")
        if not 0 <= rank < world:
            raise ValueError(f"a rank must be from 0 to below {world}, not {rank}")
        self.size, self.rank, self.world = size, rank, world
        self.pictures: Tensor | None = None  # (B, depth, C, H, W), the first `filled` of the depth in use
        self.filled = 0

    def query(self, fakes: Tensor) -> Tensor:
        """Takes freshly generated pictures (B, C, H, W); returns as many, some of them from earlier calls, detached."""
        fakes = fakes.detach()
        if self.size == 0:
            return fakes
        rows = len(fakes)
        if self.pictures is None:
            depth = -(-self.size // (rows * self.world))
            self.pictures = fakes.new_empty((rows, depth, *fakes.shape[1:]))
        if len(self.pictures) != rows:
            raise ValueError(f"this pool was begun with batches of {len(self.pictures)} pictures, not {rows}")
        depth = self.pictures.shape[1]
        if self.filled < depth:
            self.pictures[:, self.filled] = fakes
            self.filled += 1
            return fakes
        own = slice(self.rank * rows, (self.rank + 1) * rows)
        exchanged = (torch.rand(rows * self.world) < 0.5)[own].to(fakes.device, non_blocking=True)
        column = torch.randint(depth, (rows * self.world,))[own].to(fakes.device, non_blocking=True)
        row = torch.arange(rows, device=fakes.device)
        stored = self.pictures[row, column]
        chosen = exchanged[:, None, None, None]
        self.pictures[row, column] = torch.where(chosen, fakes, stored)
        return torch.where(chosen, stored, fakes)

    def clear(self) -> None:
        """Forgets all pictures: for a new size of picture or of batch."""
        self.pictures, self.filled = None, 0

    def state_dict(self) -> dict[str, Any]:
        return {"pictures": self.pictures, "filled": self.filled}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.pictures, self.filled = state["pictures"], state["filled"]
