"""What a run leaves from time to time: a checkpoint, the translation so far, a sample sheet, scores and notes."""

import shlex
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from cyclegan_core.errors import CycleganError
from cyclegan_core.translations.config import Crop, Direction
from cyclegan_core.translations.translation import Translation
from train.config.schedule import rate_factor
from train.config.train_config import TrainConfig
from train.data.batches import Batches
from train.evaluation.samples import Look, save_snapshot_sheet, show_translated
from train.monitoring.diagnostics import Diagnostics
from train.monitoring.logs import RunLog
from train.training.checkpoint import save_checkpoint
from train.training.networks import describe
from train.training.run_folder import BEST_FOLDER, TRANSLATION_FOLDER
from train.training.state import TrainingState

SHOWN = 8  # pictures of each domain on the sample sheet
SHEET_SIDE = 128  # pixels of each on it


class Scores(Protocol):
    """Something that scores the averaged generators on pictures that no training sees; lower `score` is better."""

    def score(self, generators: Mapping[str, nn.Module]) -> dict[str, float]: ...


@dataclass
class Snapshots:
    """Takes the snapshots of one run.

    shown: uint8 (N, 3, S, S) for `a_to_b` and `b_to_a`, the same at every snapshot. patience: snapshots without a
    better score after which the run should end; None: it does not.
    """

    config: TrainConfig
    output: Path
    crop: Crop | None
    shown: dict[str, Tensor]
    log: RunLog
    validator: Scores | None = None
    patience: int | None = None
    diagnostics: Diagnostics = field(default_factory=Diagnostics)

    def take(self, state: TrainingState, batches: Batches, progress: float) -> Translation:
        """Called by all processes; the leading one writes. Raises CycleganError where weights are not finite numbers.

        What was there before stays until the new is whole.
        """
        trained = (*state.generators.parameters(), *state.discriminators.parameters())
        if not all(bool(torch.isfinite(p).all()) for p in trained):
            raise CycleganError(
                "the weights are no longer finite numbers; nothing saved before was changed: start again in another "
                "--output with a lower --learning-rate"
            )
        translation = self._translation(state, batches)
        if state.group.is_main_process:
            self._score(state, translation, progress)
        state.best = state.group.broadcast(state.best)
        checkpoint = {**state.to_checkpoint(), "batches": batches.to_checkpoint()}
        if state.group.is_main_process:
            save_checkpoint(self.output, checkpoint)
            translation.save(self.output / TRANSLATION_FOLDER)
            self._show(state, progress)
        state.group.barrier()
        return translation

    def no_longer_improves(self, state: TrainingState) -> bool:
        return self.patience is not None and state.best.get("since", 0) >= self.patience

    def _translation(self, state: TrainingState, batches: Batches) -> Translation:
        device = state.group.device
        summary = {
            "pictures": state.pictures,
            "minutes": round(state.seconds / 60, 1),
            "device": torch.cuda.get_device_name(device)
            if device.type == "cuda"
            else f"{torch.get_num_threads()} CPU core(s)",
            "processes": state.group.world,
            "command": _command(),
            "commit": _commit(),
            **({"init": state.init} if state.init else {}),
            **{f"train_{side}": count for side, count in batches.counts().items()},
            "config": self.config.to_dict(),
        }
        return Translation(
            replace(describe(self.config, self.crop), training=summary),
            {Direction(name): generator for name, generator in state.ema.items()},
        )

    def _score(self, state: TrainingState, translation: Translation, progress: float) -> None:
        """Scores the averaged generators, and keeps them in `best` where nothing before scored better.

        A score that is no better counts towards the patience; not while the generators wait.
        """
        if self.validator is None or state.steps == 0:
            return
        scores = self.validator.score(dict(state.ema.items()))
        where: dict[str, Any] = {"pictures": state.pictures, "minutes": round(state.seconds / 60, 2)}
        self.log.report(where, {f"validation/{name}": round(value, 4) for name, value in scores.items()})
        if scores["score"] < self._best_score():
            state.best = {**state.best, "pictures": state.pictures, "since": 0}
            translation.config.training["validation"] = scores
            translation.save(self.output / BEST_FOLDER)
        elif progress >= self.config.head_start:
            state.best = {**state.best, "since": state.best.get("since", 0) + 1}
            self._lower_rate(state, progress)

    def _lower_rate(self, state: TrainingState, progress: float) -> None:
        """What the policy `plateau` does after a snapshot without a better score."""
        config, since, reductions = self.config, state.best["since"], state.best.get("reductions", 0)
        if config.lr_policy != "plateau" or progress <= config.hold or since % config.lr_patience:
            return
        state.best = {**state.best, "reductions": reductions + 1}
        rate = config.learning_rate * rate_factor(config, progress, reductions + 1)
        snapshots = f"{since} snapshot{'s' if since > 1 else ''}"
        self.log.say(f"The validation score has not improved for {snapshots}: learning rate {rate:.2g} from now on")

    def _best_score(self) -> float:
        """Of what is in `best`, as a kill may come between its writing and the checkpoint's."""
        try:
            return float(Translation.load(self.output / BEST_FOLDER).config.training["validation"]["score"])
        except (CycleganError, KeyError, TypeError, ValueError):
            return float("inf")

    def _show(self, state: TrainingState, progress: float) -> None:
        """Draws the sample sheet, and warns of what it shows to be wrong."""
        config = self.config
        look = Look.of(describe(config, self.crop), config.size)
        path = self.output / f"samples_{state.pictures:08d}.png"
        generators = dict(state.ema.items())
        try:
            save_snapshot_sheet(path, generators, self.shown, look, side=SHEET_SIDE)
            self.log.show("samples", path, state.pictures)
        except (CycleganError, OSError) as error:  # a full disk; the checkpoint is written, and worth more
            self.log.say(f"note: no sample sheet: {error}")
        names = dict(zip(("a_to_b", "b_to_a"), config.directions, strict=True))
        for direction, generator in generators.items():
            after = torch.from_numpy(show_translated(generator, self.shown[direction], look, direction))
            notes = self.diagnostics.pictures(
                self.shown[direction], after.permute(0, 3, 1, 2), names[direction], progress
            )
            for note in notes:
                self.log.say(f"note: {note}")


def _command() -> str:
    return shlex.join(["python", *map(_shortened, sys.argv)])


def _shortened(word: str) -> str:
    """A word of a command line; of a folder whose whole path would tell about somebody's machine the name alone."""
    option, equals, value = word.rpartition("=")
    return option + equals + Path(value).name if Path(value).is_absolute() else word


@cache
def _commit() -> str:
    """The commit of the code that trains, or `unknown`."""
    asked = ["git", "-C", str(Path(__file__).parent), "rev-parse", "--short", "HEAD"]
    try:
        return subprocess.run(asked, capture_output=True, text=True, check=True, timeout=10).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return "unknown"
