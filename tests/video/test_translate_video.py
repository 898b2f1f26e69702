"""Video files: sound, time stamps, rotation and sizes kept, memory constant, and what is left when it ends early."""

import errno
import resource
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from av.video.frame import VideoFrame

from cyclegan_core import CycleganError, FaceTranslator, TranslationError
from cyclegan_core.errors import VideoCancelledError, VideoError
from cyclegan_core.faces.face import Face
from cyclegan_core.inference.composition import Layer
from cyclegan_core.inference.studio import Studio
from cyclegan_core.video.translate import VideoReport, translate_video
from tests.video.test_tracking import Told, moved

MILLISECOND = Fraction(1, 1000)
TONE = 440.0  # Hz


class Still(Told):
    """A detector that is asked once: these tests are about files."""

    faces: list[Face] | None = None
    shape: tuple[int, ...] = ()

    def detect(self, picture: np.ndarray) -> list[Face]:
        if self.faces is None or picture.shape != self.shape:
            self.faces, self.shape = super().detect(picture), picture.shape
        return self.faces


@pytest.fixture(scope="module")
def studio(tiny_translation: Path) -> Studio:
    return Studio({"tiny": FaceTranslator.from_pretrained(str(tiny_translation))}, Still())


Translate = Callable[..., VideoReport]


@pytest.fixture
def translate(studio: Studio, tmp_path: Path) -> Translate:
    def call(source: Path, target: Path = tmp_path / "out.mp4", **options: Any) -> VideoReport:
        return translate_video(source, target, studio, studio.chain("to_female"), **options)

    return call


