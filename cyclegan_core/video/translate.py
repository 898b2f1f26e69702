"""`translate_video`: reads a video file, translates its faces and writes the result, with the sound."""

import os
import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import chain as chained
from pathlib import Path
from typing import Any

from av.packet import Packet

from cyclegan_core import provenance
from cyclegan_core.errors import VideoCancelledError, VideoError
from cyclegan_core.inference.descriptions import describe
from cyclegan_core.inference.studio import Chain, Studio
from cyclegan_core.video.reader import Picture, VideoReader, printable
from cyclegan_core.video.stream import FaceStream
from cyclegan_core.video.writer import VideoWriter, check_target

MOST_EARLY = 30_000  # packets of sound before the first picture: minutes of it
DEPTH = 3  # frames, or packets of sound, that are read ahead, and that wait for being written


@dataclass(frozen=True)
class VideoReport:
    """What was done to a video.

    frames: how many were written. frames_with_faces: of them, those in which a face was tracked. skipped: damaged
    frames, which were left out. seconds: the length of the pictures. had_sound: whether the video has sound.
    subtitles: subtitle streams, which were left out.
    """

    frames: int
    frames_with_faces: int
    skipped: int
    seconds: float
    had_sound: bool
    subtitles: int = 0


def translate_video(
    source: Path,
    target: Path,
    studio: Studio,
    chain: Chain,
    *,
    strength: float = 1.0,
    largest_only: bool = False,
    progress: Callable[[float, float | None], None] = lambda share, seconds_left: None,
    cancelled: Callable[[], bool] = lambda: False,
) -> VideoReport:
    """Translates the faces of a video, frame by frame, in an amount of memory that does not grow with its length.

    The result has H.264 pictures of 8 bits, upright and with the time stamps of the source. HDR becomes SDR
    (`tone_mapping`), and the colours are labelled. All its sound tracks are copied where the format's players play
    them, else encoded as AAC. Subtitles and metadata are left out; a comment says "AI-altered" and by which
    translations. The file appears whole or not at all, and replaces one of its name.

    source: a video file. target: ends in .mp4, .mov or .mkv, and is not the source. strength: in [0, 1.5].
    largest_only: translates only the largest face. progress: called after every frame with the share done, in [0, 1],
    and the seconds left or None. cancelled: called before every frame; where it returns True, VideoCancelledError is
    raised.

    Raises VideoError, in a sentence, for a source that is no video, damaged, too large or too long, and for a target
    that cannot be written; VideoCancelledError, leaving nothing behind; TranslationError for a step of the chain that
    the studio does not have.
    """
    check_target(target)
    _refuse_same(source, target)
    for step in chain:
        studio.chain(str(step))  # raises for an unknown one, before any work
    # Reading, translating and writing go on side by side, each in a thread of its own.
    with VideoReader(source) as reader, ThreadPoolExecutor(1) as reading:
        events = _ahead(reader.read(), reading)
        early, first = _first_picture(events)
        opened = VideoWriter(
            target,
            (first.pixels.shape[1], first.pixels.shape[0]),
            rate=reader.rate,
            time_base=reader.time_base,
            comment=provenance.sentence(describe(chain)) if chain else "",
            colours=reader.colours,
            pixel_aspect=reader.pixel_aspect,
            sounds=reader.sounds,
        )
        with opened as writer, _Later() as later:
            stream = FaceStream(studio)
            began = time.monotonic()
            frames = with_faces = 0
            end = 0.0
            for event in chained(early, [first], events):
                if cancelled():
                    raise VideoCancelledError("cancelled: nothing was written")
                if isinstance(event, Packet):
                    later.do(writer.write_sound, event)
                    continue
                at = float(event.pts * reader.time_base)
                translated = stream.process(event.pixels, chain, strength=strength, time=at, largest_only=largest_only)
                later.do(writer.write, translated, event.pts, event.duration)
                frames += 1
                with_faces += stream.faces > 0
                end = float((event.pts + event.duration) * reader.time_base)
                share = reader.share(event)
                spent = time.monotonic() - began
                progress(share, spent / share - spent if share > 0.005 else None)
        return VideoReport(frames, with_faces, reader.skipped, end, bool(reader.sounds), reader.subtitles)


def _ahead(events: Iterator[Picture | Packet], thread: ThreadPoolExecutor) -> Iterator[Picture | Packet]:
    """The events of an iterator, of which DEPTH are always being made in the thread."""
    coming = deque(thread.submit(next, events, None) for _ in range(DEPTH))
    while (event := coming.popleft().result()) is not None:
        coming.append(thread.submit(next, events, None))
        yield event


class _Later:
    """Does things one after the other in a thread of its own, at most DEPTH of them late.

    What one of them raises is raised by the next call or by the end of the block, which waits for all.
    """

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1)
        self._waiting: deque[Future[Any]] = deque()

    def __enter__(self) -> "_Later":
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._thread.shutdown(cancel_futures=kind is not None)
        if kind is None:
            for one in self._waiting:
                one.result()

    def do(self, action: Callable[..., Any], *arguments: Any) -> None:
        """Adds an action."""
        self._waiting.append(self._thread.submit(action, *arguments))
        if len(self._waiting) > DEPTH:
            self._waiting.popleft().result()


def _first_picture(events: Iterator[Picture | Packet]) -> tuple[list[Packet], Picture]:
    """The packets of sound before the first picture, and that picture, whose size and colours the result has."""
    early: list[Packet] = []
    for event in events:
        if isinstance(event, Picture):
            return early, event
        early.append(event)
        if len(early) > MOST_EARLY:
            break
    raise VideoError("the video has no pictures for its first minutes: cut that part off")


def _refuse_same(source: Path, target: Path) -> None:
    try:
        same = os.path.realpath(source) == os.path.realpath(target) or (
            source.exists() and target.exists() and os.path.samefile(source, target)
        )
    except (OSError, ValueError):  # the reader says what is wrong with it
        return
    if same:
        raise VideoError(f"{printable(target)} is the video itself, which is never overwritten: choose another name")
