"""All that a run needs to go on exactly where it was, in one file that is written whole or not at all."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from cyclegan_core.atomic import PARTIAL_SUFFIX, atomically
from cyclegan_core.errors import CycleganError
from train.config.train_config import TrainConfig

CHECKPOINT_FILE = "checkpoint.pt"


def write_atomically(path: Path, state: dict[str, Any]) -> None:
    """Raises CycleganError when it cannot be written; what was there before then stays as it is."""
    try:
        with atomically(path) as partial:
            torch.save(state, partial)
    except (OSError, RuntimeError) as error:  # torch's zip writer reports a full disk as RuntimeError
        reason = getattr(error, "strerror", None) or "is the disk full?"
        raise CycleganError(
            f"{path.name} cannot be written to {path.parent} ({reason}); free some space; the last good one is kept"
        ) from error


def save_checkpoint(folder: Path, state: dict[str, Any]) -> None:
    """Raises CycleganError when it cannot be written; the last good checkpoint then stays as it is."""
    write_atomically(folder / CHECKPOINT_FILE, state)


class DamagedCheckpointError(CycleganError):
    """The content of a checkpoint cannot be read, whoever tries."""


def load_checkpoint(folder: Path) -> dict[str, Any] | None:
    """The state of the last checkpoint on the CPU, or None where there is none; names are those of this version.

    Raises DamagedCheckpointError where the file is cut off or overwritten, CycleganError where it is whole but none of
    this program's, and OSError or MemoryError where this process may not read it or has no memory for it.
    """
    path = folder / CHECKPOINT_FILE
    try:
        with path.open("rb") as file:
            state = torch.load(file, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        return None
    except (OSError, MemoryError):
        raise
    except Exception as error:  # torch raises whatever its zip and pickle readers raise
        if "allocate memory" in str(error):
            raise MemoryError(str(error)) from error
        raise DamagedCheckpointError(
            f"{CHECKPOINT_FILE} in {folder.name} is damaged; resume that run, which sets it aside, or use its "
            "translation folder"
        ) from error
    if not isinstance(state, dict) or not {"config", "networks", "batches"} <= state.keys():
        raise CycleganError(
            f"{CHECKPOINT_FILE} in {folder.name} was written by another program or version; use another --output"
        )
    weights = state["networks"].get("discriminators", {})
    state["networks"]["discriminators"] = {_todays_name(name): value for name, value in weights.items()}
    return state


def resume_checkpoint(folder: Path) -> dict[str, Any] | None:
    """What `load_checkpoint` returns of the run's own folder; a damaged file is renamed, so that the next start is new.

    Raises CycleganError, which says the new name, in that case too.
    """
    try:
        return load_checkpoint(folder)
    except DamagedCheckpointError as error:
        path = folder / CHECKPOINT_FILE
        aside = path.with_name(f"damaged-{time.strftime('%Y%m%d-%H%M%S')}-{path.name}")
        path.rename(aside)
        raise CycleganError(
            f"{path.name} in {folder.name} is damaged and is now called {aside.name}; the same command begins anew, "
            f"and with --init {folder / 'translation'} it begins with what was trained, which stays"
        ) from error


def saved_config(folder: Path) -> dict[str, Any] | None:
    """The config of the run that the folder holds, or None. Raises as `resume_checkpoint` does."""
    saved = resume_checkpoint(folder)
    return None if saved is None else saved["config"]


def _todays_name(weight: str) -> str:
    """`discriminator_a.discriminators.0.net` of what earlier versions called `judge_a.judges.0.net`."""
    weight = f"discriminator_{weight.removeprefix('judge_')}" if weight.startswith("judge_") else weight
    return weight.replace(".judges.", ".discriminators.") if weight.startswith("discriminator_") else weight


def check_same(config: TrainConfig, saved: dict[str, Any] | None, folder: Path) -> None:
    """Raises CycleganError, naming the fields, where the checkpoint in the folder is that of another config."""
    if saved and (changed := config.differences(saved["config"])):
        raise CycleganError(
            f"{folder.name} holds a run with another {', '.join(changed)}; use another --output or delete it"
        )


@contextmanager
def alone_in(folder: Path) -> Iterator[None]:
    """Makes and holds the folder of a run, and clears what a killed run has left half-written.

    Raises CycleganError where another process holds it. Some network disks know no locks: there nobody is kept out.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".lock").open("w") as lock:
        try:
            import fcntl

            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise CycleganError(f"another run is writing to {folder}; wait for it or name another --output") from error
        except (ImportError, OSError):
            pass
        for partial in folder.glob(f".*{PARTIAL_SUFFIX}"):
            partial.unlink(missing_ok=True)
        yield
