"""Losses of CycleGAN (Zhu et al. 2017). Each takes tensors of any matching shape and returns a scalar, a mean."""

import torch
import torch.nn.functional as F
from torch import Tensor


def discriminator_loss(real_scores: Tensor, fake_scores: Tensor) -> Tensor:
    """Least squares: real patches towards 1, fake ones towards 0 (Mao et al. 2017, "LSGAN", equation 9)."""
    return 0.5 * ((real_scores - 1).square().mean() + fake_scores.square().mean())


def generator_loss(fake_scores: Tensor) -> Tensor:
    """Least squares: the generator wants its patches scored 1."""
    return (fake_scores - 1).square().mean()


def cycle_consistency_loss(reconstructed: Tensor, original: Tensor) -> Tensor:
    """L1 between a picture and itself after the way there and back (equation 2 of CycleGAN)."""
    return F.l1_loss(reconstructed, original)


def identity_loss(translated: Tensor, original: Tensor) -> Tensor:
    """L1 between a picture that already is of the target domain and its translation (section 5.2 of CycleGAN)."""
    return F.l1_loss(translated, original)


def total_variation(change: Tensor) -> Tensor:
    """Mean absolute step between neighbours of (B, C, H, W): small for changes without speckles (Rudin et al. 1992)."""
    rows = (change[..., 1:, :] - change[..., :-1, :]).abs().mean()
    return rows + (change[..., 1:] - change[..., :-1]).abs().mean()


def attribute_loss(logits: Tensor, belongs_to_b: bool) -> Tensor:
    """Cross-entropy of a domain classifier's logits (B,) against the domain that the pictures should belong to.

    Source: the attribute classification loss of AttGAN (He et al. 2019), here with a classifier that stays fixed.
    """
    return F.binary_cross_entropy_with_logits(logits, torch.full_like(logits, float(belongs_to_b)))
