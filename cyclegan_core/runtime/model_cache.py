"""Networks that were converted for OpenVINO before, kept in the user's cache: converting takes a second each.

One folder for each, named by a digest of all that its answers depend on, so that nothing stale is ever read. Without
a place to write, everything works as it does at the first start.
"""

import hashlib
import inspect
import os
import shutil
from collections.abc import Callable, Mapping
from contextlib import suppress
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from cyclegan_core.atomic import atomically
from cyclegan_core.runtime.compiled import (
    Arrays,
    compile_model,
    convert,
    has_openvino,
    read_model,
    run_by_pytorch,
    save_model,
)
from cyclegan_core.runtime.int8 import has_int8, quantise
from cyclegan_core.user_cache import user_cache

MODEL, PRECISION = "model.xml", "precision"
KEPT = 24  # folders, those used last; one of the embedded generators takes 9 MB
PLAIN = (bool, int, float, str, tuple, type(None))  # types of attributes that say how a layer works


def digest_of(*parts: object) -> str:
    """A name for what depends on these parts and on the versions of the libraries that convert and run it."""
    versions = [metadata.version(package) for package in ("openvino", "torch")]
    return hashlib.sha256(repr([*versions, *parts]).encode()).hexdigest()[:32]


def digest_of_network(module: nn.Module) -> str:
    """A name for a network: its layers with their settings and weights, and the source of those that are our own."""
    digest = hashlib.sha256()
    sources: set[str] = set()
    for name, layer in module.named_modules():
        settings = sorted((key, value) for key, value in vars(layer).items() if isinstance(value, PLAIN))
        digest.update(repr((name, type(layer).__qualname__, settings)).encode())
        if not type(layer).__module__.startswith("torch."):
            sources.add(inspect.getfile(type(layer)))
    for file in sorted(sources):
        digest.update(Path(file).read_bytes())
    for name, value in [*module.named_parameters(), *module.named_buffers()]:
        digest.update(f"{name} {value.dtype} {tuple(value.shape)}".encode())
        digest.update(value.detach().cpu().contiguous().numpy().data)
    return digest.hexdigest()


class CachedModel:
    """OpenVINO's model of one key: read from the cache, or converted and written there.

    key: of `digest_of`. convert: gives the model where it is not in the cache.
    """

    def __init__(self, key: str, convert: Callable[[], Any]) -> None:
        self._folder = user_cache() / "models" / key
        self.model = self._read()
        if self.model is None:
            self.model = convert()
            with suppress(OSError, RuntimeError):  # no place, no rights, no room: the next start converts again
                self._write()

    def precision(self, choose: Callable[[], str]) -> str:
        """What `choose` gives, by a measurement; the answer is kept with the model."""
        file = self._folder / PRECISION
        with suppress(OSError):
            return file.read_text(encoding="ascii")
        chosen = choose()
        with suppress(OSError), atomically(file) as partial:
            partial.write_text(chosen, encoding="ascii")
        return chosen

    def _read(self) -> Any:
        file = self._folder / MODEL
        if not file.is_file():
            return None
        try:
            model = read_model(file)
            os.utime(self._folder)
        except (OSError, RuntimeError):  # damaged, or of another hand
            shutil.rmtree(self._folder, ignore_errors=True)
            return None
        return model

    def _write(self) -> None:
        partial = self._folder.with_name(f".{self._folder.name}.{os.getpid()}")
        try:
            partial.mkdir(parents=True, exist_ok=True)
            save_model(self.model, partial / MODEL)
            os.rename(partial, self._folder)
        finally:
            shutil.rmtree(partial, ignore_errors=True)
        folders = sorted(self._folder.parent.iterdir(), key=lambda folder: folder.stat().st_mtime, reverse=True)
        for old in folders[KEPT:]:
            shutil.rmtree(old, ignore_errors=True)


def on_cpu(
    network: nn.Module, example: Tensor, ranges: Mapping[str, Tensor] | None = None
) -> Callable[[NDArray[np.float32]], Arrays]:
    """A network as a function of float32 batches whose pictures are like those of `example`, for several threads.

    By OpenVINO where it is installed, which takes a third of PyTorch's time for a small network; in 8-bit integers
    where the processor has them and `ranges` of the inputs are given (see `runtime.int8`), else in float32.
    """
    network.eval()
    if has_openvino():
        if ranges and has_int8():
            quantise(network, ranges)
        shape = [-1, *example.shape[1:]]
        cached = CachedModel(digest_of(digest_of_network(network), shape), lambda: convert(network, example, [shape]))
        return compile_model(cached.model, cores=1)  # sharing out so little work takes longer than doing it
    return run_by_pytorch(network)
