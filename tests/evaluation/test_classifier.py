"""The classifiers that translations are measured by learn what separates two domains, and ages where they are known."""

import pytest
import torch

from train.evaluation.classifier import ARCHITECTURES, classify, train_classifier


def striped(ages: torch.Tensor, *, upright: bool) -> torch.Tensor:
    """Uint8 (N, 3, 32, 32) noise with upright or level stripes, the brighter the older."""
    torch.manual_seed(int(ages.sum()))
    pictures = torch.randint(0, 40, (len(ages), 3, 32, 32))
    stripes = (torch.arange(32) // 4 % 2).expand(32, 32)
    bright = (stripes if upright else stripes.T) * (20 + 2 * ages)[:, None, None, None]
    return (pictures + bright.long()).clamp(0, 255).byte()


@pytest.mark.medium
@pytest.mark.parametrize("name", ARCHITECTURES)
def test_a_classifier_tells_domains_and_ages_of_pictures_it_has_not_seen(name: str) -> None:
    ages = torch.linspace(15, 85, 48)
    model = ARCHITECTURES[name](16)
    unknown = torch.full_like(ages, float("nan"))
    train_classifier(
        model, (striped(ages, upright=True), striped(ages, upright=False)), (ages, unknown), pictures=960, seed=0
    )
    other = ages + 0.5
    of_a, years = classify(model, striped(other, upright=True))
    of_b, _ = classify(model, striped(other, upright=False))
    assert float((of_a < 0).float().mean()) > 0.9
    assert float((of_b > 0).float().mean()) > 0.9
    assert float(torch.corrcoef(torch.stack([years, other]))[0, 1]) > 0.5
