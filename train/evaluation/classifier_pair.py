"""The classifiers that translations are measured by: trained apart from all generators, tested on real pictures."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from train.data.augment import augment, disturb
from train.data.cache import cached_pictures
from train.data.listing import picture_files
from train.evaluation import metrics
from train.evaluation.classifier import ARCHITECTURES, Classifier, classify, train_classifier
from train.evaluation.features import SIZE as VIEW_SIZE
from train.evaluation.features import VIEWS, Encoder, encode
from train.evaluation.network_cache import load_or_train
from train.preparation.labels import person

SIDE = 128  # pixels that pictures are kept at
VERSION = 2
FEWEST_AGES = 50  # training pictures of each domain whose names tell an age; of fewer none is learned


@dataclass(frozen=True)
class Pair:
    """Two classifiers of the same domains, of different architecture.

    sets: the folders that they were trained on. models: by the name of the architecture. knows_ages: whether the names
    of the training pictures of both domains told ages.
    """

    sets: tuple[Path, ...]
    models: dict[str, Classifier]
    knows_ages: bool

    @property
    def name(self) -> str:
        return " and ".join(folder.name for folder in self.sets)

    def logits(self, pictures: Tensor) -> dict[str, Tensor]:
        """Logits of domain B, float (N,), of uint8 (N, 3, S, S) pictures, by each classifier."""
        return {name: classify(model, pictures)[0] for name, model in self.models.items()}

    def years(self, pictures: Tensor) -> dict[str, Tensor]:
        """Years, float (N,), of uint8 (N, 3, S, S) pictures, by each classifier."""
        return {name: classify(model, pictures)[1] for name, model in self.models.items()}

    def right(self, a: Tensor, b: Tensor) -> dict[str, float]:
        """Share of real pictures that each puts into their own domain, each domain counting half."""
        of_a, of_b = self.logits(a), self.logits(b)
        shares = {n: ((of_a[n] <= 0).double().mean() + (of_b[n] > 0).double().mean()) / 2 for n in self.models}
        return {name: round(float(share), 4) for name, share in shares.items()}

    def age_errors(self) -> dict[str, float]:
        """Mean absolute error of each in years on the real faces of the test split."""
        shown, ages = _domains(self.sets, "test")
        pictures, truth = torch.cat(shown), torch.cat(ages)
        known = ~truth.isnan()
        return {n: round(float((y - truth[known]).abs().mean()), 2) for n, y in self.years(pictures[known]).items()}


def load_or_train_pair(sets: Sequence[Path], *, pictures: int, seed: int, device: torch.device) -> Pair:
    """Both classifiers of trainA against trainB of the sets; kept in the cache of the first, as they take minutes."""
    told = {"version": VERSION, "pictures": pictures, "seed": seed, "device": device.type, "sets": len(sets)}
    loaded: list[tuple[tuple[Tensor, Tensor], tuple[Tensor, Tensor]]] = []

    def train(name: str) -> Classifier:
        print(f"Training the {name} classifier on {pictures:,} pictures of {_names(sets)}", flush=True)
        if not loaded:
            loaded.append(_domains(sets, "train"))
        domains, ages = loaded[0]
        domains = (domains[0].to(device), domains[1].to(device))
        with torch.random.fork_rng([device] if device.type == "cuda" else []):
            torch.manual_seed(seed)
            return train_classifier(ARCHITECTURES[name](), domains, ages, pictures=pictures, seed=seed)

    models = {}
    for name, build in ARCHITECTURES.items():
        model = load_or_train(sets[0], f"classifier_{name}", told, build, partial(train, name), also=sets[1:])
        models[name] = model.to(device).eval().requires_grad_(False)
    # Of drawings nobody knows the age: what is learned from the photographs of the other domain means nothing for them.
    named = [[path for folder in sets for path in picture_files(folder / f"train{side}")] for side in "AB"]
    fewest = min(sum(person(path.name) is not None for path in files) for files in named)
    return Pair(tuple(sets), models, fewest >= FEWEST_AGES)


def test_pictures(sets: Sequence[Path]) -> tuple[Tensor, Tensor]:
    """The test split of the sets, uint8 (N, 3, SIDE, SIDE) of A and of B."""
    return _domains(sets, "test")[0]


def views_recognised(encoder: Encoder, pictures: Tensor, *, seed: int = 0) -> float:
    """How often the encoder finds a real picture among 100 when it is shown another view of it, moved and recoloured.

    It measures what the encoder can: to know a person on two different photographs is harder.
    """
    with torch.random.fork_rng([]):
        torch.manual_seed(seed)
        moved = torch.cat([disturb(augment(part.cpu(), VIEWS, size=VIEW_SIZE)) for part in pictures.split(128)])
    views = ((moved + 1) * 127.5).round().clamp(0, 255).byte()
    return float(metrics.nearest_to_own(encode(encoder, views), encode(encoder, pictures)).double().mean())


def _domains(sets: Sequence[Path], split: str) -> tuple[tuple[Tensor, Tensor], tuple[Tensor, Tensor]]:
    """Uint8 pictures of A and of B, and the ages that their names tell, NaN where they do not."""
    pictures, ages = [], []
    for side in "AB":
        parts, years = [], []
        for folder in sets:
            place = folder / f"{split}{side}"
            cached = cached_pictures(picture_files(place), SIDE, place)
            parts.append(torch.from_numpy(np.array(cached.pictures)))
            years += [p.age if (p := person(Path(name).name)) else float("nan") for name in cached.names]
        pictures.append(torch.cat(parts))
        ages.append(torch.tensor(years, dtype=torch.float32))
    return (pictures[0], pictures[1]), (ages[0], ages[1])


def _names(sets: Sequence[Path]) -> str:
    return " and ".join(folder.name for folder in sets)
