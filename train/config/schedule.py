"""How far a run is, and what that means for its learning rate, its loss weights and its stage."""

import math
from dataclasses import dataclass

from train.config.train_config import Stage, TrainConfig


@dataclass(frozen=True)
class Budget:
    """How long a run lasts, over all its sessions: whichever end comes first."""

    minutes: float | None = None
    pictures: int | None = None

    def progress(self, pictures: int, seconds: float) -> float:
        """Share of the budget that is spent, in [0, 1]; 0 where there is no budget."""
        shares = [0.0]
        if self.pictures is not None:
            shares.append(pictures / self.pictures)
        if self.minutes is not None:
            shares.append(seconds / 60 / self.minutes)
        return min(max(shares), 1.0)


def rate_factor(config: TrainConfig, progress: float, reductions: int = 0) -> float:
    """What the learning rate is multiplied by, from 1 down to `config.final_rate`: 1 over `config.hold` of the budget,
    then as `config.lr_policy` says.

    progress: share of the budget that is spent, in [0, 1]. reductions: how often the rate has been lowered until now
    because the validation score no longer improved; it counts for the policy `plateau` alone.
    Sources: linear is that of section 7.1 of CycleGAN, where the line ends at 0; cosine is that of Loshchilov and
    Hutter 2017, "SGDR", without restarts.
    """
    if progress <= config.hold:
        return 1.0
    if config.lr_policy == "step":
        # Shares such as 0.1 are no exact numbers, and must not put a step off by a picture.
        reductions = 1 + math.floor((progress - config.hold) / config.lr_step + 1e-9)
    if config.lr_policy in ("step", "plateau"):
        return max(config.final_rate, config.lr_factor**reductions)
    left = max(0.0, (1 - progress) / (1 - config.hold))
    if config.lr_policy == "cosine":
        left = (1 - math.cos(math.pi * left)) / 2
    return config.final_rate + (1 - config.final_rate) * left


def weight_at(begin: float, end: float | None, progress: float) -> float:
    """A loss weight on the straight line from `begin` to `end`; constant where `end` is None."""
    return begin if end is None else begin + (end - begin) * progress


def stage_at(config: TrainConfig, progress: float) -> Stage:
    """The stage that a run is in."""
    stages = config.all_stages()
    ended = 0.0
    for stage in stages:
        ended += stage.share
        if progress < ended - 1e-9:
            return stage
    return stages[-1]
