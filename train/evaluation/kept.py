"""Small networks that help a training or measure it: trained once for a data set and kept in its cache."""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import nn

from train.data.cache import cache_folder
from train.data.folders import picture_files, source

Network = TypeVar("Network", bound=nn.Module)


def load_or_train(
    data: Path,
    kind: str,
    told: Mapping[str, Any],
    blank: Callable[[], Network],
    train: Callable[[], Network],
    also: Sequence[Path] = (),
) -> Network:
    """What an earlier run on the same pictures has kept, else what `train` returns; on the CPU or where it was trained.

    kind: names the file. told: everything beside the pictures that decides what comes out; numbers and texts.
    blank: makes a network of the same shape, for what was kept. also: further sets that it is trained on.
    A place that cannot be written to costs a note only.
    Raises CycleganError where the data cannot be read.
    """
    names = {split: [_files(one, split) for one in (data, *also)] for split in ("trainA", "trainB")}
    key = hashlib.sha256(json.dumps([told, names], sort_keys=True).encode(errors="surrogateescape")).hexdigest()[:12]
    try:
        path = cache_folder(data) / f"{kind}_{key}.safetensors"
    except OSError:
        path = None
    if path is not None and path.is_file():
        network = blank()
        try:
            network.load_state_dict(load_file(path))
            return network
        except (SafetensorError, RuntimeError, OSError):  # cut off, or of another version
            pass
    network = train()
    if path is not None:
        _keep(network, path)
    return network


def _files(data: Path, split: str) -> list[Any]:
    """Name, size and time of every file, so that pictures which were replaced in place are noticed."""
    place = source(data, split)
    if not isinstance(place, Path):
        return place
    files = [(path.name, path.stat()) for path in picture_files(place)]
    return [(name, stat.st_size, stat.st_mtime_ns) for name, stat in files]


def _keep(network: nn.Module, path: Path) -> None:
    partial = path.with_name(f".{path.name}.partial")
    try:
        save_file({name: t.detach().cpu().contiguous() for name, t in network.state_dict().items()}, partial)
        partial.replace(path)
    except (OSError, SafetensorError) as error:
        print(f"note: {path.name} cannot be kept beside the data ({error}); it will be trained again", flush=True)
    finally:
        partial.unlink(missing_ok=True)
