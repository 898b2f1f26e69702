"""Notes when a run goes wrong: each has a cause that is made here, and a healthy run gets none."""

import torch

from train.monitoring.diagnostics import Diagnostics, broken


def pictures(seed: int = 0) -> torch.Tensor:
    """Uint8 (6, 3, 32, 32): each with a light and a dark half of its own."""
    generator = torch.Generator().manual_seed(seed)
    base = torch.randint(0, 60, (6, 3, 32, 32), generator=generator)
    base[:, :, :16] += torch.randint(40, 160, (6, 3, 1, 1), generator=generator)
    return base.to(torch.uint8)


def test_a_healthy_run_gets_no_note() -> None:
    before = pictures()
    warmer = (before.int() + torch.tensor([30, 0, -10]).reshape(3, 1, 1)).clamp(0, 255).to(torch.uint8)
    watch = Diagnostics()
    assert watch.pictures(before, warmer, "to_b", 0.5) == []
    assert watch.losses({"right_a": 0.8, "right_b": 0.7, "discriminator_a": 0.2}, 0.5) == []


def test_outputs_equal_to_inputs_are_noted_once_and_not_at_the_beginning() -> None:
    watch, before = Diagnostics(), pictures()
    assert watch.pictures(before, before, "to_b", 0.01) == []
    (note,) = watch.pictures(before, before, "to_b", 0.5)
    assert "to_b leaves pictures as they are" in note
    assert watch.pictures(before, before, "to_b", 0.6) == []
    assert len(watch.pictures(before, before, "to_a", 0.6)) == 1


def test_mode_collapse_is_noted() -> None:
    before = pictures()
    (note,) = Diagnostics().pictures(before, before[:1].expand(6, -1, -1, -1), "to_b", 0.5)
    assert "makes the same of every picture" in note


def test_colour_inversion_is_noted() -> None:
    before = pictures()
    (note,) = Diagnostics().pictures(before, 255 - before, "to_b", 0.5)
    assert "turns light into dark" in note


def test_a_discriminator_that_has_won_is_noted() -> None:
    watch = Diagnostics()
    (note,) = watch.losses({"right_a": 0.999, "right_b": 0.8}, 0.5)
    assert "discriminator of domain A is right on 99.9%" in note
    assert watch.losses({"right_a": 0.999, "right_b": 0.8}, 0.6) == []


def test_losses_that_explode_are_noted_at_any_time_and_once() -> None:
    watch = Diagnostics()
    (note,) = watch.losses({"cycle": 3e5, "discriminator_a": 0.2, "rate": 2e4}, 0.01)
    assert "the losses cycle have exploded" in note
    assert watch.losses({"cycle": 3e6}, 0.02) == []


def test_losses_that_are_no_numbers_are_named() -> None:
    assert broken({"cycle": float("nan"), "identity": 0.1, "discriminator_a": float("inf")}) == [
        "cycle",
        "discriminator_a",
    ]
