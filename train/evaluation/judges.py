"""Who measures a translation: classifiers, features and an encoder, and how far each of them can be trusted."""

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from cyclegan_core.errors import CycleganError
from train.evaluation import classifier_pair, metrics
from train.evaluation.classifier_pair import Pair, load_or_train_pair
from train.evaluation.features import Encoder, PictureFeatures, load_or_train_encoder
from train.evaluation.imagenet_features import ImageNetFeatures


@dataclass
class Judges:
    """Who measures. features: for FID and KID, and their name; encoder: tells pictures apart.

    attribute: of the domains that are translated. ages: tells years. keeps: of two domains of what must stay.
    """

    features: nn.Module
    features_name: str
    encoder: Encoder
    attribute: Pair | None = None
    ages: Pair | None = None
    keeps: Pair | None = None


def assemble(
    options: argparse.Namespace, a: Tensor, b: Tensor, device: torch.device, faces: bool
) -> tuple[Judges, dict[str, Any]]:
    """The classifiers, trained where that was not done before, and what each is worth, in words and numbers."""
    how = {"pictures": options.judge_pictures, "seed": options.seed, "device": device}
    about: dict[str, Any] = {}
    encoder = load_or_train_encoder(options.data, device)
    features, name = _features(options, encoder, device)
    who = Judges(features, name, encoder)
    if options.judge:
        who.attribute = load_or_train_pair(options.judge, **how)
        own = who.attribute.right(*classifier_pair.test_pictures(options.judge))
        right = who.attribute.right(a, b)
        same = [folder.resolve() for folder in options.judge] == [options.data.resolve()]
        source = "the same data" if same else f"{who.attribute.name}, which no generator has seen"
        about["attribute"] = {
            "trained on": who.attribute.name,
            "same data": same,
            "right": {"on its own test split": own, "on the real test pictures": right},
            "words": "Which domain a picture belongs to is judged by two classifiers of different kinds, trained on "
            f"{source}, and the figure is the lower of both. **They are right on {_both(right)} of the real test "
            "pictures**, so no such figure is more certain than that.",
        }
    about["features"] = {"name": name, "words": f"FID and KID are by {name}. Other features give other numbers."}
    recognised = round(classifier_pair.views_recognised(encoder, torch.cat([a, b])), 4)
    about["identity"] = {
        "rank_1 on views": recognised,
        "words": "Who is like whom is told by an encoder that was trained on the training split to know two views of a "
        f"picture; it finds {recognised:.1%} of real test pictures among 100 by a moved and recoloured view.",
    }
    if faces and options.ages and (pair := load_or_train_pair(options.ages, **how)).knows_ages:
        who.ages, errors = pair, pair.age_errors()
        seen = {n: round(float(y.mean() - pair.years(a)[n].mean()), 1) for n, y in pair.years(b).items()}
        about["age"] = {
            "trained on": pair.name,
            "mean error": errors,
            "b older than a": seen,
            "words": f"Ages are told by two networks that learned them from {pair.name}; on real faces of its test "
            f"split they are wrong by {_years(errors)} years on average, and the figure is the smaller change of both. "
            f"Between the real test faces of the two domains they see {_years(seen)} years.",
        }
    if faces and options.keeps:
        who.keeps = load_or_train_pair(options.keeps, **how)
        kept = who.keeps.right(*classifier_pair.test_pictures(options.keeps))
        about["keeps"] = {
            "trained on": who.keeps.name,
            "right": kept,
            "words": f"What must stay is judged by two classifiers of the domains of {who.keeps.name}, right on "
            f"{_both(kept)} of its real test pictures; the figure is the lower of both.",
        }
    return who, about


def _both(shares: dict[str, float]) -> str:
    return " and ".join(f"{share:.1%}" for share in shares.values())


def _years(numbers: dict[str, float]) -> str:
    return " and ".join(f"{abs(number):.1f}" for number in numbers.values())


def _features(options: argparse.Namespace, encoder: Encoder, device: torch.device) -> tuple[nn.Module, str]:
    pretrained: dict[str, tuple[Callable[[], nn.Module], str]] = {
        "inception": (
            lambda: metrics.inception_features(options.inception_weights),
            "Inception features (torch-fidelity's weights, 2,048 numbers)",
        ),
        "imagenet": (ImageNetFeatures, "ImageNet features (EfficientNet-Lite1, 1,280 numbers)"),
    }
    for kind, (make, name) in pretrained.items():
        if options.features not in ("auto", kind):
            continue
        try:
            return make().to(device), name
        except CycleganError as error:
            if options.features == kind:
                raise
            print(f"Features of another network are used: {error}", flush=True)
    name = f"features of our own ({encoder.num_features} numbers of an encoder trained on {options.data.name})"
    return PictureFeatures(encoder), name
