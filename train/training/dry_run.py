"""Checks everything that a run needs before an hour is spent on it; it writes nothing but the cache of the pictures."""

import os
import resource
import shutil
import time
from pathlib import Path

import torch

from cyclegan_core.errors import CycleganError
from train.config.train_config import TrainConfig
from train.data.batches import Batches
from train.evaluation.features import Encoder
from train.training.checkpoint import CHECKPOINT_FILE, alone_in, check_same, load_checkpoint
from train.training.distributed import ProcessGroup
from train.training.initialisation import Initialisation, initialise
from train.training.networks import build_networks
from train.training.state import TrainingState
from train.training.step import training_step

STEPS = 3  # the first one allocates and plans
CHECKPOINT_COPIES = 2.2  # the old one, the new one beside it until it is whole, and sheets


def dry_run(
    config: TrainConfig, data: Path, output: Path, *, group: ProcessGroup, initialisation: Initialisation | None
) -> None:
    """Opens the data, builds the networks and takes a few real steps at every stage; prints what it found.

    Raises CycleganError, or torch.OutOfMemoryError where a step does not fit.
    """
    if (output / CHECKPOINT_FILE).exists() and group.is_main_process:
        with alone_in(output):
            check_same(config, load_checkpoint(output), output)
    nets = build_networks(config, group.device)
    if initialisation:
        initialise(initialisation, nets, config)
    if config.constancy:  # an untrained one takes as much time and memory
        nets.encoder = Encoder().to(group.device).eval().requires_grad_(False)
    state = TrainingState(config, nets, group)
    say = print if group.is_main_process else (lambda *_: None)
    numbers = {name: sum(p.numel() for p in net.parameters()) for name, net in nets.generators().items()}
    say(f"generators: {config.generator}, {numbers['a_to_b']:,} parameters each")
    batches = Batches(config, data, group)
    for stage in config.all_stages():
        batches.enter(stage)
        state.fit_pools(batches.rows, stage.size)
        counts = batches.counts()
        for _ in range(STEPS):
            if group.device.type == "cuda":
                torch.cuda.synchronize(group.device)
            began = time.monotonic()
            real_a, real_b = batches.next()
            state.steps = 0  # the costliest step, in which every loss is due
            training_step(state, real_a, real_b, progress=config.head_start)
            if group.device.type == "cuda":
                torch.cuda.synchronize(group.device)
            seconds = time.monotonic() - began
        say(
            f"stage of {stage.size} pixels, batches of {stage.batch}: {_count(counts['a'])} and {_count(counts['b'])} "
            f"training pictures, {stage.batch / seconds:.1f} pictures/s, "
            f"{_memory(group.device) / 1e9:.1f} GB of {'the GPU' if group.device.type == 'cuda' else 'memory'}"
        )
    batches.close()
    if group.is_main_process:
        _check_disk(config, state, output)
    say("Everything is ready: leave out --dry-run to train.")


def _count(number: int | None) -> str:
    return "uncounted" if number is None else f"{number:,}"


def _memory(device: torch.device) -> int:
    """Bytes at the highest so far, of the GPU or of this process."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def _check_disk(config: TrainConfig, state: TrainingState, output: Path) -> None:
    weights = sum(p.numel() for p in state.generators.parameters()) * 2  # and their averages
    weights += sum(p.numel() for p in state.discriminators.parameters())
    history = 2 * config.pool * 3 * config.size**2
    needed = int(4 * CHECKPOINT_COPIES * (3 * weights + history))  # Adam keeps two numbers beside each weight
    place = output
    while not place.exists():
        place = place.parent
    if not place.is_dir() or not os.access(place, os.W_OK):
        raise CycleganError(f"nothing can be written to {place}; name another --output")
    free = shutil.disk_usage(place).free
    if free < needed:
        raise CycleganError(
            f"the disk of {output} has {free / 1e6:.0f} MB free and checkpoints need {needed / 1e6:.0f} MB; free some "
            "space or name another --output"
        )
    print(f"disk: {needed / 1e6:.0f} MB for checkpoints, {free / 1e6:,.0f} MB free")
