"""The kinds of films that people have: what each looks, sounds and lasts like after its way through `translate_video`.

No face is translated here: what comes out must be what went in, in a form that plays everywhere.
"""

import contextlib
import struct
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from av.video.frame import VideoFrame

from cyclegan_core import FaceTranslator
from cyclegan_core.inference.studio import Studio
from cyclegan_core.video.translate import translate_video
from tests.video.test_translate_video import Still

MILLISECOND = Fraction(1, 1000)
CLOSE = 0.04  # seconds
# White, grey, skin; red, green, blue: from left to right, the first three above.
PATCHES = np.array([[[235] * 3, [128] * 3, [222, 171, 150]], [[200, 30, 30], [30, 160, 30], [40, 50, 190]]], np.uint8)
LIMITED, FULL = 1, 2
BT709, SD625, SD525, BT2020 = (1, 1, 1), (5, 5, 6), (6, 6, 6), (9, 9, 14)
UNLABELLED = (2, 2, 2)
SUBTITLE_HEADER = b"""[Script Info]
ScriptType: v4.00+

[V4+ Styles]
Format: Name, Fontname, Fontsize
Style: Default,Arial,16

[Events]
Format: Layer, Start, End, Style, Name, MarginL, MarginR, MarginV, Effect, Text
"""


@dataclass(frozen=True)
class Film:
    """How a test film is made. sounds: codec, start and length in seconds of each. times: of the frames, in ms."""

    name: str = "in.mp4"
    frames: int = 10
    rate: int = 25
    times: list[int] | None = None
    size: tuple[int, int] = (192, 128)
    codec: str = "libx264"
    pixels: str = "yuv420p"
    labels: tuple[int, int, int] = BT709
    value_range: int = LIMITED
    options: dict[str, str] = field(default_factory=lambda: {"crf": "8", "preset": "ultrafast"})
    aspect: Fraction | None = None
    display: tuple[int, int, int, int] | None = None  # a, b, c, d of the display matrix
    sounds: tuple[tuple[str, float, float], ...] = (("aac", 0.0, 0.4),)
    languages: tuple[str, ...] = ()
    subtitles: bool = False
    container: dict[str, str] = field(default_factory=dict)
    broken_off: bool = False  # the last quarter of the file is missing


