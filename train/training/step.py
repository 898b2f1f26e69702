"""One step of the generators and one of the discriminators, as in the CycleGAN paper."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from cyclegan_core import losses
from cyclegan_core.diff_augment import diff_augment
from cyclegan_core.networks.layers import MinibatchStd
from train.config.schedule import weight_at
from train.config.train_config import TrainConfig
from train.training.distributed import Team


@dataclass
class Networks:
    """What is trained: two generators, two discriminators and, for feature constancy, a frozen encoder.

    encoder: float (B, 3, S, S) to features (B, D).
    """

    a_to_b: nn.Module
    b_to_a: nn.Module
    judge_a: nn.Module  # PatchGAN: real pictures of domain A against translated ones
    judge_b: nn.Module
    encoder: nn.Module | None = None

    def generators(self) -> dict[str, nn.Module]:
        return {"a_to_b": self.a_to_b, "b_to_a": self.b_to_a}

    def discriminators(self) -> dict[str, nn.Module]:
        return {"judge_a": self.judge_a, "judge_b": self.judge_b}


def generator_step(
    nets: Networks, real_a: Tensor, real_b: Tensor, config: TrainConfig, *, step: int, progress: float, team: Team
) -> tuple[Tensor, dict[str, Tensor], Tensor, Tensor]:
    """Loss of both generators on float (B, 3, S, S) pictures, its parts for the log, and the fakes of A and of B.

    progress: share of the run's budget that is spent, in [0, 1].
    """
    adversarial = losses.ADVERSARIAL[config.adversarial]
    wants_identity = max(config.identity, config.identity_end or 0) > 0 and step % config.identity_every == 0
    if wants_identity:
        fake_b, same_b = _generate(nets.a_to_b, real_a, real_b)
        fake_a, same_a = _generate(nets.b_to_a, real_b, real_a)
    else:
        (fake_b,), (fake_a,) = _generate(nets.a_to_b, real_a), _generate(nets.b_to_a, real_b)
    scores_b, scores_a = (
        _scores(judge, _seen(fake, config, team)) for judge, fake in ((nets.judge_b, fake_b), (nets.judge_a, fake_a))
    )
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


def discriminator_step(
    judge: nn.Module,
    real: Tensor,
    fake: Tensor,
    other_real: Tensor,
    config: TrainConfig,
    *,
    step: int,
    team: Team,
) -> tuple[Tensor, dict[str, Tensor]]:
    """Loss of one discriminator; and `right`, the share of its scores that are on the right side, in [0, 1].

    A critic (Wasserstein) has no right side: there `right` is missing.

    real: of its domain. fake: out of the history. other_real: real pictures of the other domain, which count as fakes
    with the weight `config.cross_domain`. All are float (B, 3, S, S) without a gradient.
    """

    adversarial = losses.ADVERSARIAL[config.adversarial]
    kinds = [_seen(pictures, config, team) for pictures in (real, fake, *([other_real] if config.cross_domain else []))]
    real, fake = kinds[:2]
    if separable(judge, len(real)):  # one pass is faster
        parts = [scores.split(len(real)) for scores in _scores(judge, torch.cat(kinds))]
        scores_real, *scores_fake = [list(kind) for kind in zip(*parts, strict=True)]
    else:
        scores_real, *scores_fake = [_scores(judge, kind) for kind in kinds]
    loss = adversarial.discriminator(scores_real, scores_fake[0])
    if config.cross_domain:
        loss = loss + config.cross_domain * adversarial.fooled(scores_fake[1])
    with torch.autocast(real.device.type, enabled=False):  # slopes of slopes want full precision
        if config.gradient_penalty:
            penalty = losses.gradient_penalty(judge, real, fake, rank=team.rank, world=team.world)
            loss = loss + config.gradient_penalty * penalty
        if config.r1 and step % config.r1_every == 0:
            loss = loss + 0.5 * config.r1 * config.r1_every * losses.r1_penalty(judge, real)
    if config.adversarial == "wasserstein":
        return loss, {}
    middle = 0.5 if config.adversarial == "least_squares" else 0.0
    with torch.no_grad():
        right = [(scores > middle).float().mean() for scores in scores_real]
        right += [(scores < middle).float().mean() for scores in scores_fake[0]]
    return loss, {"right": torch.stack(right).mean()}


def _seen(pictures: Tensor, config: TrainConfig, team: Team) -> Tensor:
    """Pictures as a discriminator is shown them."""
    probability = config.diff_augment_probability
    return diff_augment(pictures, config.diff_augment, probability=probability, rank=team.rank, world=team.world)


def _generate(generator: nn.Module, *pictures: Tensor) -> Sequence[Tensor]:
    """What a generator makes of each batch, in one pass where no norm mixes them; losses want full precision."""
    if len(pictures) > 1 and mixes(generator):
        return [generator(batch).float() for batch in pictures]
    return generator(torch.cat(pictures)).float().split([len(batch) for batch in pictures])


def _scores(judge: nn.Module, pictures: Tensor) -> list[Tensor]:
    """One map of scores for each scale, in full precision."""
    scores = judge(pictures)
    return [scores.float()] if isinstance(scores, Tensor) else [scale.float() for scale in scores]


def mixes(network: nn.Module) -> bool:
    """Whether what a network makes of a picture depends on the others of the batch."""
    return any(isinstance(m, (nn.BatchNorm2d, MinibatchStd)) for m in network.modules())


def separable(network: nn.Module, count: int) -> bool:
    """Whether batches of `count` pictures, joined for one pass, get what each would get alone."""
    if any(isinstance(m, nn.BatchNorm2d) for m in network.modules()):
        return False
    grouped = any(isinstance(m, MinibatchStd) for m in network.modules())
    return not grouped or count % MinibatchStd.group == 0
