"""A small encoder that tells pictures of one training set apart: the features by which translations are measured.

Inception features know the thousand things of ImageNet, want 91 MB of weights and 5 G multiply-adds a picture. These
are learned in a minute from the training split that is measured: to know which of two views show the same picture
(SimCLR: Chen et al. 2020) and which domain a picture is from. Figures by them compare translations of one data set;
they mean nothing beside figures of other sets or by other features.
"""

import math
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from train.config.train_config import TrainConfig
from train.data.augment import augment, disturb
from train.data.folders import open_domain, to_float
from train.evaluation.network_cache import load_or_train

SIZE, WIDTH, FEATURES = 64, 16, 256  # pixels that it sees, channels of its first layer, numbers that it returns
PICTURES, BATCH = 10_000, 128  # that it learns on
VERSION = 1
# What may happen to a picture without making it another one.
VIEWS = TrainConfig("features", ("a", "b"), size=SIZE, turn=10, zoom=0.12, shift=0.06)


class Encoder(nn.Module):
    """Float (B, 3, H, W) in [-1, 1] to features (B, 256) of length 16, so that kernels see angles, not lengths."""

    num_features = FEATURES  # torchmetrics asks for it

    def __init__(self) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        width = 3
        for wide in (WIDTH, 2 * WIDTH, 4 * WIDTH, 8 * WIDTH):
            layers += [nn.Conv2d(width, wide, 3, 1, 1, bias=False), nn.BatchNorm2d(wide), nn.ReLU(), nn.MaxPool2d(2)]
            width = wide
        self.body = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(4 * width, FEATURES))

    def forward(self, x: Tensor) -> Tensor:
        if x.shape[-2:] != (SIZE, SIZE):
            x = F.interpolate(x, (SIZE, SIZE), mode="area")
        return F.normalize(self.body(x), dim=1) * math.sqrt(FEATURES)


class PictureFeatures(nn.Module):
    """Features (N, D) of uint8 (N, 3, S, S) pictures, as torchmetrics asks for them."""

    def __init__(self, encoder: Encoder) -> None:
        super().__init__()
        self.encoder, self.num_features = encoder, encoder.num_features

    def forward(self, pictures: Tensor) -> Tensor:
        return self.encoder(to_float(pictures))


@torch.inference_mode()
def encode(encoder: nn.Module, pictures: Tensor, *, batch: int = 128) -> Tensor:
    """Features of uint8 (N, 3, S, S) pictures as float64 (N, D) on the CPU."""
    device = next(encoder.parameters()).device
    return torch.cat([encoder(to_float(part.to(device))).double().cpu() for part in pictures.split(batch)])


def load_or_train_encoder(data: Path, device: torch.device, *, seed: int = 0, holdout: float = 0.0) -> Encoder:
    """The encoder of the training split of `data`, without what `holdout` keeps back; kept beside the data.

    Frozen and in evaluation mode; random numbers of the caller are left as they are. Raises CycleganError.
    """
    settings = {
        "version": VERSION, "of": [SIZE, WIDTH, FEATURES, PICTURES], "seed": seed, "holdout": holdout,
        "device": device.type,
    }  # fmt: skip
    with torch.random.fork_rng([device] if device.type == "cuda" else []):
        torch.manual_seed(seed)
        encoder = load_or_train(data, "features", settings, Encoder, lambda: _trained(data, device, seed, holdout))
    return encoder.to(device).eval().requires_grad_(False)


def _trained(data: Path, device: torch.device, seed: int, holdout: float) -> Encoder:
    print(f"Training features to measure by, on {PICTURES:,} pictures of {data.name}", flush=True)
    encoder = Encoder().to(device)
    with ExitStack() as opened:
        domains = [open_domain(data, f"train{side}", SIZE, seed=seed, device=device, holdout=holdout) for side in "AB"]
        for domain in domains:
            opened.callback(domain.close)
        _train(encoder, [domain.take for domain in domains])
    return encoder


def _train(encoder: Encoder, sources: Sequence[Callable[[int], Tensor]]) -> None:
    device = next(encoder.parameters()).device
    project = nn.Sequential(nn.ReLU(), nn.Linear(FEATURES, 64)).to(device)
    classify = nn.Sequential(nn.ReLU(), nn.Linear(FEATURES, 1)).to(device)
    parameters = [p for net in (encoder, project, classify) for p in net.parameters()]
    steps = max(2, PICTURES // BATCH)
    optimiser = torch.optim.AdamW(parameters, lr=2e-3, weight_decay=1e-2)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 4e-3, total_steps=steps)
    domain = torch.cat([torch.zeros(BATCH // 2), torch.ones(BATCH // 2)]).repeat(2).to(device)
    encoder.train()
    for _ in range(steps):
        shown = torch.cat([take(BATCH // 2) for take in sources])
        x = torch.cat([disturb(augment(shown, VIEWS, size=SIZE)) for _ in range(2)])
        features = encoder.body(x.contiguous(memory_format=torch.channels_last))
        loss = _same_picture(project(features))
        loss = loss + F.binary_cross_entropy_with_logits(classify(features).squeeze(1), domain)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()


def _same_picture(projected: Tensor, temperature: float = 0.2) -> Tensor:
    """NT-Xent of (2B, D), rows i and i + B being views of one picture."""
    unit = F.normalize(projected, dim=1)
    likeness = unit @ unit.T / temperature
    likeness.fill_diagonal_(float("-inf"))
    half = len(unit) // 2
    other = torch.cat([torch.arange(half, 2 * half), torch.arange(half)]).to(unit.device)
    return F.cross_entropy(likeness, other)
