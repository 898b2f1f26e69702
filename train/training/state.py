"""Everything that a run changes as it goes on: what a checkpoint holds and a resume brings back."""

import copy
from typing import Any

import torch
from torch import Tensor, nn

from cyclegan_core.errors import CycleganError
from cyclegan_core.image_pool import ImagePool
from train.config.train_config import TrainConfig
from train.training.distributed import ProcessGroup
from train.training.networks import Networks


class TrainingState:
    """Networks, their averages, optimisers, histories and counters of a run.

    pictures: of each domain seen by the run. seconds: spent by it until the last `seconds` was set. steps: of the
    optimisers. init: what the generators were at the start, in words, if not new.
    """

    def __init__(self, config: TrainConfig, nets: Networks, group: ProcessGroup, init: str | None = None) -> None:
        self.config, self.nets, self.group = config, nets, group
        self.generators = nn.ModuleDict(nets.generators())
        self.discriminators = nn.ModuleDict(nets.discriminators())
        self.ema = copy.deepcopy(self.generators).eval().requires_grad_(False)
        self.optimisers = {
            side: torch.optim.Adam(networks.parameters(), config.learning_rate, betas=config.betas, fused=True)
            for side, networks in (("generators", self.generators), ("discriminators", self.discriminators))
        }
        self.pools = {side: ImagePool(config.pool, rank=group.rank, world=group.world) for side in "ab"}
        self.pictures, self.steps, self.seconds = 0, 0, 0.0
        self.init = init
        # At how many `pictures` the validation score was best, how many snapshots `since` then had no better one, and
        # how many `reductions` of the learning rate the policy `plateau` has made of that.
        self.best: dict[str, Any] = {}

    def set_learning_rate(self, factor: float) -> None:
        """Sets both rates to `factor` times the config's, for the discriminators times `discriminator_pace`."""
        for side, pace in (("generators", 1.0), ("discriminators", self.config.discriminator_pace)):
            for parameters in self.optimisers[side].param_groups:
                parameters["lr"] = self.config.learning_rate * pace * factor

    @property
    def learning_rate(self) -> float:
        """That of the generators at the moment, to four digits."""
        return float(f"{self.optimisers['generators'].param_groups[0]['lr']:.4g}")

    def update(self, side: str) -> None:
        """One step of an optimiser with the mean gradients of all processes."""
        parameters = [p for group in self.optimisers[side].param_groups for p in group["params"]]
        self.group.average_gradients(parameters)
        if self.config.gradient_clip:
            nn.utils.clip_grad_norm_(parameters, self.config.gradient_clip)
        self.optimisers[side].step()

    def fit_pools(self, rows: int, size: int) -> None:
        """Empties the histories where the pictures to come, `rows` of `size` pixels at a time, are of another shape."""
        for pool in self.pools.values():
            if pool.pictures is not None and (len(pool.pictures), pool.pictures.shape[-1]) != (rows, size):
                pool.clear()

    def to_checkpoint(self) -> dict[str, Any]:
        """The whole state, without the position in the data, as plain values and tensors.

        Every process has to call this, as each holds its own part of the histories.
        """
        device = self.group.device
        pools = {side: self._whole_pool(pool) for side, pool in self.pools.items()}
        return {
            "config": self.config.to_dict(),
            "networks": {
                "generators": self.generators.state_dict(),
                "discriminators": self.discriminators.state_dict(),
                "ema": self.ema.state_dict(),
            },
            "optimisers": {side: optimiser.state_dict() for side, optimiser in self.optimisers.items()},
            "pools": pools,
            "rng": torch.get_rng_state(),
            "cuda_rng": torch.cuda.get_rng_state(device) if device.type == "cuda" else None,
            "pictures": self.pictures,
            "seconds": self.seconds,
            "steps": self.steps,
            "best": self.best,
            "init": self.init,
        }

    def from_checkpoint(self, saved: dict[str, Any]) -> None:
        """Raises CycleganError for a checkpoint of another version. The batches take their own part of it."""
        try:
            for name in ("generators", "discriminators", "ema"):
                getattr(self, name).load_state_dict(saved["networks"][name])
            for side, optimiser in self.optimisers.items():
                optimiser.load_state_dict(saved["optimisers"][side])
            for side, pool in self.pools.items():
                pool.load_state_dict(self._own_rows(saved["pools"][side]))
            self.pictures, self.seconds, self.steps = saved["pictures"], saved["seconds"], saved["steps"]
            self.best, self.init = saved["best"], saved.get("init", self.init)
            torch.set_rng_state(saved["rng"])
            if self.group.device.type == "cuda" and saved["cuda_rng"] is not None:
                torch.cuda.set_rng_state(saved["cuda_rng"], self.group.device)
        except (KeyError, TypeError, RuntimeError) as error:
            raise CycleganError(
                "the checkpoint was written by another version of this program; use another --output"
            ) from error

    def _whole_pool(self, pool: ImagePool) -> dict[str, Any]:
        state = pool.state_dict()
        if self.group.world > 1 and state["pictures"] is not None:
            state["pictures"] = torch.cat([rows.cpu() for rows in self.group.gather(state["pictures"].cpu())])
        return state

    def _own_rows(self, state: dict[str, Any]) -> dict[str, Any]:
        pictures: Tensor | None = state["pictures"]
        if pictures is None:
            return state
        rows = len(pictures) // self.group.world
        own = pictures[self.group.rank * rows :][:rows].to(self.group.device)
        return {**state, "pictures": own.clone()}
