"""Videos that are damaged or none, and names that cannot be written: a sentence for each, and nothing left behind."""

import os
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from cyclegan_core import FaceTranslator
from cyclegan_core.errors import VideoError
from cyclegan_core.inference.studio import Studio
from cyclegan_core.video.translate import VideoReport, translate_video
from tests.video.test_translate_video import Still, Translate, make_video, pictures, times


@pytest.fixture
def translate(tiny_translation: Path, tmp_path: Path) -> Translate:
    studio = Studio({"tiny": FaceTranslator.from_pretrained(str(tiny_translation))}, Still())

    def call(source: Path, target: Path = tmp_path / "out.mp4", **options: Any) -> VideoReport:
        return translate_video(source, target, studio, studio.chain("to_female"), **options)

    return call


# ---- damage


def test_damage_in_the_middle_costs_only_its_frames(translate: Translate, tmp_path: Path) -> None:
    source = make_video(tmp_path / "in.avi", 20, codec="mjpeg", pixels="yuvj420p", time_base=None)
    whole, content = times(source), bytearray(source.read_bytes())
    starts = [at for at in range(len(content)) if content.startswith(b"\xff\xd8\xff", at)]
    for start, end in pairwise(starts[8:12]):
        content[start : end - 64] = bytes(end - 64 - start)
    source.write_bytes(content)
    report = translate(source)
    assert (report.frames, report.skipped) == (17, 3)
    assert [at for at in whole if at not in times(tmp_path / "out.mp4")] == whole[8:11]


@pytest.mark.parametrize("name", ["in.mkv", "in.ts", "in.mp4"])
def test_a_file_that_breaks_off(translate: Translate, tmp_path: Path, name: str) -> None:
    source = make_video(tmp_path / name, 40, options={"g": "10", "crf": "10"})
    content = source.read_bytes()
    source.write_bytes(content[: len(content) * 2 // 3])
    if name == "in.mp4":  # its table of contents was at the end
        with pytest.raises(VideoError, match=r"^in.mp4 is damaged or cut short"):
            translate(source)
        return
    assert 5 < translate(source).frames < 40


def test_noise_over_the_frames(translate: Translate, tmp_path: Path) -> None:
    """Whatever the decoder makes of it, it is a sentence or a video, and nothing is left behind."""
    source = make_video(tmp_path / "in.mkv", 20)
    content = source.read_bytes()
    made = refused = 0
    for seed in range(6):
        random = np.random.default_rng(seed)
        noisy = bytearray(content)
        for at in random.integers(0 if seed % 2 else 1000, len(noisy), 60):
            noisy[at] = random.integers(256)
        source.write_bytes(noisy)
        try:
            translated = translate(source)
        except VideoError:
            refused += 1
        else:
            made += 1
            assert translated.frames == len(pictures(tmp_path / "out.mp4"))
        assert not list(tmp_path.glob(".*"))
    assert (made > 0, refused > 0) == (True, True), "the noise is so strong, or so weak, that it shows one of them only"


def _song(path: Path) -> None:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("aac", rate=48000)
        silence = av.AudioFrame.from_ndarray(np.zeros((1, 4800), np.int16), "s16", "mono")
        silence.sample_rate = 48000
        container.mux(stream.encode(silence))
        container.mux(stream.encode(None))


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda path: None, "cannot be read: No such file"),
        (lambda path: path.mkdir(), "is a folder"),
        (lambda path: os.mkfifo(path), "is no file"),
        (lambda path: path.write_bytes(b""), "is empty"),
        (lambda path: path.write_text("certainly not a video " * 99), "is damaged or cut short, or no video"),
        (lambda path: path.write_bytes(b"\x00\x00\x00\x20ftypisom" + bytes(999)), "is damaged or cut short"),
        (lambda path: path.write_text("#EXTM3U\n#EXTINF:9,\nfile:///etc/hostname\n"), "is damaged or cut short"),
        (lambda path: path.write_text("ffconcat version 1.0\nfile other.mp4\n"), "is damaged or cut short"),
        (_song, "has no pictures, only sound"),
        (lambda path: make_video(path, 1, size=(4098, 16), sound=None), "4096 on a side is the most"),
        (lambda path: make_video(path, 1, size=(8, 8), sound=None), "at least 16 x 16"),
        (lambda path: make_video(path, 2, times=[0, 10**8], sound=None), "longer than 4 hours"),
    ],
)
def test_what_is_no_video_is_told(
    translate: Translate, tmp_path: Path, make: Callable[[Path], object], says: str
) -> None:
    source = tmp_path / "in.mp4"
    make(source)
    with pytest.raises(VideoError, match=says) as raised:
        translate(source)
    assert str(raised.value).startswith("in.mp4 ")
    assert str(tmp_path) not in str(raised.value)
    assert [path.name for path in tmp_path.iterdir()] in ([], ["in.mp4"])


# ---- names


@pytest.mark.parametrize(
    ("target", "says"),
    [
        ("out.avi", "end its name in .mp4, .mov or .mkv"),
        ("out", "end its name in"),
        ("none/out.mp4", "there is no such folder"),
        ("folder.mp4", "that is a folder"),
        ("in.mp4", "never overwritten"),
        ("link.mp4", "never overwritten"),
        ("hard.mp4", "never overwritten"),
    ],
)
def test_targets_that_cannot_be(translate: Translate, tmp_path: Path, target: str, says: str) -> None:
    source = make_video(tmp_path / "in.mp4", 2)
    (tmp_path / "folder.mp4").mkdir()
    (tmp_path / "link.mp4").symlink_to(source)
    os.link(source, tmp_path / "hard.mp4")
    before = sorted(tmp_path.iterdir()), source.read_bytes()
    with pytest.raises(VideoError, match=says):
        translate(source, tmp_path / target)
    assert (sorted(tmp_path.iterdir()), source.read_bytes()) == before
