"""The cache of decoded pictures: made once by whoever comes first, whole or not at all."""

import errno
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch

from cyclegan_core import images
from cyclegan_core.errors import CycleganError
from tests import ROOT
from tests.data.conftest import write_numbered
from train.data import cache
from train.data.domain import Domain
from train.data.folders import open_domain
from train.data.listing import picture_files


def opened(folder: Path) -> Domain:
    return open_domain(folder, "trainA", 16, seed=0, device=torch.device("cpu"))


@pytest.mark.medium
def test_decoded_once_by_several_processes_and_again_only_when_a_file_has_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = picture_files(write_numbered(tmp_path / "trainA", 24))
    files[3].write_bytes(b"no picture")
    files[20].write_bytes(files[20].read_bytes()[:40])
    monkeypatch.setattr(cache, "FEW", 4)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1, 2})
    made = cache.cached_pictures(files, 16)
    assert [int(p[0, 0, 0]) for p in made.pictures] == [i for i in range(24) if i not in (3, 20)]
    assert made.names == [f"{i:04d}.png" for i in range(24) if i not in (3, 20)]
    assert [name for name, _ in made.skipped] == ["0003.png", "0020.png"]
    assert "is not a picture" in made.skipped[0][1]

    def fails(*_: object) -> None:
        raise AssertionError("decoded again")

    with monkeypatch.context() as context:
        context.setattr(cache, "_decode_rows", fails)
        assert (cache.cached_pictures(files, 16).pictures == made.pictures).all()
        with pytest.raises(AssertionError):
            cache.cached_pictures(files, 8)
    images.save(np.full((16, 16, 3), 99, np.uint8), files[5])
    assert cache.cached_pictures(files, 16).pictures[4, 0, 0, 0] == 99
    kept = sorted(path.suffix for path in (tmp_path / ".cache").iterdir())
    assert kept == [".json", ".lock", ".lock", ".u8"], "nothing is left of the stale one, nor of the failed one"


def test_a_killed_decoding_leaves_no_cache_and_the_next_one_ends_well(tmp_path: Path) -> None:
    write_numbered(tmp_path / "trainA", 200, side=128)
    code = "import sys; from pathlib import Path; from train.data import cache\n"
    code += "cache.FEW = 10**9\n"  # one process, which dies with all that it does
    code += "cache.cached_pictures(sorted(Path(sys.argv[1]).iterdir()), 128)"
    arguments = [sys.executable, "-c", code, str(tmp_path / "trainA")]
    process = subprocess.Popen(arguments, cwd=ROOT, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 60
    while not list(tmp_path.glob(".cache/*.partial")) and time.monotonic() < deadline:
        time.sleep(0.001)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    assert not list(tmp_path.glob(".cache/*.u8"))
    made = cache.cached_pictures(picture_files(tmp_path / "trainA"), 128)
    assert [int(p[0, 0, 0]) for p in made.pictures] == list(range(200))
    assert not list(tmp_path.glob(".cache/*.partial"))


def test_a_process_that_decodes_starts_without_torch() -> None:
    """With it, each would begin after two seconds and hold 200 MB more."""
    code = "import sys, train.data.cache; print('torch' in sys.modules)"
    said = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert said.stdout == "False\n"


@pytest.mark.parametrize("locks", [True, False])
def test_several_processes_open_a_set_at_once(tmp_path: Path, locks: bool) -> None:
    write_numbered(tmp_path / "trainA", 40)
    code = "import sys; from pathlib import Path; from train.data import cache\n"
    code += "" if locks else "sys.modules['fcntl'] = None\n"
    code += "made = cache.cached_pictures(sorted(Path(sys.argv[1]).iterdir()), 16)\n"
    code += "print([int(p[0, 0, 0]) for p in made.pictures])"
    arguments = [sys.executable, "-c", code, str(tmp_path / "trainA")]
    processes = [subprocess.Popen(arguments, cwd=ROOT, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    for process in processes:
        assert json.loads(process.communicate(timeout=120)[0]) == list(range(40))
    kept = sorted(path.suffix for path in (tmp_path / ".cache").iterdir())
    assert kept == [".json", ".lock", ".u8"]


def test_a_full_disk_is_a_sentence(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", full)
    with pytest.raises(CycleganError, match="the disk is full: the cache of trainA needs 0 MiB; free as much"):
        opened(folder)
    assert [path.suffix for path in (folder / ".cache").iterdir()] == [".lock"]


def test_data_that_cannot_be_written_to_is_cached_elsewhere(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / ".cache").write_text("a file in the way")
    monkeypatch.setattr(cache.tempfile, "gettempdir", lambda: str(tmp_path / "scratch"))
    assert opened(folder).count == 40
    assert len(list((tmp_path / "scratch").glob("*/*/*.u8"))) == 1
    monkeypatch.setenv(cache.CACHE_VARIABLE, str(tmp_path / "named"))
    assert opened(folder).count == 40
    assert len(list((tmp_path / "named").glob("*/*.u8"))) == 1
