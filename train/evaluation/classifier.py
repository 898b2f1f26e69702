"""A small classifier of two domains, which judges a trained translation."""

import math
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from train.config.train_config import TrainConfig
from train.data.augment import augment
from train.data.folders import ShuffledIndices, to_float


class DomainClassifier(nn.Module):
    """Float (B, 3, S, S) in [-1, 1] to logits (B,): positive for domain B."""

    def __init__(self, channels: int = 16) -> None:
        super().__init__()
        widths = [3, channels, 2 * channels, 4 * channels, 8 * channels]
        layers: list[nn.Module] = []
        for narrow, wide in pairwise(widths):
            layers += [nn.Conv2d(narrow, wide, 3, 1, 1, bias=False), nn.BatchNorm2d(wide), nn.ReLU(), nn.MaxPool2d(2)]
        self.features = nn.Sequential(*layers)
        self.head = nn.Sequential(nn.Dropout(0.3), nn.Linear(widths[-1], 1))

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.features(x).mean(dim=(2, 3))).squeeze(1)


def disturb(x: Tensor, *, rank: int = 0, world: int = 1) -> Tensor:
    """Small random changes of brightness, contrast, colour and noise: what must not decide the domain.

    x: float (B, 3, H, W) in [-1, 1].
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


def train_classifier(
    a: Tensor,
    b: Tensor,
    config: TrainConfig,
    *,
    pictures: int,
    seed: int,
    channels: int = 16,
    batch: int = 32,
) -> DomainClassifier:
    """Trains on uint8 (N, 3, S, S) of both domains for so many pictures; returns it frozen, in evaluation mode."""
    torch.manual_seed(seed)
    device = a.device
    model = DomainClassifier(channels).to(device)
    optimiser = torch.optim.AdamW(model.parameters(), lr=1e-3, weight_decay=1e-2)
    steps = math.ceil(pictures / batch)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 2e-3, total_steps=steps)
    samplers = ShuffledIndices(len(a), seed), ShuffledIndices(len(b), seed + 1)
    target = torch.cat([torch.zeros(batch // 2), torch.ones(batch // 2)]).to(device)
    for _ in range(steps):
        x = torch.cat([a[samplers[0].take(batch // 2)], b[samplers[1].take(batch // 2)]])
        x = disturb(augment(x, config, size=config.size)).contiguous(memory_format=torch.channels_last)
        # Labels are smoothed: a classifier that is never quite sure gives a gradient everywhere.
        soft = target * 0.9 + 0.05
        loss = F.binary_cross_entropy_with_logits(model(x), soft)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
    return model.eval().requires_grad_(False)


@torch.inference_mode()
def share_of_b(model: DomainClassifier, pictures: Tensor, *, size: int, batch: int = 256) -> float:
    """Share of uint8 (N, 3, S, S) pictures that the classifier, looking at `size` pixels, puts into domain B."""
    small = (F.interpolate(to_float(part), (size, size), mode="area") for part in pictures.split(batch))
    return float(torch.cat([(model(part) > 0).float() for part in small]).mean())
