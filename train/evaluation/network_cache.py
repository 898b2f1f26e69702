"""A cache for small networks, such as encoders and classifiers, which are trained once for each data set."""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import nn

from train.data.cache import cache_folder, file_version
from train.data.listing import picture_files, source

Network = TypeVar("Network", bound=nn.Module)


def load_or_train(
    data: Path,
    name: str,
    settings: Mapping[str, Any],
    build: Callable[[], Network],
    train: Callable[[], Network],
    *,
    also: Sequence[Path] = (),
) -> Network:
    """Loads the network that an earlier run has trained on the same pictures; trains and saves it where there is none.

    data: the folder with trainA and trainB, whose cache folder holds the file. name: beginning of the file's name.
    settings: numbers and texts that decide the result besides the pictures; with other settings, or after a picture
    has been added, removed or replaced, the network is trained again. build: makes a network of the right shape for
    the weights of the file. train: returns the trained network. also: further folders that it learns from.

    Returns a network on the CPU where it was loaded, else on the device where `train` leaves it. If the file cannot be
    written, a note is printed. Raises CycleganError where the data cannot be read.
    """
    pictures = {split: [_versions(one, split) for one in (data, *also)] for split in ("trainA", "trainB")}
    key = hashlib.sha256(json.dumps([settings, pictures], sort_keys=True).encode(errors="surrogateescape"))
    try:
        path = cache_folder(data) / f"{name}_{key.hexdigest()[:12]}.safetensors"
    except OSError:
        return train()
    if path.is_file():
        network = build()
        try:
            network.load_state_dict(load_file(path))
            return network
        except (SafetensorError, RuntimeError, OSError):  # cut off, or of another version
            pass
    network = train()
    _save(network, path)
    return network


def _versions(data: Path, split: str) -> list[str]:
    """One text for each file of a split; an address stands for itself, as asking every server would take too long."""
    place = source(data, split)
    if isinstance(place, Path):
        return [file_version(path) for path in picture_files(place)]
    return [shard if "://" in shard else file_version(Path(shard)) for shard in place]


def _save(network: nn.Module, path: Path) -> None:
    partial = path.with_name(f".{path.name}.partial")
    try:
        save_file({name: t.detach().cpu().contiguous() for name, t in network.state_dict().items()}, partial)
        partial.replace(path)
    except (OSError, SafetensorError) as error:
        print(f"note: {path.name} cannot be kept beside the data ({error}); it will be trained again", flush=True)
    finally:
        partial.unlink(missing_ok=True)
