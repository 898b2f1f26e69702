"""Differentiable augmentation: what a discriminator sees, real or fake, is changed at random in the same ways.

With few pictures a discriminator learns them by heart. Augmenting only the real ones would teach the generator the
augmentation; augmenting both, by operations that pass the gradient on, does not (Zhao et al. 2020, "Differentiable
Augmentation for Data-Efficient GAN Training"). All operations can be derived twice, as gradient penalties need.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from cyclegan_core.errors import CycleganError

SHIFT = 0.125  # of the side, at most
HOLE = 0.5  # side of the square that is cut out, as a fraction of the picture's

Draw = Callable[[], Tensor]  # uniform numbers in [0, 1), one for each picture of this process, on its device


def diff_augment(
    pictures: Tensor,
    policy: str,
    *,
    probability: float = 1.0,
    rank: int = 0,
    world: int = 1,
    seed_draw: int | None = None,
) -> Tensor:
    """Float (B, 3, H, W) in about [-1, 1], changed by every operation of the policy with a draw for each picture.

    probability: with which each operation happens to each picture; below 1 the discriminator also sees pictures as they
    are, so that the generator is not free to learn the augmentation (Karras et al. 2020, ADA, section 2.2).

    policy: of `color`, `translation` and `cutout`, separated by commas; empty changes nothing. rank, world: every
    process draws for all `B * world` pictures and takes its own rows. seed_draw: for a draw that can be repeated; None
    draws from torch's global generator. Raises CycleganError for an unknown operation.
    """
    count = len(pictures)
    generator = None if seed_draw is None else torch.Generator().manual_seed(seed_draw)

    def draw() -> Tensor:
        numbers = torch.rand(count * world, generator=generator)[rank * count : (rank + 1) * count]
        return numbers.to(pictures.device, non_blocking=True)

    for operation in operations(policy):
        changed = OPERATIONS[operation](pictures, draw)
        if probability < 1:
            happens = draw()[:, None, None, None] < probability
            changed = torch.where(happens, changed, pictures)
        pictures = changed
    return pictures


def operations(policy: str) -> list[str]:
    """The operations of a policy in their order. Raises CycleganError for an unknown one."""
    names = [name.strip() for name in policy.split(",") if name.strip()]
    for name in names:
        if name not in OPERATIONS:
            raise CycleganError(f"diff_augment knows no {name!r}; it knows {', '.join(OPERATIONS)}, joined by commas")
    return names


def _color(x: Tensor, draw: Draw) -> Tensor:
    """Brightness by up to 0.5, saturation by a factor of 0 to 2, contrast by one of 0.5 to 1.5."""
    brightness, saturation, contrast = (draw().to(x.dtype)[:, None, None, None] for _ in range(3))
    x = x + (brightness - 0.5)
    grey = x.mean(dim=1, keepdim=True)
    x = (x - grey) * (2 * saturation) + grey
    mean = x.mean(dim=(1, 2, 3), keepdim=True)
    return (x - mean) * (contrast + 0.5) + mean


def _translation(x: Tensor, draw: Draw) -> Tensor:
    """Whole pixels along both axes; what comes in from outside is 0, a middle grey.

    By gathering, not by `grid_sample`, which has no second derivative.
    """
    for axis in (2, 3):
        side = x.shape[axis]
        limit = round(side * SHIFT)
        moved = torch.floor(draw() * (2 * limit + 1)).long() - limit  # (B,)
        source = torch.arange(side, device=x.device) + moved[:, None]  # (B, side)
        inside = (source >= 0) & (source < side)
        shape = (len(x), 1, side, 1) if axis == 2 else (len(x), 1, 1, side)
        x = x.gather(axis, source.clamp(0, side - 1).view(shape).expand_as(x)) * inside.view(shape)
    return x


def _cutout(x: Tensor, draw: Draw) -> Tensor:
    """A square of half the side, anywhere, also partly outside, becomes 0."""
    hidden = []
    for axis in (2, 3):
        side = x.shape[axis]
        start = torch.floor(draw() * (side + 1))[:, None] - round(side * HOLE) // 2  # (B, 1)
        at = torch.arange(side, device=x.device)
        hidden.append((at >= start) & (at < start + round(side * HOLE)))  # (B, side)
    return x * ~(hidden[0][:, None, :, None] & hidden[1][:, None, None, :])


OPERATIONS: dict[str, Callable[[Tensor, Draw], Tensor]] = {
    "color": _color,
    "translation": _translation,
    "cutout": _cutout,
}
