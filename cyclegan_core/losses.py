"""Losses of CycleGAN and of its relatives. Each returns a scalar, a mean, unless its docstring says otherwise.

Scores are what a discriminator returns: a tensor of any shape with the batch first, or a list of such tensors, one a
scale, which then count alike.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

Scores = Tensor | Sequence[Tensor]
Distance = Literal["l1", "l2"]


@dataclass(frozen=True)
class AdversarialLoss:
    """What the two players want of unbounded scores, as functions of one map of scores that return its mean loss.

    wanted: the generator's, on its fakes. real, fake: the discriminator's, which are added.
    """

    wanted: Callable[[Tensor], Tensor]
    real: Callable[[Tensor], Tensor]
    fake: Callable[[Tensor], Tensor]

    def generator(self, fake_scores: Scores) -> Tensor:
        return _mean(self.wanted, fake_scores)

    def discriminator(self, real_scores: Scores, fake_scores: Scores) -> Tensor:
        return _mean(self.real, real_scores) + self.fooled(fake_scores)

    def fooled(self, fake_scores: Scores) -> Tensor:
        """The discriminator's loss on fakes alone."""
        return _mean(self.fake, fake_scores)


def _mean(loss: Callable[[Tensor], Tensor], scores: Scores) -> Tensor:
    if isinstance(scores, Tensor):
        return loss(scores)
    return torch.stack([loss(one) for one in scores]).mean()


ADVERSARIAL: dict[str, AdversarialLoss] = {
    # Mao et al. 2017, "Least squares generative adversarial networks", equation 9: real 1, fake 0; CycleGAN's own.
    "least_squares": AdversarialLoss(
        wanted=lambda scores: (scores - 1).square().mean(),
        real=lambda scores: 0.5 * (scores - 1).square().mean(),
        fake=lambda scores: 0.5 * scores.square().mean(),
    ),
    # Goodfellow et al. 2014: cross-entropy of the scores as logits, and the generator's loss that does not saturate.
    "vanilla": AdversarialLoss(
        wanted=lambda scores: F.softplus(-scores).mean(),
        real=lambda scores: F.softplus(-scores).mean(),
        fake=lambda scores: F.softplus(scores).mean(),
    ),
    # Lim and Ye 2017, "Geometric GAN"; SAGAN's.
    "hinge": AdversarialLoss(
        wanted=lambda scores: -scores.mean(),
        real=lambda scores: F.relu(1 - scores).mean(),
        fake=lambda scores: F.relu(1 + scores).mean(),
    ),
    # Arjovsky et al. 2017, "Wasserstein GAN": needs `clip_weights` after each step, or `gradient_penalty`.
    "wasserstein": AdversarialLoss(
        wanted=lambda scores: -scores.mean(),
        real=lambda scores: -scores.mean(),
        fake=lambda scores: scores.mean(),
    ),
}


def _slopes(discriminator: nn.Module, pictures: Tensor, *, mean: bool = False) -> Tensor:
    """Squared length (B,) of the gradient of each picture's score with regard to the picture (B, C, H, W).

    A picture's score is the sum of all of its scores; with `mean`, of each map the mean, added over the maps.
    """
    pictures = pictures.detach().requires_grad_(True)
    scores = discriminator(pictures)
    maps = [scores] if isinstance(scores, Tensor) else scores
    whole = [one.float().flatten(1) for one in maps]
    total = torch.stack([(one.mean(1) if mean else one.sum(1)).sum() for one in whole]).sum()
    (gradient,) = torch.autograd.grad(total, pictures, create_graph=True)
    return gradient.float().flatten(1).square().sum(1)


