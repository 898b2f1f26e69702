"""Reading a video file with PyAV: limits, orientation, colours, time stamps, damaged frames, clear errors."""

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import av.container
import cv2
import numpy as np
from av.audio.stream import AudioStream
from av.error import FFmpegError
from av.packet import Packet
from av.sidedata.sidedata import Type
from av.stream import Disposition
from av.video.frame import VideoFrame
from av.video.stream import VideoStream
from numpy.typing import NDArray

from cyclegan_core.errors import VideoError
from cyclegan_core.video.colours import Colours, RgbConverter

LARGEST_SIDE = 4096  # pixels
SMALLEST_SIDE = 16  # pixels; no face is smaller
LONGEST_SECONDS = 4 * 3600.0  # a longer one is endless, or says so
MOST_FRAMES = 2_000_000  # four hours at 120 frames/s, and more than any honest file has
FORMATS = "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpegts,mpeg,flv,asf,ogg,gif"
# A playlist could name files of this machine or addresses of the network: neither it nor the network is opened.
OPTIONS = {"format_whitelist": FORMATS, "protocol_whitelist": "file"}
MOST_SOUNDS = 16  # tracks; a film with all its languages and commentaries has fewer


@dataclass(frozen=True, eq=False)
class Picture:
    """One frame. pixels: RGB uint8 (H, W, 3), upright. pts, duration: in units of the reader's time base."""

    pixels: NDArray[np.uint8]
    pts: int
    duration: int


class VideoReader:
    """A video file that is read frame by frame, to be used in a `with` statement.

    time_base: seconds per unit of a time stamp. rate: mean frames per second. seconds: the length that the file claims,
    or None. sounds: the audio streams whose packets `read` gives. subtitles: how many subtitle streams there are; they
    are not read. skipped: frames so far that could not be decoded. Known with the first picture: size, the width and
    height of all pictures; pixel_aspect, the width of a pixel divided by its height; colours, those in which the
    pixels are to be written.

    Raises VideoError, in a sentence, for a file that is no video or outside the limits.
    """

    def __init__(self, path: Path) -> None:
        self.name = printable(path)
        self.skipped = 0
        self.size: tuple[int, int] | None = None
        self.colours = Colours()
        self._converter = RgbConverter()
        self._orientation = _Orientation()
        self._last: int | None = None  # time stamp of the last picture
        self._count = 0
        self._check_file(path)
        try:
            # "file:", as a name may look like another protocol of FFmpeg's.
            self._container: av.container.InputContainer = av.open(
                f"file:{path}", options=OPTIONS, metadata_errors="replace"
            )
        except (FFmpegError, ValueError, OSError) as error:
            raise VideoError(
                f"{self.name} is damaged or cut short, or no video: give an MP4, MOV, MKV, WebM or AVI file"
            ) from error
        try:
            self._open()
        except BaseException:
            self._container.close()
            raise

    def __enter__(self) -> "VideoReader":
        return self

    def __exit__(self, *_: object) -> None:
        self._container.close()

    def read(self) -> Iterator[Picture | Packet]:
        """Yields pictures with rising time stamps, and packets of the sounds, in the order of the file.

        Time stamps are shifted so that the file begins at 0. Damaged frames are left out and counted in `skipped`.
        """
        start = max(self._container.start_time or 0, 0) / Fraction(av.time_base)
        for packet in self._packets():
            if packet.stream is self._stream:
                for frame in self._decoded(packet):
                    yield self._picture(frame, round(start / self.time_base))
            elif packet.dts is not None:  # the one that ends a stream has none
                shift = round(start / packet.time_base)
                packet.pts = None if packet.pts is None else packet.pts - shift
                packet.dts -= shift
                yield packet
        if self._last is None:
            raise VideoError(f"{self.name} is damaged: none of its frames can be read; copy it again or export it anew")

    def share(self, picture: Picture) -> float:
        """The share of the video before the end of this picture, in [0, 1]; 0 where the length is unknown."""
        if not self.seconds:
            return 0.0
        return min(float((picture.pts + picture.duration) * self.time_base) / self.seconds, 1.0)

    def _check_file(self, path: Path) -> None:
        try:
            mode = path.stat().st_mode
            if stat.S_ISREG(mode):
                with open(path, "rb") as file:
                    if not file.read(1):
                        raise VideoError(f"{self.name} is empty: copy or download it again")
                return
        except OSError as error:
            raise VideoError(f"{self.name} cannot be read: {os.strerror(error.errno or 0)}") from error
        except ValueError as error:
            raise VideoError(f"{self.name} is no file name: choose another") from error
        # A pipe or a device may never end.
        raise VideoError(f"{self.name} is {'a folder' if stat.S_ISDIR(mode) else 'no file'}: give a video file")

    def _open(self) -> None:
        stream = self._container.streams.best("video")
        if not isinstance(stream, VideoStream) or Disposition.attached_pic in stream.disposition:  # the cover of a song
            raise VideoError(f"{self.name} has no pictures, only sound: give a video file")
        if stream.codec_context is None or stream.time_base is None:
            raise VideoError(f"{self.name} is of a kind that cannot be read here: export it as MP4 with H.264")
        self._stream = stream
        self.time_base = stream.time_base
        self.rate = stream.average_rate or stream.guessed_rate or Fraction(30)
        duration = self._container.duration
        self.seconds = duration / av.time_base if duration and duration > 0 else None
        if self.seconds and self.seconds > LONGEST_SECONDS:
            raise self._too_long()
        self._check_size(stream.codec_context.width, stream.codec_context.height)
        stream.codec_context.options = {"max_pixels": str(LARGEST_SIDE**2)}  # a stream may change its size
        stream.thread_type = "AUTO"
        self.pixel_aspect = stream.sample_aspect_ratio or Fraction(1)
        audio = self._container.streams.audio[:MOST_SOUNDS]
        self.sounds: list[AudioStream] = [one for one in audio if one.codec_context is not None and one.time_base]
        self.subtitles = len(self._container.streams.subtitles)

    def _packets(self) -> Iterator[Packet]:
        packets = self._container.demux([self._stream, *self.sounds])
        while True:
            try:
                packet = next(packets, None)
            except (FFmpegError, ValueError, OSError):  # the file breaks off here
                self.skipped += 1
                packet = None
            if packet is None:
                return
            yield packet

    def _decoded(self, packet: Packet) -> list[VideoFrame]:
        try:
            frames = [frame for frame in packet.decode() if isinstance(frame, VideoFrame)]
        except (FFmpegError, ValueError):
            self.skipped += 1
            return []
        whole = [frame for frame in frames if not frame.is_corrupt]
        self.skipped += len(frames) - len(whole)
        return whole

    def _picture(self, frame: VideoFrame, start: int) -> Picture:
        self._check_size(frame.width, frame.height)
        step = max(round(1 / (self.rate * self.time_base)), 1)
        earliest = 0 if self._last is None else self._last + 1
        pts = max(frame.pts - start, earliest) if frame.pts is not None else earliest - 1 + step
        self._last = max(pts, 0)
        self._count += 1
        if self._last * self.time_base > LONGEST_SECONDS or self._count > MOST_FRAMES:
            raise self._too_long()
        pixels, colours = self._converter.convert(frame)
        if self.size is None:
            self._orientation = _orientation(frame)
        pixels = _upright(pixels, self._orientation)
        if self.size is None:
            self.size = (pixels.shape[1], pixels.shape[0])
            self.colours = colours
            if self._orientation.transposed:
                self.pixel_aspect = 1 / self.pixel_aspect
        elif (pixels.shape[1], pixels.shape[0]) != self.size:
            pixels = cv2.resize(pixels, self.size, interpolation=cv2.INTER_AREA)
        return Picture(pixels, self._last, frame.duration or step)

    def _check_size(self, width: int, height: int) -> None:
        if max(width, height) > LARGEST_SIDE:
            raise VideoError(
                f"{self.name} has {width} x {height} pixels, and {LARGEST_SIDE} on a side is the most: make it smaller"
            )
        if min(width, height) < SMALLEST_SIDE:
            raise VideoError(
                f"{self.name} has only {width} x {height} pixels: give at least {SMALLEST_SIDE} x {SMALLEST_SIDE}"
            )

    def _too_long(self) -> VideoError:
        return VideoError(
            f"{self.name} is longer than {LONGEST_SECONDS / 3600:.0f} hours, or has no end: cut it into pieces"
        )


