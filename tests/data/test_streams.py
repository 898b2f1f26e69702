"""Shards as endless batches: every picture once an epoch for many readers, exact resume, faults passed by."""

import io
import json
import os
import re
import subprocess
import sys
import tarfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from cyclegan_core.errors import CycleganError
from tests import ROOT
from tests.support.picture_server import serving
from train.data import remote, shards, streams
from train.data.domain import Domain
from train.data.folders import open_domain, source, validation_pictures
from train.data.shards import members

CPU = torch.device("cpu")
SIDE = 16


def encoded(number: int) -> bytes:
    content = io.BytesIO()
    Image.fromarray(np.full((SIDE, SIDE, 3), (number % 256, number // 256, 7), np.uint8)).save(content, "PNG")
    return content.getvalue()


def shard(path: Path, files: dict[str, bytes], kind: int = tarfile.PAX_FORMAT) -> Path:
    with tarfile.open(path, "w", format=kind) as packed:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            packed.addfile(info, io.BytesIO(data))
    return path


def shards_of(folder: Path, counts: list[int]) -> Path:
    """WebDataset shards with so many numbered pictures, and a label beside each."""
    folder.mkdir(parents=True)
    number = 0
    for i, count in enumerate(counts):
        files = {}
        for _ in range(count):
            files[f"{number:06d}.png"] = encoded(number)
            files[f"{number:06d}.json"] = b"{}"
            number += 1
        shard(folder / f"{i:03d}.tar", files)
    return folder


def numbers(pictures: torch.Tensor) -> list[int]:
    assert pictures.shape[1:] == (3, SIDE, SIDE)
    return (pictures[:, 0, 0, 0].long() + 256 * pictures[:, 1, 0, 0].long()).tolist()


def stream(folder: Path, **more: Any) -> Domain:
    return open_domain(folder, "trainA", SIDE, device=CPU, **{"seed": 0, **more})


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Ten shards of 30 to 39 pictures, 345 in all, read in blocks of 16."""
    monkeypatch.setattr(streams, "BLOCK_PICTURES", 16)
    monkeypatch.setattr(remote, "PAUSE", 0.001)
    shards_of(tmp_path / "data" / "trainA", list(range(30, 40)))
    return tmp_path / "data"


@pytest.mark.medium
def test_four_readers_see_every_picture_once_an_epoch(data: Path) -> None:
    readers = [stream(data, rank=rank, world=4) for rank in range(4)]
    seen: dict[int, Counter[int]] = {0: Counter(), 1: Counter(), 2: Counter()}
    orders: dict[tuple[int, int], list[int]] = {}
    for rank, reader in enumerate(readers):
        while (epoch := reader.state_dict()["epoch"]) < 3:
            (number,) = numbers(reader.take(1))
            seen[epoch][number] += 1
            orders.setdefault((rank, epoch), []).append(number)
        reader.close()
    for counted in seen.values():
        assert counted == Counter(range(345)), "every one, and none twice"
    assert all(set(orders[rank, 0]) != set(orders[rank, 1]) for rank in range(4)), "readers swap shards"
    assert all(order != sorted(order) for order in orders.values())


@pytest.mark.medium
def test_the_order_depends_on_the_seed_alone_and_not_on_the_size_of_batches(data: Path) -> None:
    first = numbers(stream(data).take(700))
    again = stream(data)
    assert [n for size in (1, 99, 300, 300) for n in numbers(again.take(size))] == first
    assert sorted(first[:345]) == list(range(345))
    assert numbers(stream(data, seed=1).take(345)) != first[:345]


@pytest.mark.medium
@pytest.mark.parametrize("taken", [0, 1, 16, 17, 340, 345, 346, 700])
def test_a_stream_resumes_exactly_and_loads_one_block_again(
    data: Path, taken: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = stream(data, holdout=0.1)
    if taken:
        one.take(taken)
    state = json.loads(json.dumps(one.state_dict()))
    expected = numbers(one.take(40))
    one.close()
    while any(thread.name.startswith("reads-") for thread in threading.enumerate()):
        time.sleep(0.01)  # what it reads ahead is not to be counted below
    read: list[shards.Member] = []

    def counting(place: str, start: int = 0) -> Iterator[shards.Member]:
        for member in members(place, start):
            read.append(member)
            yield member

    resumed = stream(data, holdout=0.1)
    monkeypatch.setattr(streams, "members", counting)
    resumed.load_state_dict(state)
    assert numbers(resumed.take(1)) == expected[:1]
    resumed.close()
    assert len(read) <= 3 * 17, "the block and the one after it, with a look at what follows"
    back = stream(data, holdout=0.1)
    back.take(50)
    back.load_state_dict(state)
    assert numbers(back.take(40)) == expected


def test_a_state_of_other_shards_or_of_other_readers_is_refused(data: Path, tmp_path: Path) -> None:
    state = stream(data, world=2).state_dict()
    with pytest.raises(CycleganError, match="begun by 2 processes that read shards, and there are 1; start as many"):
        stream(data).load_state_dict(state)
    shards_of(tmp_path / "other" / "trainA", [3, 3])
    with pytest.raises(CycleganError, match="the shards are other ones"):
        stream(tmp_path / "other", world=2).load_state_dict(state)
    with pytest.raises(CycleganError, match="3 processes need at least as many shards, not 2"):
        stream(tmp_path / "other", world=3)


def test_what_is_held_out_is_the_beginning_of_the_first_shard(data: Path) -> None:
    kept = validation_pictures(data, "trainA", SIDE, seed=0, holdout=0.05)
    assert numbers(kept) == list(range(6)), "a fifth of 30"
    one = stream(data, holdout=0.05)
    for _ in range(2):  # epochs
        assert sorted(numbers(one.take(339))) == list(range(6, 345))
    assert numbers(one.spread(4)) == [0, 1, 2, 3]
    assert len(validation_pictures(data, "trainA", SIDE, seed=0, holdout=0.0)) == 0


def test_faults_are_passed_by_and_told(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = data / "trainA"
    shard(folder / "000.tar", {"a.png": encoded(0), "b.png": b"no picture", "c.png": encoded(1)})
    whole = shard(folder / "001.tar", {"a.png": encoded(2), "b.png": encoded(3), "c.png": encoded(4)}).read_bytes()
    (folder / "001.tar").write_bytes(whole[:1900])  # within b
    damaged = bytearray(shard(folder / "002.tar", {"a.png": encoded(5), "b.png": encoded(6)}).read_bytes())
    damaged[1024:1100] = b"x" * 76  # the second header
    (folder / "002.tar").write_bytes(damaged)
    shard(folder / "003.tar", {"a.txt": b"hello", "b.png": encoded(7), ".c.png": b""})
    for path in sorted(folder.glob("*.tar"))[4:]:
        path.unlink()
    one = stream(data)
    assert sorted(numbers(one.take(5))) == [0, 1, 2, 5, 7]
    one.take(5)
    reasons = dict(one.skipped)
    assert reasons.keys() == {"b.png", "001.tar", "002.tar"}
    assert "is not a picture" in reasons["b.png"]
    assert reasons["001.tar"] == "the shard is cut short after b.png"
    assert "the shard is damaged at byte 1,024" in reasons["002.tar"]
    assert len(one.skipped) == 3, "told once"
    monkeypatch.setattr(streams, "MOST_BAD", 5)
    shard(folder / "000.tar", {f"{i}.png": b"no picture" for i in range(9)})
    for path in sorted(folder.glob("*.tar"))[1:]:
        path.unlink()
    with pytest.raises(CycleganError, match="5 pictures in a row cannot be read, the last one because The picture"):
        stream(data).take(1)
    shard(folder / "000.tar", {"label.txt": b""})
    with pytest.raises(CycleganError, match="hold no pictures to train on"):
        stream(data).take(1)
    (folder / "000.tar").write_bytes(b"")
    reader = stream(data)
    (folder / "000.tar").unlink()
    with pytest.raises(CycleganError, match=r"000.tar cannot be read \(No such file or directory\)"):
        reader.take(1)


@pytest.mark.medium
@pytest.mark.parametrize("faults", ["none", "cut", "no ranges", "busy"])
def test_shards_on_the_web(data: Path, faults: str) -> None:
    local = stream(data, world=2, holdout=0.1)
    expected = numbers(local.take(300))
    with serving(data / "trainA") as (address, manners):
        manners.ranges = faults != "no ranges"
        manners.cut_after, manners.cuts = 3000, 0 if faults in ("none", "busy") else 5
        if faults == "busy":
            manners.refusals = [503, 429, 0, 500]
        (data / "web").mkdir()
        (data / "web" / "sources.json").write_text(json.dumps({"trainA": address + "{000..009}.tar"}))
        assert source(data / "web", "trainA") == [f"{address}{i:03d}.tar" for i in range(10)]
        one = stream(data / "web", world=2, holdout=0.1)
        assert numbers(one.take(300)) == expected
        state = one.state_dict()
        rest = numbers(one.take(20))
        one.close()
        again = stream(data / "web", world=2, holdout=0.1)
        manners.asked.clear()
        again.load_state_dict(state)
        assert numbers(again.take(20)) == rest
        assert f"bytes={state['byte']}-" in [wanted for _, wanted in manners.asked], "not from the beginning"
        again.close()


def test_a_server_that_stays_away_is_a_sentence_and_the_stream_goes_on_later(data: Path) -> None:
    expected = numbers(stream(data).take(200))
    with serving(data / "trainA") as (address, manners):
        (data / "web").mkdir()
        (data / "web" / "sources.json").write_text(json.dumps({"trainA": address + "{000..009}.tar"}))
        one = stream(data / "web")
        taken = numbers(one.take(20))
        manners.refusals = [503] * 10**4
        with pytest.raises(CycleganError, match=r"tar cannot be read \(.*503.*same command goes on"):  # noqa: PT012
            while True:  # as far as what has been read ahead reaches
                taken += numbers(one.take(20))
        manners.refusals.clear()
        while len(taken) < 200:
            taken += numbers(one.take(20))
        assert taken == expected, "nothing is lost, and nothing comes twice"
        one.close()


def test_a_shard_that_changes_while_it_is_read_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remote, "PAUSE", 0.001)
    (tmp_path / "a.bin").write_bytes(bytes(5000))
    with serving(tmp_path) as (address, manners):
        manners.cut_after, manners.cuts = 1000, 1
        file = remote.Remote(f"{address}a.bin")
        assert len(file.read(1000)) == 1000
        (tmp_path / "a.bin").write_bytes(bytes(6000))
        with pytest.raises(CycleganError, match=r"a\.bin has changed while it was read"):
            file.read(1000)
    with (
        pytest.raises(CycleganError, match=r"nosuch.tar does not exist|cannot be read"),
        serving(tmp_path) as (other, _),
    ):
        remote.Remote(f"{other}nosuch.tar").read(1)


READS_FROM_THE_HUB = """
import sys, torch
from pathlib import Path
from cyclegan_core.errors import CycleganError
from train.data import remote
from train.data import streams
from train.data.folders import open_domain
remote.PAUSE, streams.BLOCK_PICTURES = 0.001, 16
domain = open_domain(Path(sys.argv[1]), "trainA", 16, seed=0, device=torch.device("cpu"))
try:
    taken = domain.take(int(sys.argv[2]))
    print((taken[:, 0, 0, 0].long() + 256 * taken[:, 1, 0, 0].long()).tolist())
except CycleganError as error:
    print(error)
domain.close()
"""


def test_shards_on_the_hub_by_its_own_client(data: Path, tmp_path: Path) -> None:
    expected = numbers(stream(data).take(300))
    (data / "hub").mkdir()
    (data / "hub" / "sources.json").write_text(json.dumps({"trainA": "hf://datasets/org/name/{000..009}.tar"}))
    with serving(data / "trainA") as (address, manners):
        hub = {"HF_ENDPOINT": address.rstrip("/"), "HF_HOME": str(tmp_path / "home"), "HF_HUB_DISABLE_XET": "1"}
        # A process of its own, as the client reads its endpoint once.
        command = [sys.executable, "-c", READS_FROM_THE_HUB, str(data / "hub")]
        options: dict[str, Any] = {"cwd": ROOT, "env": {**os.environ, **hub}, "capture_output": True, "text": True}
        done = subprocess.run([*command, "300"], check=False, **options)
        assert json.loads(done.stdout) == expected, done.stderr
        assert any(path.startswith("/datasets/org/name/resolve/main/00") and r for path, r in manners.asked)
        for shard_file in (data / "trainA").iterdir():
            shard_file.rename(shard_file.with_suffix(".moved"))
        done = subprocess.run([*command, "1"], check=False, **options)
        assert re.fullmatch(r"00\d.tar does not exist at its address; correct the address\n", done.stdout), done.stderr


def test_a_block_is_bounded_in_bytes(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "BLOCK_BYTES", 5 * len(encoded(0)))
    one = stream(data)
    one.take(1)
    assert isinstance(one, streams.Stream)
    assert one._block is not None
    assert 4 <= len(one._block.pictures) <= 7
    assert sorted(numbers(stream(data).take(345))) == list(range(345))


def test_one_process_measures_what_is_held_out_and_the_others_are_told(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    measured: list[int] = []

    def on_main_process(measure: Callable[[], int]) -> int:
        measured.append(measure())
        return measured[0]

    alone = [stream(data, rank=rank, world=2, holdout=0.1) for rank in range(2)]
    expected = [numbers(reader.take(60)) for reader in alone]
    main = stream(data, rank=0, world=2, holdout=0.1, on_main_process=on_main_process)
    with monkeypatch.context() as patch:
        patch.setattr(streams, "members", lambda *_: pytest.fail("the other process reads a shard to measure it"))
        other = stream(data, rank=1, world=2, holdout=0.1, on_main_process=lambda _: measured[0])
    assert len(measured) == 1
    assert [numbers(reader.take(60)) for reader in (main, other)] == expected
    for reader in (*alone, main, other):
        reader.close()
