"""One training step: the generators on a batch of each domain, then the discriminators."""

import torch
from torch import Tensor

from cyclegan_core import losses
from train.training.networks import average
from train.training.objectives import discriminator_loss, generator_loss
from train.training.state import TrainingState


def training_step(state: TrainingState, real_a: Tensor, real_b: Tensor, *, progress: float) -> dict[str, Tensor]:
    """Trains all networks of `state` on one batch of each domain, and counts the step and its pictures.

    real_a, real_b: this process's part of the batch, augmented, float (B, 3, S, S) in [-1, 1]. progress: share of the
    run's budget that is spent, in [0, 1]; before `config.head_start` the generators are left as they are.

    Returns the losses for the log as scalars, detached and on the device: of the generators by their names,
    `discriminator_a` and `discriminator_b`, and `right_a` and `right_b`, the shares of right scores.
    """
    parts, fakes_a, fakes_b = _train_generators(state, real_a, real_b, progress)
    batch = len(real_a) * state.group.world
    average(state.ema, state.generators, state.config, batch, state.pictures)
    parts |= _train_discriminators(state, real_a, real_b, fakes_a, fakes_b)
    state.steps += 1
    state.pictures += batch
    return {name: torch.stack(values).mean() for name, values in parts.items()}


def _train_generators(
    state: TrainingState, real_a: Tensor, real_b: Tensor, progress: float
) -> tuple[dict[str, list[Tensor]], Tensor, Tensor]:
    """The losses of all parts of the batch, and the translated pictures of A and of B."""
    config, learns = state.config, progress >= state.config.head_start
    state.discriminators.requires_grad_(False)  # they only pass the gradient on
    state.optimisers["generators"].zero_grad()
    parts: dict[str, list[Tensor]] = {}
    fakes_a, fakes_b = [], []
    for part_a, part_b in zip(real_a.chunk(config.accumulate), real_b.chunk(config.accumulate), strict=True):
        with _autocast(state), torch.set_grad_enabled(learns):
            loss, named, fake_a, fake_b = generator_loss(
                state.nets, part_a, part_b, config, step=state.steps, progress=progress, group=state.group
            )
        if learns:
            (loss / config.accumulate).backward()
        for name, value in named.items():
            parts.setdefault(name, []).append(value)
        fakes_a.append(fake_a)
        fakes_b.append(fake_b)
    if learns:
        state.update("generators")
    return parts, torch.cat(fakes_a), torch.cat(fakes_b)


def _train_discriminators(
    state: TrainingState, real_a: Tensor, real_b: Tensor, fakes_a: Tensor, fakes_b: Tensor
) -> dict[str, list[Tensor]]:
    """The losses of all parts of the batch; the fakes go through the histories first."""
    config, nets = state.config, state.nets
    state.discriminators.requires_grad_(True)
    state.optimisers["discriminators"].zero_grad()
    shown_a, shown_b = state.pools["a"].query(fakes_a), state.pools["b"].query(fakes_b)
    parts: dict[str, list[Tensor]] = {}
    for discriminator, name, *batches in (
        (nets.discriminator_a, "a", real_a, shown_a, real_b),
        (nets.discriminator_b, "b", real_b, shown_b, real_a),
    ):
        for real, fake, other in zip(*(batch.chunk(config.accumulate) for batch in batches), strict=True):
            with _autocast(state):
                loss, named = discriminator_loss(
                    discriminator, real, fake, other, config, step=state.steps, group=state.group
                )
            (loss / config.accumulate).backward()
            parts.setdefault(f"discriminator_{name}", []).append(loss.detach())
            for key, value in named.items():
                parts.setdefault(f"{key}_{name}", []).append(value)
    state.update("discriminators")
    if config.clip:
        losses.clip_weights(state.discriminators, config.clip)
    return parts


def _autocast(state: TrainingState) -> torch.autocast:
    return torch.autocast(state.group.device.type, torch.bfloat16, enabled=state.config.bf16)