def picture(size: tuple[int, int]) -> np.ndarray:
    rows, columns = (np.arange(length) * parts // length for length, parts in zip(size[::-1], (2, 3), strict=True))
    return PATCHES[rows][:, columns]


def patches(pixels: np.ndarray) -> np.ndarray:
    """The colours at the middles of the six patches, (2, 3, 3)."""
    height, width = pixels.shape[:2]
    return pixels[[height // 4, height * 3 // 4]][:, [width // 6, width // 2, width * 5 // 6]].astype(float)


def make(folder: Path, film: Film, rgb: VideoFrame | None = None) -> Path:
    """Writes a film of the six patches, or of another picture."""
    path = folder / film.name
    rgb = rgb or VideoFrame.from_ndarray(picture(film.size), format="rgb24")
    with av.open(str(path), "w", container_options=film.container) as container:
        video: Any = container.add_stream(film.codec, rate=film.rate, options=film.options)
        video.width, video.height = film.size
        video.pix_fmt = film.pixels
        context = video.codec_context
        if film.times or path.suffix == ".mp4":
            context.time_base = MILLISECOND
        context.colorspace, context.color_primaries, context.color_trc = film.labels
        context.color_range = film.value_range
        if film.aspect:
            context.sample_aspect_ratio = film.aspect
        sounds: list[Any] = []
        for codec, _, _ in film.sounds:
            sound: Any = container.add_stream(codec, rate=48000)
            sound.layout = "mono"
            sound.metadata.update(language=film.languages[len(sounds)] if film.languages else "und")
            sounds.append(sound)
        text: Any = container.add_stream("subrip") if film.subtitles else None
        if text:
            text.codec_context.subtitle_header = SUBTITLE_HEADER
        container.start_encoding()
        matrix = film.labels[0] if film.labels[0] not in (0, 2, 8) else 5 if film.size[1] <= 576 else 1
        unit = context.time_base or Fraction(1, film.rate)
        for i in range(film.frames):
            same = {} if film.pixels in ("rgb8", "rgb24") else {"dst_color_range": film.value_range}
            frame = rgb.reformat(format=film.pixels, dst_colorspace=matrix, **same)
            shown = Fraction(film.times[i], 1000) if film.times else Fraction(i, film.rate)
            frame.pts, frame.time_base = round(shown / unit), unit
            container.mux(video.encode(frame))
        container.mux(video.encode(None))
        for number, (sound, (_, start, length)) in enumerate(zip(sounds, film.sounds, strict=True)):
            wave = np.sin(2 * np.pi * 440 * (number + 1) * np.arange(round(length * 48000)) / 48000) * 9000
            for at in range(0, len(wave) - 959, 960):
                part = av.AudioFrame.from_ndarray(wave[None, at : at + 960].astype(np.int16), "s16", "mono")
                part.sample_rate, part.time_base = 48000, Fraction(1, 48000)
                part.pts = round(start * 48000) + at
                container.mux(sound.encode(part))
            container.mux(sound.encode(None))
        if text:
            packet = av.Packet(b"Hello")
            packet.stream, packet.pts, packet.dts, packet.duration = text, 0, 0, 300
            packet.time_base = MILLISECOND
            container.mux(packet)
    content = path.read_bytes()
    if film.display:
        a, b, c, d = (value * 65536 for value in film.display)
        upright = struct.pack(">9i", 65536, 0, 0, 0, 65536, 0, 0, 0, 1 << 30)
        at = content.index(upright, content.index(b"tkhd"))
        content = content[:at] + struct.pack(">9i", a, b, 0, c, d, 0, 0, 0, 1 << 30) + content[at + 36 :]
    path.write_bytes(content[: len(content) * 3 // 4] if film.broken_off else content)
    return path


def pictures_span(path: Path) -> tuple[float, float]:
    """Time of the first picture, and when the last one ends, in seconds."""
    with av.open(str(path)) as container:
        frames = _decoded(container, container.streams.video[0])
        length = container.streams.video[0].duration
    end = max(float(frame.time + frame.duration * frame.time_base) for frame in frames)
    if path.name == "out.mp4":  # the table of contents says the same as the pictures
        assert length is not None
        assert float(length * frames[-1].time_base) == pytest.approx(end - frames[0].time, abs=CLOSE)
    return float(frames[0].time), end


def sounds_span(path: Path) -> list[tuple[float, float]]:
    """When the tone of each audio stream is first heard, and when the stream ends, in seconds."""
    found = []
    with av.open(str(path)) as container:
        count = len(container.streams.audio)
    for number in range(count):
        with av.open(str(path)) as container:
            frames = _decoded(container, container.streams.audio[number])
        heard = []
        for frame in frames:
            wave = np.abs(frame.to_ndarray().astype(float)).max(0)
            loud = np.flatnonzero(wave > (0.1 if "flt" in frame.format.name else 3000))
            heard.extend([frame.time + loud[0] / frame.sample_rate] if len(loud) else [])
        found.append((float(heard[0]), float(frames[-1].time + frames[-1].samples / frames[-1].sample_rate)))
    return found


def _decoded(container: Any, stream: Any) -> list[Any]:
    frames: list[Any] = []
    with contextlib.suppress(av.FFmpegError):  # the file breaks off
        frames.extend(container.decode(stream))
    return frames


def labels(path: Path) -> tuple[int, int, int, int]:
    with av.open(str(path)) as container:
        context = container.streams.video[0].codec_context
        return context.colorspace, context.color_primaries, context.color_trc, context.color_range


KINDS = {
    "plain": (Film(), BT709),
    "BT.601, 625 lines": (Film(labels=SD625), SD625),
    "BT.601, 525 lines": (Film(labels=SD525), SD525),
    "unlabelled, small": (Film(labels=UNLABELLED), (6, 1, 1)),
    "unlabelled, PAL": (Film(labels=UNLABELLED, size=(720, 576), frames=3), (6, 5, 1)),
    "unlabelled, HD": (Film(labels=UNLABELLED, size=(1280, 720), frames=3), BT709),
    "full range": (Film(value_range=FULL), BT709),
    "full range, BT.601": (Film(value_range=FULL, labels=SD525), SD525),
    "BT.2020, SDR": (Film(labels=BT2020, pixels="yuv420p10le"), BT2020),
    "4:2:2": (Film(pixels="yuv422p"), BT709),
    "4:4:4 of 10 bits": (Film(pixels="yuv444p10le"), BT709),
    "RGB": (Film("in.mkv", codec="libx264rgb", pixels="rgb24", labels=(0, 2, 2), value_range=FULL), BT709),
    "motion JPEG": (
        Film("in.avi", codec="mjpeg", pixels="yuvj420p", labels=SD625, value_range=FULL, options={"qscale": "2"}),
        (5, 1, 1),
    ),
    "GIF": (
        Film("in.gif", codec="gif", pixels="rgb8", frames=4, times=[0, 100, 400, 500], sounds=(), options={}),
        BT709,
    ),
    "odd size": (Film("in.mkv", pixels="yuv444p", size=(193, 127)), BT709),
    "wide pixels": (Film(aspect=Fraction(4, 3)), BT709),
    "60 frames/s": (Film(rate=60, frames=30), BT709),
    "60 frames/s in MKV": (Film("in.mkv", rate=60, frames=30), BT709),
    "29.97 frames/s": (Film(frames=6, times=[0, 33, 67, 100, 133, 167]), BT709),
    "variable rate": (Film(frames=6, times=[0, 33, 66, 400, 410, 900]), BT709),
    "no sound": (Film(sounds=()), BT709),
    "two sounds": (Film("in.mkv", sounds=(("aac", 0, 0.4), ("libopus", 0, 0.4))), BT709),
    "longer sound": (Film(sounds=(("aac", 0, 2.0),)), BT709),
    "shorter sound": (Film(frames=40, sounds=(("aac", 0, 0.4),)), BT709),
    "later sound, copied": (Film(sounds=(("aac", 0.2, 0.4),)), BT709),
    "later sound, encoded": (Film("in.mkv", sounds=(("flac", 0.08, 0.4),)), BT709),
    "later picture": (Film("in.mkv", frames=5, times=[300, 340, 380, 420, 460]), BT709),
    "live stream": (
        Film(
            "in.webm",
            codec="libvpx",
            sounds=(("libopus", 0, 0.4),),
            options={"deadline": "realtime", "crf": "4", "b": "4M"},
            container={"live": "1"},
            labels=UNLABELLED,
        ),
        None,
    ),
    "Opus in MP4": (Film(sounds=(("libopus", 0, 0.4),)), BT709),
    "AC-3": (Film("in.ts", sounds=(("ac3", 0, 0.4),)), BT709),
    "subtitles": (Film("in.mkv", subtitles=True), BT709),
    "cut off": (Film("in.mkv", frames=60, broken_off=True, sounds=()), BT709),
    "long name": (Film("wild 🎬 " + "n" * 200 + ".mp4"), BT709),
}


@pytest.mark.parametrize(("film", "written"), KINDS.values(), ids=KINDS)
def test_a_kind_of_film(studio: Studio, tmp_path: Path, film: Film, written: tuple[int, int, int] | None) -> None:
    source, target = make(tmp_path, film), tmp_path / "out.mp4"
    report = translate_video(source, target, studio, ())

    assert report.subtitles == film.subtitles
    with av.open(str(target)) as container:
        shown = [frame for frame in container.decode(video=0) if isinstance(frame, VideoFrame)]
        assert (container.streams.video[0].sample_aspect_ratio or 1) == (film.aspect or 1)
        assert all(stream.codec_context.name in ("h264", "aac") for stream in container.streams)
    if written:
        assert labels(target) == (*written, LIMITED)
    assert {frame.format.name for frame in shown} == {"yuv420p"}
    difference = patches(shown[-1].to_ndarray(format="rgb24")) - patches(picture(film.size))
    assert np.abs(difference).max() < (24 if film.codec == "gif" else 7)  # a GIF of 8 bits has few colours

    was, now = pictures_span(source), pictures_span(target)
    assert now[1] - now[0] == pytest.approx(was[1] - was[0], abs=CLOSE)
    before, after = sounds_span(source), sounds_span(target)
    assert len(before) == len(after) == len(film.sounds)
    for one, other in zip(before, after, strict=True):
        assert np.subtract(other, now[0]) == pytest.approx(np.subtract(one, was[0]), abs=CLOSE)  # lips and voice


@pytest.fixture(scope="module")
def studio(tiny_translation: Path) -> Studio:
    return Studio({"tiny": FaceTranslator.from_pretrained(str(tiny_translation))}, Still())
