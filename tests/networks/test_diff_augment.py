"""The probability of differentiable augmentation."""

import pytest
import torch

from cyclegan_core.diff_augment import diff_augment


@pytest.mark.parametrize("policy", ["color", "cutout"])
def test_each_operation_happens_to_the_share_of_pictures_that_is_asked_for(policy: str) -> None:
    pictures = torch.rand(400, 3, 8, 8) * 0.8 + 0.1
    for probability in (0.0, 0.3, 1.0):
        after = diff_augment(pictures, policy, probability=probability, seed_draw=0)
        share = float((after != pictures).flatten(1).any(1).float().mean())
        assert share == pytest.approx(probability, abs=0.1)


def test_the_gradient_passes_pictures_that_stay_and_pictures_that_change() -> None:
    pictures = torch.rand(16, 3, 8, 8, requires_grad=True)
    after = diff_augment(pictures, "color", probability=0.5, seed_draw=0)
    after.square().sum().backward()
    stayed = (after == pictures).flatten(1).all(1)
    assert 0 < int(stayed.sum()) < 16
    assert pictures.grad is not None
    assert bool((pictures.grad.flatten(1).abs().sum(1) > 0).all())
