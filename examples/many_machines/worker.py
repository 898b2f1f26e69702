"""What `run.py` has each worker do: translate some pictures, or one shard."""

import argparse
import io
import json
import os
import shutil
import socket
import sys
import tarfile
import tempfile
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from pyarrow import fs as filesystems

from cyclegan_core import CycleganError, images
from cyclegan_core.cli.selection import open_studio
from cyclegan_core.cli.translate import result_suffix
from cyclegan_core.inference.translator import TranslatedPicture
from cyclegan_core.video.animation import animation_for, translate_animation

TOGETHER = 16  # pictures whose faces go through the generator in one batch
MOST_PIXELS = 100_000_000  # of those together, so that large ones do not fill the memory
SHARD = ".tar"


@dataclass(frozen=True)
class Work:
    """What one worker does at a time: some pictures, or one shard. Paths are those of the two filesystems."""

    sources: list[str]
    targets: list[str]


@dataclass
class Item:
    """A picture on its way. where: its path, or its shard's and its name there. reason: why it has failed.

    kept: what a shard says of a member that is no picture, and is copied. found: whether there was something to
    translate.
    """

    where: str
    target: str
    data: bytes = b""
    kept: tarfile.TarInfo | None = None
    reason: str = ""
    picture: images.Picture | None = None
    animation: images.Animation | None = None
    made: TranslatedPicture | None = None
    found: bool = False
    notes: list[str] = field(default_factory=list)


class Translator:
    """A worker: holds the networks, and takes one piece of work after the other."""

    def __init__(self, source: str, target: str, options: argparse.Namespace) -> None:
        self._source, self._target = filesystem(source)[0], filesystem(target)[0]
        with one_core() as self._core:
            self._studio, self._chain = open_studio(options)
        self._strength = options.strength
        self._made_by = ", ".join(map(str, self._chain))

    def __call__(self, batch: dict[str, Any]) -> dict[str, list[Any]]:
        """Rows of work as JSON in, rows of what came of it as JSON out; see `work`."""
        return {"done": [json.dumps(self.work(Work(**json.loads(text)))) for text in batch["work"]]}

    def work(self, work: Work) -> dict[str, Any]:
        """Returns `counts` by result, `lines` of the report, and when it began and ended."""
        began = time.time()
        is_shard = work.sources[0].endswith(SHARD)
        items = self._shard(work) if is_shard else self._pictures(work)
        counts: Counter[str] = Counter()
        lines = []
        for item in items:
            result = self._result(item)
            counts[result] += 1
            if result != "translated" or item.notes:
                reason = " ".join(filter(None, [item.reason, *item.notes]))
                lines.append({"picture": item.where, "result": result, "reason": reason})
        return {"counts": counts, "lines": lines, "began": began, "ended": time.time()}

    def _result(self, item: Item) -> str:
        if item.reason:
            return "failed"
        return "translated" if item.found or self._studio.needs_no_face(self._chain) else "no face"

    def _pictures(self, work: Work) -> Iterator[Item]:
        def read(item: Item) -> Item:
            try:
                with self._source.open_input_stream(item.where) as stream:
                    item.data = stream.read(images.MAX_FILE_BYTES + 1)
            except OSError as error:
                item.reason = f"it cannot be read: {error}"
            return item

        items = [Item(source, target) for source, target in zip(work.sources, work.targets, strict=True)]
        with ThreadPoolExecutor(TOGETHER) as pool, tempfile.TemporaryDirectory() as folder:
            for item in self._translate(pool.map(read, items)):
                file = Path(folder, PurePosixPath(item.target).name)
                if self._save(item, file):
                    try:
                        put(file, self._target, item.target)
                    except OSError as error:
                        item.reason = f"it cannot be written: {error}"
                yield item

    def _shard(self, work: Work) -> Iterator[Item]:
        """A shard is written when it is through, with all that could be read of it."""
        (source,), (target,) = work.sources, work.targets
        with tempfile.TemporaryDirectory() as folder:
            shard, file = Path(folder, "shard.tar"), Path(folder, "picture")
            try:
                with self._source.open_input_stream(source) as stream, tarfile.open(shard, "w") as tar:
                    for item in self._translate(members(stream, source)):
                        path = file.with_suffix(PurePosixPath(item.target).suffix)
                        if item.kept:
                            tar.addfile(item.kept, io.BytesIO(item.data))
                            continue
                        if self._save(item, path):
                            tar.add(path, item.target, filter=_plain)
                        yield item
                put(shard, self._target, target)
            except OSError as error:
                yield Item(source, target, reason=f"the shard cannot be read or written: {error}")

    def _translate(self, items: Iterable[Item]) -> Iterator[Item]:
        """Reads and translates some pictures at a time."""
        together: list[Item] = []
        pixels = 0
        for item in items:
            if not item.reason and not item.kept:
                self._load(item)
            together.append(item)
            pixels += item.picture.pixels[..., 0].size if item.picture else 0
            if len(together) == TOGETHER or pixels > MOST_PIXELS:
                yield from self._together(together)
                together, pixels = [], 0
        yield from self._together(together)

    def _load(self, item: Item) -> None:
        """Of an animation whose result is a still picture, the first frame with a face."""
        wanted = None if self._studio.needs_no_face(self._chain) else lambda frame: bool(self._studio.find_faces(frame))
        try:
            item.animation = animation_for(PurePosixPath(item.target), item.data)
            if item.animation is None:
                item.picture = images.load_picture(item.data, wanted=wanted)
                item.notes = list(item.picture.notes)
        except Exception as error:
            item.reason = _reason(error)
        item.data = b""

    def _together(self, items: list[Item]) -> list[Item]:
        """Translates them, in one batch where the direction is one of faces."""
        readable = [(item, item.picture.pixels) for item in items if item.picture is not None]
        try:
            for (item, _), made in zip(readable, self._batch([pixels for _, pixels in readable]), strict=True):
                item.made = made
        except Exception:  # one of them is to blame
            for item, pixels in readable:
                try:
                    item.made = self._studio.translate(pixels, self._chain, self._strength)
                except Exception as error:
                    item.reason = _reason(error)
        return items

    def _batch(self, pictures: list[Any]) -> list[TranslatedPicture]:
        if len(self._chain) != 1 or self._studio.needs_no_face(self._chain):
            return [self._studio.translate(picture, self._chain, self._strength) for picture in pictures]
        (step,) = self._chain
        translator = self._studio.translators[step.translation]
        faces = [self._studio.find_faces(picture) for picture in pictures]
        layers = translator.generate_together(pictures, step.direction, faces)
        return [translator.blend(picture, made, self._strength) for picture, made in zip(pictures, layers, strict=True)]

    def _save(self, item: Item, file: Path) -> bool:
        """Whether the result is in the file."""
        if item.reason:
            return False
        try:
            if item.animation is not None:
                moving = translate_animation(item.animation, file, self._studio, self._chain, strength=self._strength)
                item.found = moving > 0
            elif item.made is not None and item.picture is not None:
                item.found = bool(item.made.faces) or item.made.altered
                made_by = self._made_by if item.made.altered else None
                images.save(item.made.picture, file, made_by=made_by, alpha=item.picture.alpha)
        except Exception as error:
            item.reason = _reason(error)
        item.picture = item.made = item.animation = None
        return not item.reason


