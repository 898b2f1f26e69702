"""The classifiers that translations are measured by learn what separates two domains, and ages where they are known."""

import pytest
import torch

from train.evaluation.classifier import ARCHITECTURES, classify, train_classifier


def lit(ages: torch.Tensor, channel: int) -> torch.Tensor:
    """Uint8 (N, 3, 32, 32) noise, the brighter the older, with more of one channel."""
    torch.manual_seed(int(ages.sum()))
    pictures = torch.randint(0, 40, (len(ages), 3, 32, 32)) + (2 * ages)[:, None, None, None].long()
    pictures[:, channel] += 40
    return pictures.clamp(0, 255).byte()


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_a_classifier_tells_domains_and_ages_of_pictures_it_has_not_seen(name: str) -> None:
    ages = torch.linspace(15, 85, 48)
    model = ARCHITECTURES[name](8)
    unknown = torch.full_like(ages, float("nan"))
    train_classifier(model, (lit(ages, 0), lit(ages, 2)), (ages, unknown), pictures=2400, seed=0)
    other = ages + 0.5
    of_a, years = classify(model, lit(other, 0))
    of_b, _ = classify(model, lit(other, 2))
    assert float((of_a < 0).float().mean()) > 0.9
    assert float((of_b > 0).float().mean()) > 0.9
    assert float((years - other).abs().mean()) < 12  # a constant is wrong by 18
