"""Both domains of a run as augmented batches, through its stages and across its breaks."""

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from cyclegan_core.errors import CycleganError
from train.config.train_config import Stage, TrainConfig
from train.data.augment import augment
from train.data.domain import Domain, State
from train.data.folders import open_domain
from train.data.preprocess import preprocess_of
from train.monitoring.logs import say
from train.training.distributed import ProcessGroup


class Batches:
    """Opens trainA and trainB of `data` at the size of each stage; the order of the pictures goes on through all.

    saved: what `to_checkpoint` of an earlier session returned. Raises CycleganError.
    """

    def __init__(
        self, config: TrainConfig, data: Path, group: ProcessGroup, saved: dict[str, list[State]] | None = None
    ) -> None:
        self._config, self._data, self._group = config, data, group
        parts = group.world * config.accumulate
        for stage in config.all_stages():
            if stage.batch % parts:
                raise CycleganError(
                    f"a batch of {stage.batch} cannot be shared out evenly to {group.world} process(es) in "
                    f"{config.accumulate} part(s) each; choose batches that are multiples of {parts}"
                )
        self._states = {side: _own_state(states, group) for side, states in saved.items()} if saved else {}
        self._domains: dict[str, Domain] = {}
        self.stage = Stage(0, 0, 0.0)  # none yet
        self.rows = 0  # pictures of a batch that this process sees

    def enter(self, stage: Stage) -> None:
        """Batches are those of this stage from now on."""
        if self._domains:
            self._states = {side: domain.state_dict() for side, domain in self._domains.items()}
        self.close()
        for side in "ab":
            domain = open_domain(
                self._data, f"train{side.upper()}", stage.size, seed=self._config.seed, rank=self._group.rank,
                world=self._group.world, device=self._group.device, holdout=self._config.validation,
                preprocess=preprocess_of(self._config),
                on_main_process=self._group.call_on_main_process,
            )  # fmt: skip
            if self._group.is_main_process and not self._domains.get(side):
                for file, reason in domain.skipped:
                    say(f"skipped: {file}: {reason}")
            if side in self._states:
                domain.load_state_dict(self._states[side])
            if domain.changed and self._group.is_main_process:
                say(f"note: train{side.upper()} holds other pictures than when this run began")
            self._domains[side] = domain
        self.stage, self.rows = stage, stage.batch // self._group.world

    def next(self) -> tuple[Tensor, Tensor]:
        """This process's part of the next batch of A and of B: float (B, 3, S, S) in [-1, 1], augmented."""
        config = self._config
        a = self._augmented("a", config.sharpen)
        return a, self._augmented("b", config.sharpen if config.sharpen_b is None else config.sharpen_b)

    def _augmented(self, side: str, sharpen: float) -> Tensor:
        size, rank, world = self.stage.size, self._group.rank, self._group.world
        pictures = self._domains[side].take(self.rows)
        moved = augment(pictures, self._config, size=size, sharpen=sharpen, rank=rank, world=world)
        return moved.contiguous(memory_format=torch.channels_last)

    def counts(self) -> dict[str, int | None]:
        """Training pictures of each domain, None where nobody has counted a stream."""
        return {side: domain.count for side, domain in self._domains.items()}

    def to_checkpoint(self) -> dict[str, list[State]]:
        """For each domain the states of all processes, every one of which has to call this."""
        return {side: self._group.gather(domain.state_dict()) for side, domain in self._domains.items()}

    def close(self) -> None:
        for domain in self._domains.values():
            domain.close()


def _own_state(states: list[dict[str, Any]], group: ProcessGroup) -> State:
    """What this process has to go on from; the states of a folder are the same for all processes."""
    if len(states) == group.world:
        return states[group.rank]
    if any(state != states[0] for state in states):
        raise CycleganError(
            f"this run reads a stream by {len(states)} processes and can go on only with as many, not {group.world}"
        )
    return states[0]