@contextmanager
def one_core() -> Iterator[socket.socket | None]:
    """Networks that are made within run on one core, which no other worker has, where the system is Linux.

    OpenVINO would give each worker threads on all cores, which wait for each other, or pin all workers to the first
    core. The core is free for others once what is yielded is closed or forgotten.
    """
    if sys.platform != "linux":
        yield None
        return
    cores = os.sched_getaffinity(0)
    claim = socket.socket(socket.AF_UNIX)
    mine = min(cores)  # where there are more workers than cores
    for core in sorted(cores):
        try:
            claim.bind(f"\0many_machines-core-{core}")  # a name that the system forgets with the process
        except OSError:
            continue
        mine = core
        break
    os.sched_setaffinity(0, {mine})
    try:
        yield claim
    finally:
        os.sched_setaffinity(0, cores)


def _reason(error: Exception) -> str:
    return str(error) if isinstance(error, CycleganError) else f"it could not be translated: {error!r}"


def _plain(member: tarfile.TarInfo) -> tarfile.TarInfo:
    """Nothing of this machine and its users."""
    member.uid = member.gid = 0
    member.uname = member.gname = ""
    member.mode = 0o644
    return member


def members(stream: Any, shard: str) -> Iterator[Item]:
    """The files of a shard, in their order. One that is damaged ends with an item. Raises OSError of the network."""
    taken: set[str] = set()
    try:
        with tarfile.open(fileobj=stream, mode="r|") as tar:
            for member in tar:
                if not member.isfile():
                    continue
                path = PurePosixPath(member.name)
                is_picture = path.suffix.lower() in images.SUFFIXES and not path.name.startswith(".")
                if is_picture and member.size > images.MAX_FILE_BYTES:
                    limit = f"it is larger than {images.MAX_FILE_BYTES // 2**20} MiB"
                    yield Item(f"{shard}: {member.name}", member.name, reason=limit)
                    continue
                file = tar.extractfile(member)
                assert file is not None
                data = file.read()
                if not is_picture:
                    yield Item(f"{shard}: {member.name}", member.name, data, kept=_plain(member))
                    continue
                target = path.with_suffix(result_suffix(path.suffix))
                if str(target) in taken:
                    target = path.with_name(f"{path.name}{target.suffix}")
                taken.add(str(target))
                yield Item(f"{shard}: {member.name}", str(target), data)
    except (tarfile.TarError, EOFError) as error:
        yield Item(shard, shard, reason=f"the shard is damaged or cut short: {error}")


def filesystem(place: str) -> tuple[Any, str]:
    """The filesystem of a folder or a bucket, and the path in it."""
    if "://" in place:
        found, path = filesystems.FileSystem.from_uri(place)
        return found, path.rstrip("/")
    return filesystems.LocalFileSystem(), os.path.abspath(place)


def put(file: Path, target: Any, path: str) -> None:
    """Copies a file to where it belongs, whole or not at all: buckets do that by themselves."""
    parent, _, name = path.rpartition("/")
    local = isinstance(target, filesystems.LocalFileSystem)
    beside = f"{parent}/.{name}.part" if local else path
    if local:
        target.create_dir(parent, recursive=True)
    with file.open("rb") as source, target.open_output_stream(beside) as stream:
        shutil.copyfileobj(source, stream, 2**20)
    if local:
        target.move(beside, path)