@dataclass(frozen=True)
class _Orientation:
    """How stored pixels become upright ones: rows and columns are swapped first, then the picture is mirrored."""

    transposed: bool = False
    mirrored_x: bool = False
    mirrored_y: bool = False


def _orientation(frame: VideoFrame) -> _Orientation:
    """The nearest of the eight orientations to the frame's display matrix.

    As FFmpeg's display.h describes it, the matrix moves a pixel from (x, y) to (a x + c y, b x + d y).
    """
    # Only asked of one frame: PyAV's side data and its frame refer to each other, so that both stay in memory for long.
    data: Any = frame.side_data.get(Type.DISPLAYMATRIX)  # type: ignore[call-overload]  # its stub knows texts alone
    if data is None:
        return _Orientation()
    a, b, _, c, d = np.frombuffer(bytes(data), np.int32)[:5].tolist()
    if abs(b) > abs(a):
        return _Orientation(True, c < 0, b < 0)
    return _Orientation(False, a < 0, d < 0)


def _upright(pixels: NDArray[np.uint8], orientation: _Orientation) -> NDArray[np.uint8]:
    if orientation.transposed:
        pixels = pixels.transpose(1, 0, 2)
    down, right = (-1 if mirrored else 1 for mirrored in (orientation.mirrored_y, orientation.mirrored_x))
    return np.ascontiguousarray(pixels[::down, ::right])


def printable(path: Path) -> str:
    """The file name with newlines and terminal escapes replaced by question marks, so that it fits in one line."""
    return "".join(character if character.isprintable() else "?" for character in path.name) or "The video"
