"""Two classifiers of different architecture that tell which domain a picture is from and, of a face, how old it is.

A generator that pleases one of them by paint seldom pleases both. Neither is an authority: what each gets right on real
pictures of the test split is printed beside its figures.
"""

import math
from itertools import pairwise

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from train.config.train_config import TrainConfig
from train.data.augment import augment, disturb
from train.data.folder_domains import ShuffledIndices
from train.data.folders import to_float

SIZE = 96  # pixels that a classifier sees
BATCH = 32
MIDDLE_AGE, SPREAD = 40.0, 20.0  # years: the head for age starts there
MOVES = TrainConfig("classifier", ("a", "b"), size=SIZE, turn=12, zoom=0.15, shift=0.06)
SMOOTHED = 0.05  # labels of the domains are 0.05 and 0.95: some of any set are wrong


class Classifier(nn.Module):
    """Float (B, 3, S, S) in [-1, 1] to a tuple: logits (B,), positive for domain B, and years (B,)."""

    def __init__(self, features: nn.Module, width: int) -> None:
        super().__init__()
        self.features = features
        self.head = nn.Sequential(nn.Dropout(0.3), nn.Linear(width, 2))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        logits, age = self.head(self.features(x).mean(dim=(2, 3))).unbind(1)
        return logits, MIDDLE_AGE + SPREAD * age


class _Residual(nn.Module):
    def __init__(self, narrow: int, wide: int, stride: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(narrow, wide, 3, stride, 1, bias=False), nn.BatchNorm2d(wide), nn.ReLU(),
            nn.Conv2d(wide, wide, 3, 1, 1, bias=False), nn.BatchNorm2d(wide),
        )  # fmt: skip
        self.skip = nn.Identity() if stride == 1 else nn.Conv2d(narrow, wide, 1, stride, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.skip(x) + self.body(x))


def residual_classifier(channels: int = 32) -> Classifier:
    """Residual blocks with batch norm that halve the size by strides (He et al. 2016)."""
    widths = [channels, 2 * channels, 4 * channels, 8 * channels]
    layers: list[nn.Module] = [nn.Conv2d(3, channels, 5, 2, 2, bias=False), nn.BatchNorm2d(channels), nn.ReLU()]
    for narrow, wide in pairwise(widths):
        layers += [_Residual(narrow, wide, 2), _Residual(wide, wide, 1)]
    return Classifier(nn.Sequential(*layers), widths[-1])


def plain_classifier(channels: int = 32) -> Classifier:
    """Plain layers with group norm and max pooling, in the manner of VGG (Simonyan and Zisserman 2015)."""
    widths = [3, channels, 2 * channels, 4 * channels, 8 * channels]
    layers: list[nn.Module] = []
    for narrow, wide in pairwise(widths):
        layers += [nn.Conv2d(narrow, wide, 3, 1, 1), nn.GroupNorm(8, wide), nn.SiLU(), nn.MaxPool2d(2)]
    layers += [nn.Conv2d(widths[-1], widths[-1], 3, 1, 1), nn.GroupNorm(8, widths[-1]), nn.SiLU()]
    return Classifier(nn.Sequential(*layers), widths[-1])


ARCHITECTURES = {"residual": residual_classifier, "plain": plain_classifier}


