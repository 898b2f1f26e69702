"""The classic sets from a server on loopback: cut downloads, sizes, archives that mean harm, kills in the middle."""

import io
import json
import signal
import stat
import subprocess
import sys
import threading
import time
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cyclegan_core import images
from tests import ROOT
from tests.support.picture_server import Manners, serving
from train import prepare
from train.data import remote
from train.preparation import cyclegan_datasets as classic


def picture(seed: int) -> bytes:
    path = io.BytesIO()
    Image.fromarray(np.random.default_rng(seed).integers(0, 256, (24, 36, 3), np.uint8)).save(path, "JPEG")
    return path.getvalue()


def archive(extra: dict[str, bytes] | None = None) -> bytes:
    """A set as the paper's server has it, in a folder of its name, with a few files that are not of it."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as packed:
        seeds = iter(range(100))
        for split, count in (("trainA", 6), ("trainB", 5), ("testA", 3), ("testB", 2)):
            for i in range(count):
                packed.writestr(f"horse2zebra/{split}/n{i}_{split}.jpg", picture(next(seeds)))
        packed.writestr("horse2zebra/trainA/broken.jpg", b"no picture")
        packed.writestr("horse2zebra/testA/again.jpg", picture(0))  # trainA has it too
        packed.writestr("horse2zebra/trainA/.hidden.jpg", picture(0))
        packed.writestr("horse2zebra/README.txt", b"hello")
        for name, data in (extra or {}).items():
            packed.writestr(name, data)
    return content.getvalue()


@pytest.fixture
def mirror(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[str, Manners]]:
    monkeypatch.setattr(remote, "PAUSE", 0.01)
    folder = tmp_path / "served"
    folder.mkdir()
    (folder / "horse2zebra.zip").write_bytes(archive())
    with serving(folder) as (address, manners):
        yield address, manners


def run(address: str, output: Path, name: str = "horse2zebra") -> int:
    return prepare.main(["classic", name, "--output", str(output), "--mirror", address])


def check(output: Path) -> None:
    counts = json.loads((output / "report.json").read_text())["counts"]
    expected = {"trainA": 6, "trainB": 5, "testA": 3, "testB": 2, "dropped: unreadable": 1, "dropped: duplicate": 1}
    assert counts == expected
    assert {f: len(list((output / f).iterdir())) for f in expected if not f.startswith("dropped")} == {
        f: count for f, count in expected.items() if not f.startswith("dropped")
    }
    assert images.load(output / "contact_sheet.jpg").shape[1] == 12 * 128
    assert not (output / ".download").exists()
    assert not (output / "crops.json").exists(), "whole pictures"


def test_a_set_comes_as_it_is_with_its_own_split(
    mirror: tuple[str, Manners], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    address, manners = mirror
    assert run(address, tmp_path / "out") == 0
    check(tmp_path / "out")
    assert (tmp_path / "out" / "trainA" / "n3_trainA.jpg").read_bytes() == picture(3)
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    assert report["dropped"] == {"duplicate": ["again.jpg"], "unreadable": ["broken.jpg"]}
    assert "1  dropped: unreadable" in capsys.readouterr().out
    assert manners.asked == [("/horse2zebra.zip", None)]


@pytest.mark.parametrize("ranges", [True, False])
def test_a_cut_download_is_taken_up_where_it_broke(mirror: tuple[str, Manners], tmp_path: Path, ranges: bool) -> None:
    address, manners = mirror
    manners.cut_after, manners.cuts, manners.ranges = 5000, 2, ranges
    if not ranges:
        manners.cuts = 1
    manners.refusals = [503, 429]
    assert run(address, tmp_path / "out") == 0
    check(tmp_path / "out")
    starts = [wanted for _, wanted in manners.asked]
    assert starts == [None, None, None, "bytes=5000-", *(["bytes=10000-"] if ranges else [])]


def test_a_server_that_is_away_is_a_sentence_and_the_same_command_goes_on(
    mirror: tuple[str, Manners], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    address, manners = mirror
    manners.cut_after, manners.cuts = 3000, 1
    manners.refusals = [0, *[503] * (remote.ATTEMPTS - 1)]
    assert run(address, tmp_path / "out") == 1
    error = capsys.readouterr().err.strip().splitlines()[-1]
    assert error.startswith("error: horse2zebra.zip cannot be read (")
    assert error.endswith("when the network is back, the same command goes on from here")
    assert (tmp_path / "out" / ".download" / "horse2zebra.zip.part").stat().st_size == 3000
    assert not manners.refusals
    manners.asked.clear()
    assert run(address, tmp_path / "out") == 0
    check(tmp_path / "out")
    assert manners.asked == [("/horse2zebra.zip", "bytes=3000-")]


@pytest.mark.parametrize("moment", ["download", "unpacked"])
def test_after_a_kill_the_same_command_ends_well(mirror: tuple[str, Manners], tmp_path: Path, moment: str) -> None:
    address, manners = mirror
    out = tmp_path / "out"
    command = [sys.executable, "train/prepare.py", "classic", "horse2zebra", "--output", str(out), "--mirror", address]
    if moment == "download":
        manners.cut_after, manners.hangs = 4000, threading.Event()
        process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        part = out / ".download" / "horse2zebra.zip.part"
        _wait(lambda: bool(manners.asked) and part.is_file() and part.stat().st_size == 4000)
        process.send_signal(signal.SIGKILL)
        process.wait()
        manners.hangs.set()
        manners.hangs = None
        assert not (out / "trainA").exists()
    else:
        whole = archive()
        (out / ".download" / "horse2zebra" / "trainA").mkdir(parents=True)
        (out / ".download" / "horse2zebra.zip").write_bytes(whole)
        (out / ".download" / "horse2zebra" / "trainA" / "n0_trainA.jpg").write_bytes(b"half")
        (out / ".download" / "horse2zebra" / "trainA" / "n1_trainA.jpg.part").write_bytes(b"half")
    assert run(address, out) == 0
    check(out)
    assert (out / "trainA" / "n0_trainA.jpg").read_bytes() == picture(0)
    assert moment == "download" or not manners.asked, "what is there is not downloaded again"


def _wait(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.005)
    assert condition()


HARM = {
    "../../escaped.jpg": "holds a path that leads out of it ('../../escaped.jpg')",
    "/trainA/absolute.jpg": "holds a path that leads out of it",
    "C:\\trainA\\drive.jpg": "holds a path that leads out of it",
}


@pytest.mark.parametrize("name", HARM)
def test_paths_that_lead_out_are_refused(
    mirror: tuple[str, Manners], tmp_path: Path, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    address, manners = mirror
    (manners.folder / "horse2zebra.zip").write_bytes(archive({name: picture(0)}))
    before = {path for path in tmp_path.rglob("*") if "out" not in path.parts}
    assert run(address, tmp_path / "out") == 1
    assert HARM[name] in capsys.readouterr().err
    assert {path for path in tmp_path.rglob("*") if "out" not in path.parts} == before
    assert not list((tmp_path / "out").rglob("*.jpg"))


def test_links_bombs_and_other_archives_are_refused(
    mirror: tuple[str, Manners], tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    address, manners = mirror
    served = manners.folder / "horse2zebra.zip"

    def refused(number: int) -> str:
        assert run(address, tmp_path / str(number)) == 1
        error = capsys.readouterr().err.strip().splitlines()[-1]
        assert error.startswith("error: ")
        assert not list((tmp_path / str(number)).rglob("*.jpg"))
        return error

    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as packed:
        link = zipfile.ZipInfo("set/trainA/link.jpg")
        link.external_attr = (stat.S_IFLNK | 0o777) << 16
        packed.writestr(link, "/etc/passwd")
    served.write_bytes(content.getvalue())
    assert "holds a link ('set/trainA/link.jpg')" in refused(0)

    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as packed:
        packed.writestr("set/trainA/bomb.jpg", b"\0" * (images.MAX_FILE_BYTES + 1))
    served.write_bytes(content.getvalue())
    assert "larger than it says, or than is allowed" in refused(1)

    with monkeypatch.context() as context:
        context.setattr(classic, "MOST_BYTES", 2**10)
        served.write_bytes(archive())
        assert "is larger than 100,000 files or 0 GiB" in refused(2)

    served.write_bytes(b"<html>We have moved</html>")
    assert "is no ZIP file; try again later, or name another --mirror" in refused(3)
    assert not list((tmp_path / "3" / ".download").iterdir())

    damaged = bytearray(archive())
    damaged[200:240] = bytes(40)
    served.write_bytes(damaged)
    assert run(address, tmp_path / "4") == 1
    assert "is damaged" in capsys.readouterr().err
    served.write_bytes(archive())
    assert run(address, tmp_path / "4") == 0, "the damaged one is downloaded anew"
    check(tmp_path / "4")


def test_an_announced_size_that_is_not_met_is_no_download(
    mirror: tuple[str, Manners], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    address, _ = mirror
    out = tmp_path / "out"
    (out / ".download").mkdir(parents=True)
    (out / ".download" / "horse2zebra.zip.part").write_bytes(b"\0" * 10**6)  # of something larger
    assert run(address, out) == 1
    assert "has 1,000,000 bytes and should have" in capsys.readouterr().err
    assert run(address, out) == 0
    check(out)


def test_names_and_addresses(mirror: tuple[str, Manners], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    address, _ = mirror
    assert len(classic.NAMES) == 12
    assert run(address, tmp_path / "out", "facades") == 1
    assert "error: facades.zip does not exist at its address; correct the address" in capsys.readouterr().err
    assert run(address, tmp_path / "out", "cityscapes") == 1
    assert "cityscapes-dataset.com" in capsys.readouterr().err
    with pytest.raises(SystemExit, match="2"):
        run(address, tmp_path / "out", "horse2horse")
