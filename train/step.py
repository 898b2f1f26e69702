"""One step of the generators and one of the discriminators, as in the CycleGAN paper."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cyclegan_core import losses
from cyclegan_core.image_pool import ImagePool
from train.classifier import disturb
from train.config import TrainConfig


@dataclass
class Networks:
    """What is trained: two generators and two discriminators; and the frozen classifier that guides, if any."""

    a_to_b: nn.Module
    b_to_a: nn.Module
    judge_a: nn.Module  # PatchGAN: real pictures of domain A against translated ones
    judge_b: nn.Module
    guide: nn.Module | None = None

    def generators(self) -> dict[str, nn.Module]:
        return {"a_to_b": self.a_to_b, "b_to_a": self.b_to_a}

    def discriminators(self) -> dict[str, nn.Module]:
        return {"judge_a": self.judge_a, "judge_b": self.judge_b}


def generator_step(
    nets: Networks, real_a: Tensor, real_b: Tensor, config: TrainConfig, step: int, progress: float
) -> tuple[Tensor, dict[str, Tensor], Tensor, Tensor]:
    """Loss of both generators on float (B, 3, S, S) pictures, its parts for the log, and the fakes of A and of B.

    progress: share of the run's budget that is spent, in [0, 1].
    """
    fake_b, fake_a = nets.a_to_b(real_a).float(), nets.b_to_a(real_b).float()  # losses are summed in full precision
    judged = nets.judge_b(fake_b).float(), nets.judge_a(fake_a).float()
    parts = {"adversarial": losses.generator_loss(judged[0]) + losses.generator_loss(judged[1])}
    loss = parts["adversarial"]
    if step % config.cycle_every == 0:
        parts["cycle"] = losses.cycle_consistency_loss(nets.b_to_a(fake_b), real_a)
        parts["cycle"] = parts["cycle"] + losses.cycle_consistency_loss(nets.a_to_b(fake_a), real_b)
        loss = loss + config.cycle * config.cycle_every * parts["cycle"]
    if config.identity and step % config.identity_every == 0:
        parts["identity"] = losses.identity_loss(nets.a_to_b(real_b), real_b)
        parts["identity"] = parts["identity"] + losses.identity_loss(nets.b_to_a(real_a), real_a)
        loss = loss + config.identity * config.identity_every * parts["identity"]
    if config.variation:
        parts["variation"] = losses.total_variation(fake_b - real_a) + losses.total_variation(fake_a - real_b)
        loss = loss + config.variation * parts["variation"]
    if config.chroma_variation:
        parts["chroma"] = losses.chroma_variation(fake_b - real_a) + losses.chroma_variation(fake_a - real_b)
        loss = loss + config.chroma_variation * parts["chroma"]
    if config.excess:
        parts["excess"] = losses.excess(fake_b - real_a) + losses.excess(fake_a - real_b)
        loss = loss + config.excess * parts["excess"]
    if nets.guide is not None:
        weight = config.attribute + (config.attribute_end - config.attribute) * progress
        votes_b, votes_a = (nets.guide(disturb(resized(fake, config.guide_size))) for fake in (fake_b, fake_a))
        parts["attribute"] = losses.attribute_loss(votes_b, True, config.certainty)
        parts["attribute"] = parts["attribute"] + losses.attribute_loss(votes_a, False, config.certainty)
        loss = loss + weight * parts["attribute"]
    return loss, {name: part.detach() for name, part in parts.items()}, fake_a.detach(), fake_b.detach()


def resized(pictures: Tensor, size: int) -> Tensor:
    """Float (B, 3, S, S) pictures at another side, without aliasing."""
    if pictures.shape[-1] == size:
        return pictures
    return F.interpolate(pictures, (size, size), mode="bilinear", antialias=True, align_corners=False)


def discriminator_step(
    judge: nn.Module, real: Tensor, fake: Tensor, other_real: Tensor, pool: ImagePool, config: TrainConfig
) -> Tensor:
    """Loss of one discriminator; the fakes go through the history first."""
    fake = pool.query(fake)
    if config.cross_domain:
        fake = torch.cat([fake, other_real])
    scores = judge(torch.cat([real, fake])).float()  # one pass: faster, and no norm mixes them
    return losses.discriminator_loss(scores[: len(real)], scores[len(real) :])
