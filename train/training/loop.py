"""The training loop, from top to bottom."""

import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

from cyclegan_core.errors import CycleganError
from cyclegan_core.translations.config import Crop
from cyclegan_core.translations.translation import Translation
from train.config.schedule import Budget, rate_factor, stage_at
from train.config.train_config import TrainConfig
from train.data.batches import Batches
from train.data.folders import open_domain, spread_pictures, stored_size
from train.data.preprocess import preprocess_of
from train.evaluation.features import load_or_train_encoder
from train.evaluation.validation import TooFewError, Validator
from train.monitoring.diagnostics import broken
from train.monitoring.logs import RunLog
from train.training.checkpoint import check_same, resume_checkpoint
from train.training.distributed import ProcessGroup
from train.training.initialisation import Initialisation, initialise
from train.training.networks import build_networks
from train.training.objectives import depends_on_the_batch
from train.training.run_folder import set_aside
from train.training.snapshots import SHOWN, Snapshots
from train.training.state import TrainingState
from train.training.step import training_step

REPORT_SECONDS = 30
MOST_STEPS_BETWEEN_LOOKS = 16  # at the clock, where several processes have to agree on what it says
SECONDS_BETWEEN_LOOKS = 1  # a launcher that is stopped kills its processes after 30 seconds, saved or not


def train(
    config: TrainConfig,
    data: Path,
    output: Path,
    *,
    budget: Budget,
    group: ProcessGroup,
    crop: Crop | None = None,
    initialisation: Initialisation | None = None,
    snapshot_minutes: float = 5.0,
    patience: int | None = None,
    stop_asked: Callable[[], bool] = lambda: False,
) -> Translation:
    """Trains until the budget is spent or `stop_asked`, and returns the EMA generators, which are in `output` as well.

    data: folder with trainA, trainB and, for the samples, testA and testB. Resumes from the checkpoint in `output` when
    there is one; the budget counts from the first start. patience: snapshots without a better validation score after
    which the run ends early. Raises CycleganError.
    """
    output.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(config.seed)
    saved = group.call_on_main_process(lambda: resume_checkpoint(output))
    check_same(config, saved, output)
    aside = set_aside(output) if saved is None and group.is_main_process else None

    nets = build_networks(config, group.device)
    if initialisation and not saved:
        initialise(initialisation, nets, config)
    if config.constancy:
        nets.encoder = group.main_process_first(
            lambda: load_or_train_encoder(data, group.device, seed=config.seed, holdout=config.validation)
        )
    torch.manual_seed(config.seed)  # again: not every process has trained the encoder
    state = TrainingState(config, nets, group, init=initialisation.translation.source if initialisation else None)
    batches = Batches(config, data, group, saved["batches"] if saved else None)
    if saved:
        state.from_checkpoint(saved)
    progress = budget.progress(state.pictures, state.seconds)
    log = RunLog(output, is_main_process=group.is_main_process, pictures=state.pictures, progress=progress)
    if group.world > 1 and any(depends_on_the_batch(net) for net in (state.generators, state.discriminators)):
        log.say(
            "note: batch norm and minibatch_std see the pictures of their own process only: results depend on how "
            "many processes share a batch"
        )
    if aside:
        log.say(f"note: there is no checkpoint to resume; what an earlier run has left is in {aside} now")
    if saved:
        log.say(f"Resumed after {state.pictures:,} pictures and {state.seconds / 60:.1f} minutes")
    validator = None
    if config.validation and group.is_main_process:
        try:
            validator = Validator(config, data, group.device, config.seed)
        except TooFewError as error:
            if patience is not None or config.lr_policy == "plateau":
                raise
            log.say(f"note: {error}; until then there is no best one")
    shown = _shown(data, config) if group.is_main_process else {}
    snapshots = Snapshots(config, output, crop, shown, log, validator=validator, patience=patience)
    batches.enter(stage_at(config, progress))  # decodes the pictures where nobody has: none of the run's time, either
    state.fit_pools(batches.rows, batches.stage.size)

    # On the clock of this process, when the run would have begun without a break.
    first_second = time.monotonic() - state.seconds
    totals: dict[str, Tensor] = {}
    counted: dict[str, int] = {}
    last_report = last_snapshot = state.seconds
    pictures_at_report, taken_at, stopping = state.pictures, -1, False
    last_look = next_look = state.steps
    ended = snapshots.no_longer_improves(state)
    while (progress := budget.progress(state.pictures, state.seconds)) < 1 and not (stopping or ended):
        if (stage := stage_at(config, progress)) != batches.stage:
            batches.enter(stage)
            state.fit_pools(batches.rows, stage.size)
        state.set_learning_rate(rate_factor(config, progress, state.best.get("reductions", 0)))
        real_a, real_b = batches.next()

        means_of_step = training_step(state, real_a, real_b, progress=progress)
        for name, value in means_of_step.items():  # summed on the device: reading each step would wait for it
            totals[name] = totals.get(name, torch.zeros((), device=group.device)) + value
            counted[name] = counted.get(name, 0) + 1
        if group.world > 1 and state.steps < next_look and budget.progress(state.pictures, state.seconds) < 1:
            continue
        looks = group.gather((time.monotonic() - first_second, stop_asked()))
        now, stopping = looks[0][0], any(asked for _, asked in looks)
        step_seconds = max(now - state.seconds, 1e-6) / (state.steps - last_look)  # the leader's, in all processes
        state.seconds, last_look = now, state.steps
        next_look = state.steps + max(1, min(MOST_STEPS_BETWEEN_LOOKS, int(SECONDS_BETWEEN_LOOKS / step_seconds)))
        ending = stopping or budget.progress(state.pictures, state.seconds) >= 1
        rate = (state.pictures - pictures_at_report) / max(state.seconds - last_report, 1e-6)
        log.advance(progress, rate)

        if ending or state.seconds - last_report > REPORT_SECONDS:
            means = {name: round(float(group.mean(total)) / counted[name], 4) for name, total in totals.items()}
            _report(state, budget, log, rate, means)
            if names := broken(means):
                raise CycleganError(
                    f"the losses {', '.join(names)} are no longer finite numbers; nothing saved before was changed: "
                    "start again in another --output with a lower --learning-rate"
                )
            for note in snapshots.diagnostics.losses(means, progress):
                log.say(f"note: {note}")
            totals, counted = {}, {}
            last_report, pictures_at_report = state.seconds, state.pictures
        if state.seconds - last_snapshot > 60 * snapshot_minutes:
            translation, taken_at = snapshots.take(state, batches, progress), state.steps
            ended = snapshots.no_longer_improves(state)
            last_snapshot = group.broadcast(time.monotonic() - first_second)
    if ended:
        log.say(f"The validation score has not improved for {patience} snapshots: ending here")
    if taken_at != state.steps:
        translation = snapshots.take(state, batches, budget.progress(state.pictures, state.seconds))
    batches.close()
    log.close()
    return translation


