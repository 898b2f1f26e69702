"""Augmentation: moves as far as it is told, in many processes as in one; the differentiable one passes gradients."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from cyclegan_core.diff_augment import OPERATIONS, diff_augment
from cyclegan_core.errors import CycleganError
from train.config.train_config import TrainConfig
from train.data.augment import augment

MOVING = TrainConfig(translation="tiny", directions=("there", "back"), turn=20.0, zoom=0.2, shift=0.2)
ALL = "color,translation,cutout"


def test_two_processes_augment_as_one_does() -> None:
    pictures = torch.randint(0, 256, (6, 3, 32, 32), dtype=torch.uint8)
    torch.manual_seed(3)
    together = augment(pictures, MOVING, size=16)
    state = torch.get_rng_state()
    for rank in range(2):
        torch.manual_seed(3)
        mine = augment(pictures[3 * rank : 3 * rank + 3], MOVING, size=16, rank=rank, world=2)
        assert torch.equal(mine, together[3 * rank : 3 * rank + 3])
        assert torch.equal(torch.get_rng_state(), state), "all processes go on with the same state"


def test_a_shift_moves_by_no_more_than_it_says() -> None:
    torch.manual_seed(0)
    ramp = torch.arange(0, 256, 4, dtype=torch.uint8).expand(64, 3, 64, 64)  # the value says where a column was
    still = replace(MOVING, flip=False, turn=0.0, zoom=0.0)
    columns = (augment(ramp, still, size=64)[:, 0, 32, 32] + 1) * 127.5 / 4
    moved = (columns - 32).abs()
    assert moved.max() <= 0.2 * 64 + 1
    assert moved.max() > 8
    assert moved.min() < 2


@pytest.mark.parametrize("operation", OPERATIONS)
def test_an_operation_changes_every_picture_in_its_own_way_and_passes_gradients_on(operation: str) -> None:
    torch.manual_seed(0)
    pictures = torch.rand(16, 3, 32, 24).requires_grad_()  # no square
    changed = diff_augment(pictures, operation)
    assert changed.shape == pictures.shape
    assert changed.dtype == pictures.dtype
    copies = diff_augment(pictures[:1].detach().expand_as(pictures), operation)
    assert len({tuple(p.flatten().tolist()) for p in copies}) > 8, "each picture has a draw of its own"
    # Two derivatives, as gradient penalties take: against the difference of two values of the function.
    (gradient,) = torch.autograd.grad(
        (diff_augment(pictures, operation, seed_draw=1) ** 3).sum(), pictures, create_graph=True
    )
    (second,) = torch.autograd.grad(gradient.pow(2).sum(), pictures)
    assert torch.isfinite(second).all()
    assert second.abs().sum() > 0


def value(pictures: Tensor) -> Tensor:
    return (diff_augment(pictures, ALL, seed_draw=5) ** 2).sum()


def test_pictures_are_sharpened_each_by_another_amount_and_stay_in_range() -> None:
    still = replace(MOVING, flip=False, turn=0.0, zoom=0.0, shift=0.0)
    pictures = torch.full((16, 3, 8, 8), 60, dtype=torch.uint8)
    pictures[..., 4:] = 190  # an edge
    plain = augment(pictures, still, size=8)
    torch.manual_seed(0)
    sharp = augment(pictures, still, size=8, sharpen=2.0)
    step = (sharp - plain)[:, 0, 4, 4]  # on its bright side
    assert step.min() > 0
    assert step.max() > 0.1
    assert step.unique().numel() > 8
    assert sharp.abs().max() <= 1
    assert torch.allclose(sharp[..., 0], plain[..., 0], atol=1e-6), "far from the edge nothing changes"


@pytest.mark.medium
def test_the_gradient_is_right() -> None:
    torch.manual_seed(0)
    pictures = torch.rand(2, 3, 8, 8, dtype=torch.float64)
    assert torch.autograd.gradcheck(value, (pictures.requires_grad_(),))
    assert torch.autograd.gradgradcheck(value, (pictures,))


def test_color_keeps_the_layout_translation_the_values_and_cutout_what_it_does_not_hide() -> None:
    torch.manual_seed(0)
    pictures = torch.rand(64, 3, 32, 32) + 0.5
    grey = pictures.mean(dim=1, keepdim=True).expand_as(pictures)
    coloured = diff_augment(grey, "color")  # a grey picture stays grey: brightness and contrast alone are left
    assert torch.allclose(coloured[:, 0], coloured[:, 2], atol=1e-5)
    factor = coloured.std(dim=(1, 2, 3)) / grey.std(dim=(1, 2, 3))
    assert factor.min() > 0.49
    assert factor.max() < 1.51
    assert factor.max() - factor.min() > 0.5
    moved = diff_augment(pictures, "translation")
    outside = (moved == 0).all(dim=1)
    assert outside.float().mean(dim=(1, 2)).max() <= 1 - (28 / 32) ** 2 + 1e-6, "by an eighth of the side at most"
    assert outside.any()
    middle = moved[:, :, 8:24, 8:24].flatten(2)
    assert torch.isin(middle, pictures).all(), "whole pixels"
    holes = (diff_augment(pictures, "cutout") == 0).all(dim=1).float().mean(dim=(1, 2))
    assert holes.max() <= 0.25
    assert holes.max() > 0.2
    kept = diff_augment(pictures, "cutout")
    assert torch.equal(kept[kept != 0], pictures[kept != 0])


def test_draws_are_shared_out_among_processes_and_can_be_repeated() -> None:
    pictures = torch.rand(4, 3, 16, 16)
    together = diff_augment(pictures, ALL, seed_draw=7)
    assert torch.equal(together, diff_augment(pictures, ALL, seed_draw=7))
    assert not torch.equal(together, diff_augment(pictures, ALL, seed_draw=8))
    parts = [diff_augment(pictures[2 * r : 2 * r + 2], ALL, seed_draw=7, rank=r, world=2) for r in range(2)]
    assert torch.equal(torch.cat(parts), together)
    torch.manual_seed(1)
    state = torch.get_rng_state()
    diff_augment(pictures, ALL, seed_draw=7)
    assert torch.equal(torch.get_rng_state(), state)
    assert not torch.equal(diff_augment(pictures, ALL), diff_augment(pictures, ALL)), "fresh for real and fake"


def test_a_policy_that_does_not_exist_is_a_sentence() -> None:
    pictures = torch.rand(1, 3, 8, 8)
    assert diff_augment(pictures, "") is pictures
    with pytest.raises(CycleganError, match="knows no 'colour'; it knows color, translation, cutout"):
        diff_augment(pictures, "translation, colour")
