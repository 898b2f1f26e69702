"""`examples/many_machines/run.py`: what a worker does, what is left to do, and two workers of a local cluster."""

import argparse
import io
import json
import os
import subprocess
import sys
import tarfile
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from cyclegan_core import CycleganError, images
from cyclegan_core.provenance import SOURCE_TYPE
from tests import ROOT

pytest.importorskip("pyarrow", reason="pyarrow is not installed")

from examples.many_machines.run import find_work
from examples.many_machines.worker import Translator, Work

PORTRAIT = ROOT / "examples" / "astronaut.jpg"
LIMIT = 240.0  # seconds; a machine may have other work


@pytest.fixture(scope="module")
def options(tiny_translation: Path) -> argparse.Namespace:
    return argparse.Namespace(
        direction="to_female", translation=str(tiny_translation), revision=None, strength=1.0, workers=2
    )


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Three portraits, one of them in a folder within, a damaged one, and a picture without a face."""
    folder = tmp_path / "photos"
    (folder / "within").mkdir(parents=True)
    portrait = images.load(PORTRAIT)
    for name, side in (("a.jpg", 300), ("b.png", 280), ("within/c.gif", 260)):
        small = cv2.resize(portrait, (side, side), interpolation=cv2.INTER_AREA)
        cv2.imwrite(str(folder / name), small[..., ::-1])
    (folder / "damaged.jpg").write_bytes(PORTRAIT.read_bytes()[:5000])
    images.save(np.full((60, 80, 3), 200, np.uint8), folder / "empty.png")
    (folder / "note.txt").write_text("no picture")
    return folder


def shard(path: Path, files: dict[str, bytes]) -> Path:
    path.parent.mkdir(exist_ok=True)
    with tarfile.open(path, "w") as tar:
        for name, data in files.items():
            member = tarfile.TarInfo(name)
            member.size, member.uname = len(data), "somebody"
            tar.addfile(member, io.BytesIO(data))
    return path


def wave() -> bytes:
    """An animation of two frames, a face in one of them."""
    portrait = Image.open(PORTRAIT).resize((200, 200))
    file = io.BytesIO()
    Image.new("RGB", portrait.size).save(file, "GIF", save_all=True, append_images=[portrait], duration=80)
    return file.getvalue()


def is_altered(data: bytes) -> bool:
    return SOURCE_TYPE.encode() in data


def run(source: str, target: str, options: argparse.Namespace) -> tuple[dict[str, int], list[dict[str, str]]]:
    """All that is to be done, in this process: counts by result, and the report."""
    counts: dict[str, int] = {}
    lines = []
    works, _ = find_work(source, target, 2)
    translator = Translator(source, target, options)
    for work in works:
        told = translator.work(work)
        counts = {key: counts.get(key, 0) + told["counts"].get(key, 0) for key in {*counts, *told["counts"]}}
        lines += told["lines"]
    return counts, lines


@pytest.mark.medium
def test_shards_become_shards(tmp_path: Path, options: argparse.Namespace) -> None:
    portrait = PORTRAIT.read_bytes()
    files = {
        "x/1.jpg": portrait,
        "x/1.json": b"{}",
        "2.jpg": portrait[:5000],
        "2.cls": b"7",
        "3.gif": portrait,
        "4.gif": wave(),
    }
    shard(tmp_path / "in" / "0.tar", files)
    whole = shard(tmp_path / "in" / "1.tar", {"1.png": portrait, "2.png": portrait}).read_bytes()
    (tmp_path / "in" / "1.tar").write_bytes(whole[: len(portrait) + 2000])
    counts, lines = run(str(tmp_path / "in"), str(tmp_path / "out"), options)
    assert counts == {"translated": 4, "failed": 2}
    assert [(line["picture"].removeprefix(str(tmp_path)), line["result"]) for line in lines] == [
        ("/in/0.tar: 2.jpg", "failed"),
        ("/in/1.tar", "failed"),
    ]
    assert "damaged" in lines[0]["reason"]
    assert "cut short" in lines[1]["reason"]
    with tarfile.open(tmp_path / "out" / "0.tar") as tar:
        written = {member.name: tar.extractfile(member) for member in tar}
        assert list(written) == ["x/1.jpg", "x/1.json", "2.cls", "3.webp", "4.webp"], "a picture stays with its label"
        assert {member.uname for member in tar} == {""}
        read = {name: file.read() for name, file in written.items() if file}
    assert (read["x/1.json"], read["2.cls"]) == (b"{}", b"7")
    assert is_altered(read["x/1.jpg"])
    assert is_altered(read["3.webp"])
    assert is_altered(read["4.webp"])
    animation = images.load_animation(read["4.webp"])
    assert animation is not None
    assert animation.frames == 2
    with tarfile.open(tmp_path / "out" / "1.tar") as tar:
        assert tar.getnames() == ["1.png"]
    assert find_work(str(tmp_path / "in"), str(tmp_path / "out"), 2) == ([], 2)


@pytest.mark.medium
def test_a_bucket(tmp_path: Path, photos: Path, options: argparse.Namespace) -> None:
    """A filesystem that pyarrow takes for a remote one."""
    (tmp_path / "bucket" / "within").mkdir(parents=True)
    source, target = (f"fsspec+file://{folder}" for folder in (photos, tmp_path / "bucket"))
    counts, lines = run(source, target, options)
    assert counts == {"translated": 3, "no face": 1, "failed": 1}
    assert sorted(Path(line["picture"]).name for line in lines) == ["damaged.jpg", "empty.png"]
    names = [path.relative_to(tmp_path / "bucket").as_posix() for path in (tmp_path / "bucket").rglob("*.*")]
    assert sorted(names) == ["a.jpg", "b.png", "empty.png", "within/c.webp"]
    (work,), done = find_work(source, target, 2)
    assert (done, [Path(path).name for path in work.sources]) == (4, ["damaged.jpg"])


def test_what_is_left_to_do(tmp_path: Path, photos: Path) -> None:
    target = photos / "translated"  # results within the sources are no sources
    works, done = find_work(str(photos), str(target), 2)
    assert done == 0
    assert [len(work.sources) for work in works] == [2, 2, 1], "each worker gets some"
    assert works[-1] == Work([f"{photos}/within/c.gif"], [f"{target}/within/c.webp"])
    target.mkdir()
    (target / "a.jpg").touch()
    os.utime(photos / "b.png", (2_000_000_000, 2_000_000_000))
    (target / "b.png").touch()
    works, done = find_work(str(photos), str(target), 2)
    assert done == 1
    assert f"{photos}/b.png" in [source for work in works for source in work.sources], "newer than its result"
    with pytest.raises(CycleganError, match="never overwritten"):
        find_work(str(photos), str(photos), 2)
    with pytest.raises(CycleganError, match="no pictures"):
        find_work(str(tmp_path / "nowhere"), str(target), 2)


@pytest.mark.slow
def test_two_workers(tmp_path: Path, photos: Path, tiny_translation: Path) -> None:
    pytest.importorskip("ray", reason="ray is not installed")
    script = [ROOT / "examples" / "many_machines" / "run.py", photos, tmp_path / "out", "--direction", "to_female"]
    more = ["--translation", tiny_translation, "--compare", "2", "--report", tmp_path / "report.jsonl"]
    command = [sys.executable, *map(str, [*script, *more])]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=LIMIT)
    assert done.returncode == 1, done.stderr
    said, rate = done.stdout.splitlines()
    assert said == "3 translated, 1 without a face, 1 failed"
    assert rate.startswith("2 workers: ")
    assert rate.endswith(" of one process")
    report = {Path(line["picture"]).name: line for line in map(json.loads, (tmp_path / "report.jsonl").open())}
    assert {name: line["result"] for name, line in report.items()} == {"damaged.jpg": "failed", "empty.png": "no face"}
    assert "damaged" in report["damaged.jpg"]["reason"]
    for name in ("a.jpg", "b.png", "within/c.webp"):
        assert is_altered((tmp_path / "out" / name).read_bytes()), name
    assert images.load(tmp_path / "out" / "a.jpg").shape == (300, 300, 3)
    assert [path for path in (tmp_path / "out").rglob(".*")] == []
