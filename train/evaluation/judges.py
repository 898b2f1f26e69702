"""Small networks that judge translated pictures. Each is trained on a training split and first tested on real pictures.

None of them is an authority: what each gets right on real pictures of the test split is printed beside its figures.
"""

import math
from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cyclegan_core.errors import CycleganError
from train.config.train_config import TrainConfig
from train.data.augment import augment
from train.data.cache import cached_pictures
from train.data.folders import load_pictures, picture_files, to_float
from train.evaluation import metrics
from train.evaluation.classifier import DomainClassifier, disturb, train_classifier
from train.evaluation.features import VIEWS, Encoder, encode
from train.evaluation.network_cache import load_or_train
from train.preparation.labels import person

SIDE, SIZE, CHANNELS = 128, 64, 24  # pixels that pictures are kept at, those that a judge sees, its first layer's width
BATCH = 32
VERSION = 1
MOVES = TrainConfig("judge", ("a", "b"), size=SIZE)  # how pictures are moved while a judge learns


def attribute_judge(data: Path, *, pictures: int, seed: int, device: torch.device) -> DomainClassifier:
    """A classifier of trainA and trainB of `data`; kept in its cache, as training it takes minutes."""

    def trained() -> DomainClassifier:
        print(f"Training the judge on {pictures:,} pictures of {data.name}", flush=True)
        a, b = (load_pictures(data / f"train{side}", SIDE).to(device) for side in "AB")
        with _forked(device):
            return train_classifier(a, b, MOVES, pictures=pictures, seed=seed, channels=CHANNELS)

    judge = load_or_train(data, "judge", _told(pictures, seed, device), lambda: DomainClassifier(CHANNELS), trained)
    return judge.to(device).eval().requires_grad_(False)


@torch.inference_mode()
def votes(judge: nn.Module, pictures: Tensor, *, batch: int = 256) -> Tensor:
    """What the judge says of uint8 (N, 3, S, S) pictures, float (N,) on the CPU: logits of domain B, or years."""
    device = next(judge.parameters()).device
    small = (F.interpolate(to_float(part.to(device)), (SIZE, SIZE), mode="area") for part in pictures.split(batch))
    return torch.cat([judge(part).cpu() for part in small])


class AgeJudge(DomainClassifier):
    """Float (B, 3, S, S) in [-1, 1] to years (B,)."""

    def forward(self, x: Tensor) -> Tensor:
        return 40 + 20 * super().forward(x)  # the head starts near 0


def age_judge(data: Path, *, pictures: int, seed: int, device: torch.device) -> AgeJudge | None:
    """Learns years from the names of the training files of `data`; None where they do not tell ages. Kept likewise."""
    files = [path for side in "AB" for path in picture_files(data / f"train{side}") if person(path.name)]
    if len(files) < 100:
        return None

    def trained() -> AgeJudge:
        print(f"Training the judge of age on {pictures:,} pictures of {data.name}", flush=True)
        shown, years = _with_ages([data / f"train{side}" for side in "AB"])
        with _forked(device):
            torch.manual_seed(seed)
            judge = AgeJudge(CHANNELS).to(device)
            _train_age(judge, shown.to(device), years.to(device), pictures)
        return judge

    judge = load_or_train(data, "age_judge", _told(pictures, seed, device), lambda: AgeJudge(CHANNELS), trained)
    return judge.to(device).eval().requires_grad_(False)


def age_error(judge: AgeJudge, data: Path) -> float:
    """Mean absolute error in years on the real faces of the test split of `data`."""
    shown, years = _with_ages([data / f"test{side}" for side in "AB"])
    return float((votes(judge, shown) - years).abs().mean())


def views_recognised(encoder: Encoder, pictures: Tensor, *, seed: int = 0) -> float:
    """How often the encoder finds a real picture among 100 when it is shown another view of it, moved and recoloured.

    It measures what the encoder can: to know a person on two different photographs is harder.
    """
    with torch.random.fork_rng([]):
        torch.manual_seed(seed)
        moved = torch.cat([disturb(augment(part.cpu(), VIEWS, size=SIZE)) for part in pictures.split(128)])
    views = ((moved + 1) * 127.5).round().clamp(0, 255).byte()
    return float(metrics.nearest_to_own(encode(encoder, views), encode(encoder, pictures)).double().mean())


def _train_age(judge: AgeJudge, shown: Tensor, years: Tensor, pictures: int) -> None:
    # Every decade is shown as often as any other: else all would be called as old as most are.
    decade = (years / 10).long()
    weights = 1 / torch.bincount(decade).clamp(min=1)[decade].double()
    steps = math.ceil(pictures / BATCH)
    optimiser = torch.optim.AdamW(judge.parameters(), lr=1e-3, weight_decay=1e-2)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 3e-3, total_steps=steps)
    judge.train()
    for _ in range(steps):
        rows = torch.multinomial(weights.cpu(), BATCH, replacement=True).to(shown.device)
        x = disturb(augment(shown[rows], MOVES, size=SIZE)).contiguous(memory_format=torch.channels_last)
        loss = F.smooth_l1_loss(judge(x) / 10, years[rows] / 10)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()


def _with_ages(folders: Sequence[Path]) -> tuple[Tensor, Tensor]:
    """Uint8 (N, 3, S, S) pictures whose names tell an age, and the ages."""
    pictures: list[Tensor] = []
    years: list[int] = []
    for folder in folders:
        cached = cached_pictures(picture_files(folder), SIDE)
        known = {row: p.age for row, name in enumerate(cached.names) if (p := person(name))}
        pictures.append(torch.from_numpy(cached.pictures[list(known)]))
        years += known.values()
    if not years:
        raise CycleganError(f"no picture of {folders[0].parent.name} tells an age in its name; leave out --ages")
    return torch.cat(pictures), torch.tensor(years, dtype=torch.float32)


def _forked(device: torch.device) -> AbstractContextManager[None]:
    return torch.random.fork_rng([device] if device.type == "cuda" else [])


def _told(pictures: int, seed: int, device: torch.device) -> dict[str, Any]:
    return {
        "version": VERSION, "of": [SIDE, SIZE, CHANNELS, BATCH], "pictures": pictures, "seed": seed,
        "device": device.type,
    }  # fmt: skip