def _spoil(x: Tensor) -> Tensor:
    """Some of the pictures (B, 3, H, W) greyed, and a rectangle of some erased (Zhong et al. 2020)."""
    grey = torch.rand(len(x), 1, 1, 1, device=x.device) < 0.15
    x = torch.where(grey, x.mean(dim=1, keepdim=True), x)
    side = x.shape[-1]
    for row in torch.nonzero(torch.rand(len(x)) < 0.4).flatten().tolist():
        height, width = (int(n) for n in torch.randint(side // 8, side // 2, (2,)))
        top, left = int(torch.randint(side - height, ())), int(torch.randint(side - width, ()))
        x[row, :, top : top + height, left : left + width] = torch.rand(3, 1, 1, device=x.device) * 2 - 1
    return x


def _compressed(pictures: Tensor) -> Tensor:
    """Uint8 (B, 3, H, W), of which about a third have been JPEG files of low quality."""
    pictures = pictures.clone()
    for row in torch.nonzero(torch.rand(len(pictures)) < 0.35).flatten().tolist():
        quality = int(torch.randint(15, 70, ()))
        image = np.ascontiguousarray(pictures[row].cpu().numpy().transpose(1, 2, 0))
        _, coded = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])
        decoded = cv2.imdecode(coded, cv2.IMREAD_COLOR)
        assert decoded is not None
        pictures[row] = torch.from_numpy(decoded.transpose(2, 0, 1).copy())
    return pictures


def train_classifier(
    model: Classifier, domains: tuple[Tensor, Tensor], ages: tuple[Tensor, Tensor], *, pictures: int, seed: int
) -> Classifier:
    """Trains on so many pictures with strong augmentation; returns the model frozen, in evaluation mode.

    domains: uint8 (N, 3, S, S) of A and of B. ages: float (N,) of each in years, NaN where nobody knows. Rare decades
    are shown more often than they occur, as else all would be called as old as most are.
    """
    torch.manual_seed(seed)
    device = domains[0].device
    bf16 = device.type == "cpu" and torch.ops.mkldnn._is_mkldnn_bf16_supported()
    model = model.to(device).to(memory_format=torch.channels_last).train()  # type: ignore[call-overload]
    optimiser = torch.optim.AdamW(model.parameters(), lr=1e-3, weight_decay=5e-2)
    steps = max(2, math.ceil(pictures / BATCH))
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 3e-3, total_steps=steps)
    half = BATCH // 2
    samplers = [_Sampler(len(p), a, f"{seed}:{i}") for i, (p, a) in enumerate(zip(domains, ages, strict=True))]
    target = torch.cat([torch.full((half,), SMOOTHED), torch.full((half,), 1 - SMOOTHED)]).to(device)
    for _ in range(steps):
        rows = [sampler.take(half) for sampler in samplers]
        shown = torch.cat([_compressed(p[r]) for p, r in zip(domains, rows, strict=True)])
        years = torch.cat([a[r] for a, r in zip(ages, rows, strict=True)]).to(device)
        x = _spoil(disturb(augment(shown, MOVES, size=SIZE))).contiguous(memory_format=torch.channels_last)
        with torch.autocast(device.type, torch.bfloat16, enabled=bf16):
            logits, told = model(x)
        loss = F.binary_cross_entropy_with_logits(logits.float(), target)
        known = ~years.isnan()
        if known.any():
            loss = loss + F.smooth_l1_loss(told.float()[known] / 10, years[known] / 10)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
    return model.eval().requires_grad_(False)


class _Sampler:
    """Rows of a domain: in shuffled passes, or by decades where ages are known."""

    def __init__(self, count: int, ages: Tensor, seed: str) -> None:
        self._passes = ShuffledIndices(count, seed)
        known = ages.nan_to_num(-1).long() // 10
        self._weights = 1 / torch.bincount(known + 1)[known + 1].double().sqrt() if (known >= 0).any() else None

    def take(self, number: int) -> Tensor:
        if self._weights is None:
            return self._passes.take(number)
        return torch.multinomial(self._weights, number, replacement=True)


@torch.inference_mode()
def classify(model: Classifier, pictures: Tensor, *, batch: int = 256) -> tuple[Tensor, Tensor]:
    """Logits of domain B and years, each float (N,) on the CPU, of uint8 (N, 3, S, S) pictures."""
    device = next(model.parameters()).device
    small = (F.interpolate(to_float(part.to(device)), (SIZE, SIZE), mode="area") for part in pictures.split(batch))
    parts = [model(part) for part in small]
    return torch.cat([logits.cpu() for logits, _ in parts]), torch.cat([years.cpu() for _, years in parts])
