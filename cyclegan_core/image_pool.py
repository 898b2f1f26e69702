"""A history of generated pictures, which keeps the discriminator from oscillating."""

import torch
from torch import Tensor


class ImagePool:
    """Keeps up to `size` generated pictures and hands out a mix of old and new ones.

    Once full, each picture asked about is, with probability one half, exchanged for a stored one.
    Source: Shrivastava et al. 2017, "Learning from simulated and unsupervised images", section 2.3; 50 as in CycleGAN.
    """

    def __init__(self, size: int = 50) -> None:
        if size < 0:
            raise ValueError(f"the size of a pool cannot be negative: {size}")
        self.size = size
        self.pictures: list[Tensor] = []

    def query(self, fakes: Tensor) -> Tensor:
        """Takes freshly generated pictures (B, C, H, W); returns as many, some of them from earlier calls, detached."""
        if self.size == 0:
            return fakes.detach()
        answer = []
        for fake in fakes.detach():
            if len(self.pictures) < self.size:
                self.pictures.append(fake.clone())
                answer.append(fake)
            elif torch.rand(()) < 0.5:
                i = int(torch.randint(self.size, ()))
                answer.append(self.pictures[i])
                self.pictures[i] = fake.clone()
            else:
                answer.append(fake)
        return torch.stack(answer)