def make_video(
    path: Path,
    frames: int = 12,
    *,
    size: tuple[int, int] = (160, 120),
    codec: str = "libx264",
    sound: str | None = "aac",
    form: str | None = None,
    pixels: str = "yuv420p",
    rotation: int = 0,
    times: list[int] | None = None,
    time_base: Fraction | None = MILLISECOND,
    options: dict[str, str] | None = None,
) -> Path:
    """A video of a still face at 25 frames/s with a tone, and a title and a place that nobody else should know.

    times: of the frames, in milliseconds.
    """
    picture = moved(0.0, *size) if min(size) > 60 else np.full((size[1], size[0], 3), 128, np.uint8)
    if rotation:
        picture = np.ascontiguousarray(np.rot90(picture, -rotation // 90))
    with av.open(str(path), "w", format=form) as container:
        container.metadata.update(title="secret", location="+48.1+11.5/")
        video: Any = container.add_stream(codec, rate=25, options=options or {})
        video.height, video.width = picture.shape[:2]
        video.pix_fmt = pixels
        if time_base:
            video.codec_context.time_base = time_base
        if rotation:
            video.set_display_rotation(rotation)
        audio: Any = container.add_stream(sound, rate=48000) if sound else None
        if audio:
            audio.layout = "mono"
        unit = time_base or Fraction(1, 25)
        for i in range(frames):
            frame = VideoFrame.from_ndarray(picture, format="rgb24").reformat(format=pixels)
            frame.pts = round(Fraction(times[i] if times else i * 40, 1000) / unit)
            frame.time_base = unit
            container.mux(video.encode(frame))
            if audio:
                at = np.arange(i * 1920, (i + 1) * 1920)
                wave = (np.sin(2 * np.pi * TONE * at / 48000) * 9000).astype(np.int16)[None]
                part = av.AudioFrame.from_ndarray(wave, format="s16", layout="mono")
                part.sample_rate, part.pts, part.time_base = 48000, i * 1920, Fraction(1, 48000)
                container.mux(audio.encode(part))
        container.mux(video.encode(None))
        if audio:
            container.mux(audio.encode(None))
    return path


def pictures(path: Path) -> list[VideoFrame]:
    with av.open(str(path)) as container:
        return list(container.decode(video=0))


def pixels(frame: VideoFrame) -> np.ndarray:
    return frame.to_ndarray(format="rgb24").astype(int)


def times(path: Path) -> list[float]:
    return [round(float(frame.time), 3) for frame in pictures(path)]


def tone(path: Path) -> tuple[float, float]:
    """The strongest frequency of the sound in Hz, and its length in seconds."""
    with av.open(str(path)) as container:
        resampler = av.AudioResampler("flt", "mono", 48000)
        parts = [part for frame in container.decode(audio=0) for part in resampler.resample(frame)]
    wave = np.concatenate([part.to_ndarray().ravel() for part in parts])
    return float(np.abs(np.fft.rfft(wave)).argmax() * 48000 / len(wave)), len(wave) / 48000


def begin(stream: Any) -> float:
    return float((stream.start_time or 0) * stream.time_base)


def packets(path: Path) -> list[bytes]:
    with av.open(str(path)) as container:
        return [bytes(packet) for packet in container.demux(audio=0) if packet.size]


# ---- what is kept


def test_the_whole_way(translate: Translate, tmp_path: Path) -> None:
    source, target = make_video(tmp_path / "in.mp4"), tmp_path / "out.mp4"
    report = translate(source)

    assert report == VideoReport(12, 12, 0, report.seconds, True)
    assert report.seconds == pytest.approx(0.48, abs=0.05)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.mp4", "out.mp4"]
    before, after = pictures(source), pictures(target)
    assert len(after) == 12
    assert times(target) == times(source)
    difference = np.abs(pixels(after[-1]) - pixels(before[-1]))
    assert difference.max() > 40  # the face
    assert difference[:, :20].mean() < 2.5  # not the rest
    with av.open(str(target)) as container:
        assert (container.streams.video[0].codec_context.name, after[0].format.name) == ("h264", "yuv420p")
        assert container.metadata["comment"] == "AI-altered (tiny: to female)"
        everything = str(container.metadata) + "".join(str(stream.metadata) for stream in container.streams)
        assert "secret" not in everything
        assert "location" not in everything
    content = target.read_bytes()
    assert b"secret" not in content
    assert 0 < content.index(b"moov") < content.index(b"mdat")  # it plays before all of it is there
    assert packets(target) == packets(source)


@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv", ".MP4"])
def test_formats_of_the_result(translate: Translate, tmp_path: Path, suffix: str) -> None:
    source, target = make_video(tmp_path / "in.mp4", 4), tmp_path / f"out{suffix}"
    assert translate(source, target).had_sound
    assert len(pictures(target)) == 4
    assert tone(target)[0] == pytest.approx(TONE, abs=10)
    with av.open(str(target)) as container:
        found = {key.lower(): value for key, value in container.metadata.items()}
        assert found["comment"] == "AI-altered (tiny: to female)"


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("flac.mkv", {"sound": "flac"}),
        ("vp9.webm", {"codec": "libvpx-vp9", "sound": "libopus", "options": {"deadline": "realtime", "cpu-used": "8"}}),
        ("motion.avi", {"codec": "mjpeg", "sound": "libmp3lame", "pixels": "yuvj420p", "time_base": None}),
        ("pcm.mov", {"sound": "pcm_s16le"}),
        ("stream.ts", {}),
        ("rich.mp4", {"pixels": "yuv444p10le"}),
    ],
)
def test_formats_of_the_source(translate: Translate, tmp_path: Path, name: str, options: dict[str, Any]) -> None:
    source, target = make_video(tmp_path / name, 25, **options), tmp_path / "out.mp4"
    assert translate(source).frames == 25
    frequency, length = tone(target)
    assert frequency == pytest.approx(TONE, abs=4)
    assert length == pytest.approx(tone(source)[1], abs=0.05)
    was, now = times(source), times(target)
    assert np.allclose(np.subtract(now, now[0]), np.subtract(was, was[0]), atol=0.0015)
    with av.open(str(source)) as before, av.open(str(target)) as after:
        leads = [begin(container.streams.video[0]) - begin(container.streams.audio[0]) for container in (before, after)]
    assert leads[0] == pytest.approx(leads[1], abs=0.03)  # lips and voice


def test_a_variable_frame_rate(translate: Translate, tmp_path: Path) -> None:
    irregular = [0, 33, 66, 400, 410, 900]
    source = make_video(tmp_path / "in.mp4", 6, times=irregular, sound=None)
    report = translate(source)
    assert times(tmp_path / "out.mp4") == [at / 1000 for at in irregular]
    assert not report.had_sound


@pytest.mark.parametrize("rotation", [90, -90, 180])
def test_a_phone_held_upright(translate: Translate, tmp_path: Path, rotation: int) -> None:
    source, target = make_video(tmp_path / "in.mp4", 3, rotation=rotation), tmp_path / "out.mp4"
    assert translate(source).frames_with_faces == 3
    shown = pictures(target)[0]
    assert (shown.width, shown.height, shown.rotation) == (160, 120, 0)
    assert np.abs(pixels(shown)[:, :20] - moved(0.0, 160, 120)[:, :20]).mean() < 12