def _shown(data: Path, config: TrainConfig) -> dict[str, Tensor]:
    """The pictures of the sample sheet: of the test split, or of the training split where there is none."""
    shown = {}
    preprocess = preprocess_of(config)
    side = preprocess.size if preprocess else stored_size(data, config.size)
    for direction, domain in (("a_to_b", "A"), ("b_to_a", "B")):
        shown[direction] = spread_pictures(data / f"test{domain}", side, SHOWN, preprocess)
        if not len(shown[direction]):
            opened = open_domain(
                data, f"train{domain}", config.size, seed=config.seed, device=torch.device("cpu"),
                holdout=config.validation, preprocess=preprocess,
            )  # fmt: skip
            shown[direction] = opened.spread(SHOWN)
            opened.close()
    return shown


def _report(state: TrainingState, budget: Budget, log: RunLog, rate: float, means: dict[str, float]) -> None:
    progress = budget.progress(state.pictures, state.seconds)
    minutes = state.seconds / 60
    left = minutes * (1 - progress) / progress if progress else 0.0
    if budget.pictures is not None and rate:
        left = max(0.0, min(left, (budget.pictures - state.pictures) / rate / 60))
    counts = {
        "pictures": state.pictures, "minutes": round(minutes, 2), "rate": round(rate, 1), "left": round(left, 1),
        "learning_rate": state.learning_rate,
    }  # fmt: skip
    log.report(counts, means)
