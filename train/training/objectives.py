"""What the generators and the discriminators are trained to make small, as in the CycleGAN paper and its relatives."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from cyclegan_core import losses
from cyclegan_core.diff_augment import diff_augment
from cyclegan_core.networks.layers import MinibatchStd
from train.config.schedule import weight_at
from train.config.train_config import TrainConfig
from train.training.distributed import ProcessGroup
from train.training.networks import Networks


def generator_loss(
    nets: Networks, real_a: Tensor, real_b: Tensor, config: TrainConfig, *, step: int, progress: float,
    group: ProcessGroup,
) -> tuple[Tensor, dict[str, Tensor], Tensor, Tensor]:  # fmt: skip
    """The loss of both generators on real pictures of both domains, float (B, 3, S, S) in [-1, 1].

    Returns the weighted sum with its gradient, the parts of it for the log without weights and gradients, and the
    translated pictures of domain A and of domain B, detached. step: number of the step, which decides whether the
    losses that are not taken in every step are due. progress: share of the run's budget that is spent, in [0, 1].
    """
    adversarial = losses.ADVERSARIAL[config.adversarial]
    wants_identity = max(config.identity, config.identity_end or 0) > 0 and step % config.identity_every == 0
    if wants_identity:
        fake_b, same_b = _generate(nets.a_to_b, real_a, real_b)
        fake_a, same_a = _generate(nets.b_to_a, real_b, real_a)
    else:
        (fake_b,), (fake_a,) = _generate(nets.a_to_b, real_a), _generate(nets.b_to_a, real_b)
    scores_b = _scores(nets.discriminator_b, _augmented(fake_b, config, group))
    scores_a = _scores(nets.discriminator_a, _augmented(fake_a, config, group))
    parts = {"adversarial": adversarial.generator(scores_b) + adversarial.generator(scores_a)}
    loss = parts["adversarial"]
    if step % config.cycle_every == 0:
        (back_a,), (back_b,) = _generate(nets.b_to_a, fake_b), _generate(nets.a_to_b, fake_a)
        parts["cycle"] = losses.cycle_consistency_loss(back_a, real_a, config.cycle_loss)
        parts["cycle"] = parts["cycle"] + losses.cycle_consistency_loss(back_b, real_b, config.cycle_loss)
        loss = loss + weight_at(config.cycle, config.cycle_end, progress) * config.cycle_every * parts["cycle"]
    if wants_identity:
        parts["identity"] = losses.identity_loss(same_b, real_b, config.identity_loss)
        parts["identity"] = parts["identity"] + losses.identity_loss(same_a, real_a, config.identity_loss)
        weight = weight_at(config.identity, config.identity_end, progress)
        loss = loss + weight * config.identity_every * parts["identity"]
    if config.colour:
        parts["colour"] = losses.colour_loss(fake_b, real_a) + losses.colour_loss(fake_a, real_b)
        loss = loss + config.colour * parts["colour"]
    if nets.encoder is not None:
        parts["constancy"] = losses.constancy_loss(nets.encoder, fake_b, real_a)
        parts["constancy"] = parts["constancy"] + losses.constancy_loss(nets.encoder, fake_a, real_b)
        loss = loss + config.constancy * parts["constancy"]
    return loss, {name: part.detach() for name, part in parts.items()}, fake_a.detach(), fake_b.detach()


def discriminator_loss(
    discriminator: nn.Module, real: Tensor, fake: Tensor, other_real: Tensor, config: TrainConfig, *, step: int,
    group: ProcessGroup,
) -> tuple[Tensor, dict[str, Tensor]]:  # fmt: skip
    """The loss of one discriminator; and `right`, the share of its scores that are on the right side, in [0, 1].

    The critic of a Wasserstein loss has no right side: there `right` is missing. real: pictures of the discriminator's
    domain. fake: translated ones out of the history. other_real: real pictures of the other domain, which count as
    fakes with the weight `config.cross_domain`. All are float (B, 3, S, S) in [-1, 1] without a gradient. step: number
    of the step, which decides whether R1 is due.
    """
    adversarial = losses.ADVERSARIAL[config.adversarial]
    kinds = [real, fake, *([other_real] if config.cross_domain else [])]
    kinds = [_augmented(pictures, config, group) for pictures in kinds]
    real, fake = kinds[:2]
    if _may_be_joined(discriminator, len(real)):  # one pass is faster
        parts = [scores.split(len(real)) for scores in _scores(discriminator, torch.cat(kinds))]
        scores_real, *scores_fake = [list(kind) for kind in zip(*parts, strict=True)]
    else:
        scores_real, *scores_fake = [_scores(discriminator, kind) for kind in kinds]
    loss = adversarial.discriminator(scores_real, scores_fake[0])
    if config.cross_domain:
        loss = loss + config.cross_domain * adversarial.fooled(scores_fake[1])
    with torch.autocast(real.device.type, enabled=False):  # gradients of gradients want full precision
        if config.gradient_penalty:
            penalty = losses.gradient_penalty(discriminator, real, fake, rank=group.rank, world=group.world)
            loss = loss + config.gradient_penalty * penalty
        if config.r1 and step % config.r1_every == 0:
            loss = loss + 0.5 * config.r1 * config.r1_every * losses.r1_penalty(discriminator, real)
    if config.adversarial == "wasserstein":
        return loss, {}
    middle = 0.5 if config.adversarial == "least_squares" else 0.0
    with torch.no_grad():
        right = [(scores > middle).float().mean() for scores in scores_real]
        right += [(scores < middle).float().mean() for scores in scores_fake[0]]
    return loss, {"right": torch.stack(right).mean()}


def depends_on_the_batch(network: nn.Module) -> bool:
    """Whether what a network returns for a picture depends on the other pictures of its batch."""
    return any(isinstance(m, (nn.BatchNorm2d, MinibatchStd)) for m in network.modules())


def _augmented(pictures: Tensor, config: TrainConfig, group: ProcessGroup) -> Tensor:
    probability = config.diff_augment_probability
    return diff_augment(pictures, config.diff_augment, probability=probability, rank=group.rank, world=group.world)


def _generate(generator: nn.Module, *batches: Tensor) -> Sequence[Tensor]:
    """The translation of each batch in full precision, in one pass where joining the batches changes nothing."""
    if len(batches) > 1 and depends_on_the_batch(generator):
        return [generator(batch).float() for batch in batches]
    return generator(torch.cat(batches)).float().split([len(batch) for batch in batches])


def _scores(discriminator: nn.Module, pictures: Tensor) -> list[Tensor]:
    """The score maps of all scales, in full precision."""
    scores = discriminator(pictures)
    return [scores.float()] if isinstance(scores, Tensor) else [scale.float() for scale in scores]


def _may_be_joined(network: nn.Module, count: int) -> bool:
    """Whether batches of `count` pictures get in one pass the scores that each would get alone."""
    if any(isinstance(m, nn.BatchNorm2d) for m in network.modules()):
        return False
    grouped = any(isinstance(m, MinibatchStd) for m in network.modules())
    return not grouped or count % MinibatchStd.group == 0
