"""The classifier that guides a training: whether the attribute has flipped."""

from dataclasses import asdict, replace
from pathlib import Path

import torch
from torch import Tensor

from train.config.train_config import TrainConfig
from train.data.folders import open_domain
from train.evaluation.classifier import DomainClassifier, share_of_b, train_classifier
from train.evaluation.kept import load_or_train

LOOKS_AT = 10_000  # training pictures of each domain
VERSION = 1
# Fields that decide what it learns.
TOLD = (
    "guide_size", "guide_pictures", "guide_radius", "seed", "validation", "flip", "turn", "zoom", "shift"
)  # fmt: skip


def load_or_train_guide(config: TrainConfig, data: Path, device: torch.device) -> DomainClassifier:
    """Frozen, in evaluation mode, on the device. It learns from the training split without what validation holds out.

    It takes minutes to train and depends on the data and few fields alone, so it is kept. Raises CycleganError.
    """
    told = {"version": VERSION, "device": device.type, **{name: asdict(config)[name] for name in TOLD}}
    guide = load_or_train(data, "guide", told, DomainClassifier, lambda: _train(config, data, device))
    return guide.to(device).eval().requires_grad_(False)


def _train(config: TrainConfig, data: Path, device: torch.device) -> DomainClassifier:
    size, pictures = config.guide_size, config.guide_pictures
    print(f"Training the classifier that guides, on {pictures:,} pictures of the training split", flush=True)
    a, b = (_pictures(config, data, f"train{domain}").to(device) for domain in "AB")
    seen = replace(config, size=size, stages=())
    guide = train_classifier(a, b, seen, pictures=pictures, seed=config.seed, radius=config.guide_radius)
    right = 1 - share_of_b(guide, a, size=size), share_of_b(guide, b, size=size)
    print(f"It puts {right[0]:.1%} of A and {right[1]:.1%} of B right (pictures it was trained on)", flush=True)
    return guide


def _pictures(config: TrainConfig, data: Path, split: str) -> Tensor:
    """Uint8 (N, 3, S, S) on the CPU."""
    domain = open_domain(
        data, split, config.guide_size, seed=config.seed, device=torch.device("cpu"), holdout=config.validation
    )
    try:
        return domain.spread(LOOKS_AT)
    finally:
        domain.close()
