"""Writing a video file, whole or not at all: H.264 pictures, the sound of the source, and one comment."""

import contextlib
import errno
import os
from collections.abc import Iterator, Sequence
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
from av.audio.stream import AudioStream
from av.error import FFmpegError
from av.packet import Packet
from av.video.frame import VideoFrame
from av.video.stream import VideoStream
from numpy.typing import NDArray

from cyclegan_core.atomic import partial_path
from cyclegan_core.errors import VideoError
from cyclegan_core.video.colours import LIMITED_RANGE, Colours
from cyclegan_core.video.reader import printable
from cyclegan_core.video.sound import Sound

CONTAINERS = {".mp4": "mp4", ".m4v": "mp4", ".mov": "mov", ".mkv": "matroska"}
# Without B-frames pictures are stored in the order of display: with them, an MP4 file that has a variable frame rate
# tells its length wrongly, and players that ignore edit lists shift the pictures against the sound.
QUALITY = {"crf": "18", "preset": "veryfast", "bf": "0"}
FINEST_TIME_BASE, COMMON_TIME_BASE = 1_000_000, Fraction(1, 90_000)
FAULTS = {
    errno.ENOENT: "there is no such folder, make it or check its name",
    errno.ENOTDIR: "there is no such folder, make it or check its name",
    errno.EISDIR: "that is a folder, choose another name",
    errno.EACCES: "the permissions do not allow it, choose another folder",
    errno.EROFS: "the disk is read-only, choose another folder",
    errno.ENOSPC: "the disk is full, free some space or choose another folder",
    errno.EFBIG: "the file grows larger than is allowed here, shorten the video or choose another disk",
    errno.EDQUOT: "your share of the disk is full, free some space or choose another folder",
}


class VideoWriter:
    """A video file that is being written, to be used in a `with` statement.

    At the end of the block the file appears under its name. Where an exception leaves the block, nothing of it remains
    and a file that was there before is unchanged. Raises VideoError, in a sentence, where it cannot be written.

    target: its suffix, one of CONTAINERS, names the format. size: width and height of the pictures; an odd one grows
    by a pixel. rate: mean frames per second, a hint. time_base: seconds per unit of a time stamp. comment: the only
    metadata. colours: the labels of the colours, in which `write` takes the pixels. pixel_aspect: the width of a pixel
    divided by its height. sounds: the audio streams of another file whose packets `write_sound` will get.
    """

    def __init__(
        self,
        target: Path,
        size: tuple[int, int],
        *,
        rate: Fraction,
        time_base: Fraction,
        comment: str,
        colours: Colours = Colours(),  # noqa: B008 - it cannot be changed
        pixel_aspect: Fraction | None = None,
        sounds: Sequence[AudioStream] = (),
    ) -> None:
        check_target(target)
        self._target = target
        self._part = partial_path(target)
        self._matrix = colours.matrix
        self._given_base = time_base
        self._base = time_base if time_base.denominator <= FINEST_TIME_BASE else COMMON_TIME_BASE
        self._last: int | None = None
        self._durations: dict[int, int] = {}  # of the frames that the encoder holds, by time stamp
        form = CONTAINERS[target.suffix.lower()]
        with self._faults():
            options = {} if form == "matroska" else {"movflags": "+faststart"}
            self._container = av.open(f"file:{self._part}", "w", format=form, options=options)
            try:
                self._container.metadata["comment"] = comment
                self._video = self._add_video(size, rate, colours, pixel_aspect)
                self._sounds = {sound.index: Sound(self._container, sound, form) for sound in sounds}
                self._container.start_encoding()  # what is wrong with the place shows before any work
            except BaseException:
                self._discard()
                raise

    def __enter__(self) -> "VideoWriter":
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        try:
            if kind is None:
                with self._faults():
                    self._encode(None)
                    for sound in self._sounds.values():
                        sound.finish()
                    self._container.close()
                    os.replace(self._part, self._target)
        finally:
            self._discard()

    def write(self, pixels: NDArray[np.uint8], pts: int, duration: int = 0) -> None:
        """Writes a picture, RGB uint8 (H, W, 3). pts, duration: in units of the time base; pts must rise."""
        height, width = pixels.shape[:2]
        if height % 2 or width % 2:
            pixels = cv2.copyMakeBorder(pixels, 0, height % 2, 0, width % 2, cv2.BORDER_REPLICATE)
        frame = VideoFrame.from_ndarray(np.ascontiguousarray(pixels), format="rgb24")
        frame = frame.reformat(format="yuv420p", dst_colorspace=self._matrix, dst_color_range=LIMITED_RANGE)
        in_base = self._given_base / self._base
        frame.pts = round(pts * in_base)
        if self._last is not None:
            frame.pts = max(frame.pts, self._last + 1)
        self._last = frame.pts
        frame.time_base = self._base
        self._durations[frame.pts] = round(duration * in_base)
        with self._faults():
            self._encode(frame)

    def write_sound(self, packet: Packet) -> None:
        """Writes a packet of one of the sounds. One that is damaged is left out."""
        with self._faults():
            self._sounds[packet.stream.index].write(packet)

    def _encode(self, frame: VideoFrame | None) -> None:
        for packet in self._video.encode(frame):
            # The encoder does not pass it on, and without it the last picture would be shown for a guessed time.
            packet.duration = self._durations.pop(packet.pts or 0, 0)
            self._container.mux(packet)

    def _add_video(
        self, size: tuple[int, int], rate: Fraction, colours: Colours, pixel_aspect: Fraction | None
    ) -> VideoStream:
        stream = self._container.add_stream("libx264", rate=_plausible_rate(rate), options=dict(QUALITY))
        context = stream.codec_context
        context.width, context.height = (side + side % 2 for side in size)
        context.pix_fmt = "yuv420p"
        context.time_base = self._base
        context.color_range = LIMITED_RANGE
        context.colorspace, context.color_primaries, context.color_trc = (
            colours.matrix,
            colours.primaries,
            colours.transfer,
        )
        if pixel_aspect is not None and pixel_aspect > 0:
            context.sample_aspect_ratio = pixel_aspect
        return stream

    def _discard(self) -> None:
        with contextlib.suppress(FFmpegError, OSError, ValueError):
            self._container.close()
        with contextlib.suppress(OSError):
            self._part.unlink(missing_ok=True)

    @contextlib.contextmanager
    def _faults(self) -> Iterator[None]:
        try:
            yield
        except (FFmpegError, OSError) as error:
            raise VideoError(f"{printable(self._target)} cannot be written: {_reason(error)}") from error


def check_target(target: Path) -> None:
    """Raises VideoError where no video can be written under that name."""
    name = printable(target)
    if target.suffix.lower() not in CONTAINERS:
        raise VideoError(f"{name} cannot be written: end its name in .mp4, .mov or .mkv")
    try:
        if target.is_dir():
            raise VideoError(f"{name} cannot be written: {FAULTS[errno.EISDIR]}")
        if not target.parent.is_dir():
            raise VideoError(f"{name} cannot be written: {FAULTS[errno.ENOENT]}")
    except (OSError, ValueError) as error:
        raise VideoError(f"{name} cannot be written: {_reason(error)}") from error


def _reason(error: Exception) -> str:
    number = getattr(error, "errno", None)
    if number in FAULTS:
        return FAULTS[number]
    return f"{getattr(error, 'strerror', None) or 'the encoder does not take it'}, try another name or format"


def _plausible_rate(rate: Fraction) -> Fraction:
    """Frames per second as an encoder takes them: some files claim thousands, or next to none."""
    return rate.limit_denominator(1001) if 1 <= rate <= 240 else Fraction(30)