@pytest.mark.parametrize("size", [(161, 121), (16, 16), (17, 200)])
def test_odd_sizes(translate: Translate, tmp_path: Path, size: tuple[int, int]) -> None:
    source = make_video(tmp_path / "in.mkv", 3, size=size, pixels="yuv444p")
    translate(source)
    shown = pictures(tmp_path / "out.mp4")[0]
    assert (shown.width, shown.height) == (size[0] + size[0] % 2, size[1] + size[1] % 2)


def test_colours_stay(studio: Studio, tmp_path: Path) -> None:
    source, target = make_video(tmp_path / "in.mp4", 3, options={"crf": "10"}), tmp_path / "out.mp4"
    translate_video(source, target, studio, ())
    shift = (pixels(pictures(target)[1]) - pixels(pictures(source)[1])).mean((0, 1))
    assert np.abs(shift).max() < 0.7


def test_a_file_of_that_name_is_replaced(translate: Translate, tmp_path: Path) -> None:
    (tmp_path / "out.mp4").write_text("an earlier run's")
    translate(make_video(tmp_path / "in.mp4", 2))
    assert len(pictures(tmp_path / "out.mp4")) == 2


# ---- what is written where


def test_cancel_leaves_nothing_behind(translate: Translate, tmp_path: Path) -> None:
    source, target = make_video(tmp_path / "in.mp4"), tmp_path / "out.mp4"
    target.write_text("an earlier run's")
    shares: list[float] = []
    with pytest.raises(VideoCancelledError, match="nothing was written"):
        translate(source, progress=lambda share, _: shares.append(share), cancelled=lambda: len(shares) == 3)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.mp4", "out.mp4"]
    assert target.read_text() == "an earlier run's"
    assert len(shares) == 3


def test_progress(translate: Translate, tmp_path: Path) -> None:
    calls: list[tuple[float, float | None]] = []
    translate(make_video(tmp_path / "in.mp4"), progress=lambda *call: calls.append(call))
    shares = [share for share, _ in calls]
    assert shares == sorted(shares)
    assert shares[0] == pytest.approx(1 / 12, abs=0.02)
    assert shares[-1] == pytest.approx(1, abs=0.05)
    assert all(left is not None and left >= 0 for _, left in calls)


def test_a_failing_translator_ends_it(studio: Studio, tiny_translation: Path, tmp_path: Path) -> None:
    class Failing(FaceTranslator):
        def generate(self, *_: object, **__: object) -> tuple[Layer, ...]:
            raise CycleganError("the network is broken")

    broken = Studio({"tiny": Failing.from_pretrained(str(tiny_translation))}, studio.detector)
    source = make_video(tmp_path / "in.mp4", 2)
    with pytest.raises(CycleganError, match="broken"):
        translate_video(source, tmp_path / "out.mp4", broken, broken.chain("to_female"))
    assert [path.name for path in tmp_path.iterdir()] == ["in.mp4"]
    with pytest.raises(TranslationError, match="no direction"):
        translate_video(source, tmp_path / "out.mp4", Studio({}, studio.detector), broken.chain("to_female"))


def test_a_disk_that_fills_up(translate: Translate, tmp_path: Path) -> None:
    """A limit on the size of files takes the disk's part: every write beyond it fails."""
    source, target = make_video(tmp_path / "in.mp4", 40), tmp_path / "out.mp4"
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (6000, hard))
    try:
        with pytest.raises(VideoError, match="cannot be written: the file grows larger"):
            translate(source)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert not target.exists()
    assert [path.name for path in tmp_path.iterdir()] == ["in.mp4"]


def test_a_full_disk_is_named_as_one() -> None:
    from cyclegan_core.video.writer import _reason

    assert _reason(OSError(errno.ENOSPC, "x")) == "the disk is full, free some space or choose another folder"


@pytest.mark.medium
def test_memory_does_not_grow(translate: Translate, tmp_path: Path) -> None:
    if not Path("/proc/self/statm").exists():
        pytest.skip("needs /proc, which Linux has")
    source = make_video(tmp_path / "in.mp4", 150, size=(640, 480), options={"preset": "ultrafast"})
    megabytes: list[float] = []

    def measure(_share: float, _left: float | None) -> None:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        megabytes.append(pages * resource.getpagesize() / 2**20)

    translate(source, progress=measure)
    # A frame has 0.9 MB: the last hundred would have taken ninety.
    assert max(megabytes[-10:]) - max(megabytes[40:50]) < 20
