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


def excess(change: Tensor) -> Tensor:
    """Mean square of a change (B, C, H, W): a glaring change of few pixels costs more than a slight one of many."""
    return change.square().mean()


def chroma_variation(change: Tensor) -> Tensor:
    """Total variation of the colour differences R - G and B - G of (B, 3, H, W).

    Faces of two kinds differ in light and shade more than in hue: coloured speckles and fringes cost, a new shadow or
    a brow does not.
    """
    return total_variation(change[:, [0, 2]] - change[:, [1]])


def attribute_loss(logits: Tensor, belongs_to_b: bool, certainty: float = 0.9) -> Tensor:
    """Cross-entropy of a domain classifier's logits (B,) against the domain that the pictures should belong to.

    certainty: the probability to aim at; less than 1, so that there is nothing to gain by a caricature.
    Source: the attribute classification loss of AttGAN (He et al. 2019), here with a classifier that stays fixed.
    """
    target = certainty if belongs_to_b else 1 - certainty
    return F.binary_cross_entropy_with_logits(logits, torch.full_like(logits, target))
