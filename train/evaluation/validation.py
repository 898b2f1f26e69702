"""Scores snapshots while a run goes on, on pictures that it does not train on: which is the best, and when to stop."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from cyclegan_core.errors import CycleganError
from train.config.train_config import TrainConfig
from train.data.domain import seeded
from train.data.folders import open_domain, read_crop, validation_pictures
from train.data.preprocess import Preprocess, preprocess_of
from train.evaluation import metrics
from train.evaluation.features import encode, load_or_train_encoder
from train.evaluation.samples import Look, show_translated, spread

MOST = {"cuda": 256, "cpu": 128}  # pictures of each domain
CYCLED = {"cuda": 256, "cpu": 32}  # of them, those that go there and back
FEWEST = 8  # of fewer no distribution is known; training pictures are taken then
LACK = 0.5  # what is added to a score where all pictures are the same
PERMUTATIONS = 100  # of the test whether two domains differ at all
WORST = 1e6  # the score of generators that return no numbers


class TooFewError(CycleganError):
    """A domain has too few pictures for a distribution to be known."""


class Validator:
    """Scores generators on the pictures that the training of `config` on `data` holds out.

    held_out: False where the set is too small to hold any out, so that training pictures are scored. Making one trains
    a small encoder, once for a data set; the random numbers of the training are left as they are. Raises CycleganError,
    which is a TooFewError where a domain has one picture only.
    """

    def __init__(self, config: TrainConfig, data: Path, device: torch.device, seed: int) -> None:
        self.size = config.size
        self.look = Look(config.size, config.output, whole=read_crop(data, config.size) is None)
        self.cycled = CYCLED.get(device.type, 32)
        holdout, most = config.validation, MOST.get(device.type, 128)
        preprocess = preprocess_of(config)
        held = [
            validation_pictures(data, f"train{side}", self.size, seed=seed, holdout=holdout, preprocess=preprocess)
            for side in "AB"
        ]
        self.held_out = min(map(len, held)) >= FEWEST
        if not self.held_out:
            held = [_training_pictures(data, f"train{side}", self.size, seed, most, preprocess) for side in "AB"]
        if min(map(len, held)) < 2:
            raise TooFewError("scores of snapshots need at least two pictures in trainA and in trainB; add some")
        self.pictures = {name: spread(p, most) for name, p in zip(("a_to_b", "b_to_a"), held, strict=True)}
        self.encoder = load_or_train_encoder(data, device, seed=seed, holdout=holdout)
        self.features = {name: encode(self.encoder, p) for name, p in self.pictures.items()}
        # Of domains that are close the estimate may be next to zero or below it, and what is divided by it anything.
        untouched, noise = metrics.kernel_distance(*self.features.values()), _noise(*self.features.values())
        self.unit = max(untouched, noise)
        if untouched <= noise:
            print(
                "note: the validation pictures of the two domains cannot be told apart, so that the validation score, "
                "and the choice of the best snapshot by it, say little; judge by the samples",
                flush=True,
            )

    def score(self, generators: Mapping[str, nn.Module]) -> dict[str, float]:
        """Figures of both directions.

        score: lower is better; about 1 for untouched pictures and 0 for real ones of the target domain: the mean of
        kid_a_to_b and kid_b_to_a, and LACK times the variety that is lacking, as a kernel distance forgives pictures
        that are all alike more than people do. kid_*: kernel distance of translated pictures, blended as the demo shows
        them, from real ones of the target domain, by features of our own, as a share of the distance between the
        domains or, where that is smaller, of the distance that chance alone gives. variety_*: distance of one
        translated picture to another, as a multiple of that of real ones of the target domain; near 0 they are all
        alike. cycle: L1 after there and back, in 1/255.
        generators: `a_to_b` and `b_to_a`, in evaluation mode. The same each time for the same weights.
        """
        figures = {}
        with torch.inference_mode():
            for (name, generator), (other, back) in zip(
                generators.items(), reversed(list(generators.items())), strict=True
            ):
                before = self.pictures[name]
                made = torch.from_numpy(self._shown(generator, before, name)).permute(0, 3, 1, 2)
                features = encode(self.encoder, made)
                distance = metrics.kernel_distance(features, self.features[other])
                figures[f"kid_{name}"] = distance / self.unit
                figures[f"variety_{name}"] = metrics.feature_variety(self.features[other], features)
                some = spread(before, self.cycled)
                figures[f"cycle_{name}"] = metrics.cycle_error(generator, back, some, size=self.size)
        if not metrics.finite(figures):
            return {"score": WORST}
        figures["cycle"] = (figures.pop("cycle_a_to_b") + figures.pop("cycle_b_to_a")) / 2
        scores = [figures[f"kid_{name}"] + LACK * max(0.0, 1 - figures[f"variety_{name}"]) for name in generators]
        return {"score": sum(scores) / 2, **figures}

    def _shown(self, generator: nn.Module, pictures: Tensor, direction: str) -> NDArray[np.uint8]:
        with np.errstate(invalid="ignore"):  # of what is no number; `score` finds it
            return show_translated(generator, pictures, self.look, direction)


def _noise(x: Tensor, y: Tensor) -> float:
    """The kernel distance that two sets of one distribution have by chance, from features (N, D) and (M, D); above 0.

    The 95th percentile over random partitions of both sets together, as in the permutation test of Gretton et al. 2012,
    "A Kernel Two-Sample Test". The same each time for the same features.
    """
    pooled, random = torch.cat([x, y]), seeded("permutation test")
    orders = [torch.randperm(len(pooled), generator=random) for _ in range(PERMUTATIONS)]
    distances = [metrics.kernel_distance(pooled[order[: len(x)]], pooled[order[len(x) :]]) for order in orders]
    return max(float(np.quantile(distances, 0.95)), 1e-6)


def _training_pictures(
    data: Path, split: str, size: int, seed: int, most: int, preprocess: Preprocess | None
) -> Tensor:
    domain = open_domain(data, split, size, seed=seed, device=torch.device("cpu"), preprocess=preprocess)
    try:
        return domain.spread(most)
    finally:
        domain.close()
