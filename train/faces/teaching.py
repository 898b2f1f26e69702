"""What teaching a small network takes, whatever it learns: pictures to prepare, steps on them, weights to keep."""

import argparse
import hashlib
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import save
from torch import Tensor, nn
from tqdm import tqdm

from cyclegan_core import images
from cyclegan_core.errors import CycleganError, PictureError
from cyclegan_core.runtime.int8 import measure_ranges
from train.data.listing import picture_files

TEST_SHARE = 0.05
RATE = 2e-3  # of learning, at its highest
TYPICAL = 512  # crops on which the ranges of a network's inputs are measured


def pictures_of(folders: list[Path], most: int) -> Iterator[tuple[NDArray[np.uint8], bool]]:
    """The pictures that can be read, RGB uint8 (H, W, 3), and whether each is kept for testing.

    most: files that are taken of each folder, chosen and ordered by the digest of their names.
    """
    for folder in folders:
        files = sorted(picture_files(folder), key=_digest)
        for path in tqdm(files[:most], unit=" pictures", desc=folder.name, disable=None):
            try:
                picture = images.load(path)
            except PictureError:
                continue
            yield picture, int(_digest(path)[:8], 16) < TEST_SHARE * 2**32


def _digest(path: Path) -> str:
    return hashlib.sha256(path.name.encode()).hexdigest()


def save_set(output: Path, test: list[bool], **rows: list[Any]) -> None:
    """Writes each list of rows, one for each picture, as an array, and which of them are for testing.

    Raises CycleganError where there are none.
    """
    if not test:
        raise CycleganError("none of these pictures can be learned from: name other folders")
    output.parent.mkdir(parents=True, exist_ok=True)
    arrays: dict[str, Any] = {name: np.stack(each) for name, each in rows.items()}
    np.savez(output, test=np.array(test), **arrays)
    print(f"{len(test):,} crops, {sum(test):,} of them for testing")


def teach(
    net: nn.Module,
    kept: Tensor,
    loss_of: Callable[[Tensor], tuple[Tensor, str]],
    *,
    epochs: int,
    batch: int,
    every: int,
) -> None:
    """Takes the steps of a training in one cycle of the learning rate (Smith 2018).

    kept: rows (N,) of the set to learn from. loss_of: of some rows, with words on it that are written `every` so many
    steps.
    """
    steps = epochs * len(kept) // batch
    optimiser = torch.optim.AdamW(net.parameters(), RATE, weight_decay=1e-2)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, RATE, total_steps=steps)
    with tqdm(range(steps), unit="step", disable=None) as bar:
        for step in bar:
            loss, words = loss_of(kept[torch.randint(len(kept), (batch,))])
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            schedule.step()
            if step % every == 0:
                tqdm.write(f"{step:6d}  {words}")


def save_half(net: nn.Module, output: Path, typical: Iterable[Tensor] = ()) -> None:
    """Writes the state of a network as safetensors, floating-point numbers in half precision. Raises OSError.

    typical: batches as the network takes them, on which the ranges of its inputs are measured; none without them.
    """
    entries = {**net.state_dict(), **measure_ranges(net.eval(), typical)}
    state = {key: value.half() if value.is_floating_point() else value for key, value in entries.items()}
    output.write_bytes(save({key: value.contiguous() for key, value in state.items()}))


def add_commands(
    parser: argparse.ArgumentParser, *, folders: str, most: int, epochs: int, batch: int
) -> tuple[argparse.ArgumentParser, argparse.ArgumentParser]:
    """Adds the commands `prepare` and `train` with what all have in common, and returns both.

    folders: help on what `prepare` reads. The rest are defaults.
    """
    commands = parser.add_subparsers(dest="command", required=True)
    preparing = commands.add_parser("prepare")
    preparing.add_argument("folders", type=Path, nargs="+", help=folders)
    preparing.add_argument("--output", type=Path, required=True)
    preparing.add_argument("--most", type=int, default=most, help=f"pictures of each folder ({most})")
    training = commands.add_parser("train")
    training.add_argument("data", type=Path)
    training.add_argument("--output", type=Path, required=True)
    training.add_argument("--epochs", type=int, default=epochs)
    training.add_argument("--batch", type=int, default=batch)
    training.add_argument("--seed", type=int, default=0)
    return preparing, training