def gradient_penalty(
    discriminator: nn.Module, real: Tensor, fake: Tensor, *, target: float = 1.0, rank: int = 0, world: int = 1
) -> Tensor:
    """Mean of `(slope - target)²` at random points between real and fake pictures, both (B, C, H, W).

    The slope is that of the sum of a picture's scores; weigh the penalty by 10. As the losses take the mean of the
    scores, a discriminator of many patches pulls the less: give cycle consistency a smaller weight with it.
    Differentiable with regard to the discriminator's weights. A discriminator that mixes the pictures of a batch (batch
    norm) has no slope of its own for each: use another norm. rank, world: of the process among those that share a
    batch; each draws for all of its rows and takes its own.
    Source: Gulrajani et al. 2017, "Improved training of Wasserstein GANs", equation 3.
    """
    own = slice(rank * len(real), (rank + 1) * len(real))
    share = torch.rand(len(real) * world, *[1] * (real.dim() - 1), device=real.device, dtype=real.dtype)[own]
    between = torch.lerp(fake.detach(), real.detach(), share)
    # The root has no slope of its own at zero, where a discriminator that has learned nothing is.
    return ((_slopes(discriminator, between) + 1e-12).sqrt() - target).square().mean()


def r1_penalty(discriminator: nn.Module, real: Tensor) -> Tensor:
    """Mean squared slope of a picture's score at real pictures (B, C, H, W).

    The score of a picture is the mean of a map of scores, added over the maps where there are several: so a weight
    means the same for any number of patches, and for a single score what it means in StyleGAN2. The zero-centred
    penalty R1; its weight is half of the paper's gamma. Differentiable with regard to the weights.
    Source: Mescheder et al. 2018, "Which training methods for GANs do actually converge?", equation 9.
    """
    return _slopes(discriminator, real, mean=True).mean()


@torch.no_grad()
def clip_weights(module: nn.Module, limit: float) -> None:
    """Brings every parameter into [-limit, limit], in place (Arjovsky et al. 2017, algorithm 1, where it is 0.01)."""
    if limit <= 0:
        raise ValueError(f"the limit of weights must be above 0, not {limit}")
    for parameter in module.parameters():
        parameter.clamp_(-limit, limit)


def cycle_consistency_loss(reconstructed: Tensor, original: Tensor, kind: Distance = "l1") -> Tensor:
    """Distance between a picture and itself after the way there and back (equation 2 of CycleGAN, where it is L1)."""
    return _distance(reconstructed, original, kind)


def identity_loss(translated: Tensor, original: Tensor, kind: Distance = "l1") -> Tensor:
    """Distance between a picture of the target domain and its translation (section 5.2 of CycleGAN, where it is L1)."""
    return _distance(translated, original, kind)


def _distance(a: Tensor, b: Tensor, kind: Distance) -> Tensor:
    """`l1`: mean absolute difference; `l2`: mean square."""
    if kind == "l1":
        return F.l1_loss(a, b)
    if kind == "l2":
        return F.mse_loss(a, b)
    raise ValueError(f"the kind of a distance must be l1 or l2, not {kind!r}")


def constancy_loss(encoder: nn.Module, translated: Tensor, original: Tensor) -> Tensor:
    """Mean squared distance, in [0, 4], of what an encoder sees in pictures (B, 3, H, W) and in their translations.

    encoder: frozen, in evaluation mode; its features, flattened to (B, D), are scaled to length 1, so that a generator
    cannot win by making them small. Only the translated pictures get a gradient.
    Source: f-constancy of the Domain Transfer Network (Taigman et al. 2017, equation 5).
    """
    with torch.no_grad():
        before = F.normalize(encoder(original).float().flatten(1))
    after = F.normalize(encoder(translated).float().flatten(1))
    return (after - before).square().sum(1).mean()


def colour_loss(translated: Tensor, original: Tensor, cells: int = 6) -> Tensor:
    """Distance between the colours of two batches (B, 3, H, W) in [-1, 1], averaged over `cells` x `cells` squares.

    L1 of the brightness and Huber (round below 0.1) of the colour differences (Y, U and V), so that hue may drift a
    little for nothing; lines and shapes inside a square are free. It keeps skin, hair and background where a painter
    would exchange them.
    Source: the colour reconstruction loss of AnimeGAN (Chen et al. 2019, equation 7), there of every pixel.
    """
    weights = translated.new_tensor([[0.299, 0.587, 0.114], [-0.147, -0.289, 0.436], [0.615, -0.515, -0.100]])
    change = F.adaptive_avg_pool2d(translated - original, cells)
    luma, *chroma = torch.einsum("kc,bchw->kbhw", weights, change)
    return luma.abs().mean() + sum(F.smooth_l1_loss(plane, torch.zeros_like(plane), beta=0.1) for plane in chroma)
