"""`translate_video`: a video file in, the same video with its faces translated out, sound and all."""

import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import chain as chained
from pathlib import Path

from av.packet import Packet

from cyclegan_core.errors import VideoCancelledError, VideoError
from cyclegan_core.inference.studio import Chain, Studio
from cyclegan_core.video.reader import Picture, VideoReader, printable
from cyclegan_core.video.stream import FaceStream
from cyclegan_core.video.writer import VideoWriter, check_target

MOST_EARLY = 30_000  # packets of sound before the first picture: minutes of it


@dataclass(frozen=True)
class VideoReport:
    """What became of a video.

    frames: written. frames_with_faces: of them, those in which a face was followed. skipped: damaged ones, left out.
    seconds: its length. had_sound: whether it has sound.
    """

    frames: int
    frames_with_faces: int
    skipped: int
    seconds: float
    had_sound: bool


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

    The result has H.264 pictures, upright and with the source's time stamps, its sound (copied where the format takes
    it), none of its metadata, and the comment "AI-altered by" with the translations' names. It appears whole or not
    at all; a file that bore its name is replaced.

    target: ends in .mp4, .mov or .mkv, and is not the source. strength: in [0, 1]. largest_only: leaves all faces but
    the largest alone. progress: called after every frame with the share done, in [0, 1], and the seconds left or
    None. cancelled: asked before every frame.

    Raises VideoError, in a sentence, for a source that is no video, damaged, too large or too long, and for a target
    that cannot be written; VideoCancelledError, leaving nothing behind, once `cancelled` says so; TranslationError for
    a step that the studio has not.
    """
    check_target(target)
    _refuse_same(source, target)
    for step in chain:
        studio.chain(str(step))  # raises for an unknown one, before any work
    with VideoReader(source) as reader:
        events = reader.read()
        early, first = _first_picture(events)
        names = ", ".join(str(step) for step in chain) or "nothing"
        with VideoWriter(
            target,
            (first.pixels.shape[1], first.pixels.shape[0]),
            rate=reader.rate,
            time_base=reader.time_base,
            comment=f"AI-altered by {names}",
            colours=reader.colours,
            pixel_aspect=reader.pixel_aspect,
            sound=reader.sound,
        ) as writer:
            stream = FaceStream(studio)
            began = time.monotonic()
            frames = with_faces = 0
            end = 0.0
            for event in chained(early, [first], events):
                if cancelled():
                    raise VideoCancelledError("cancelled: nothing was written")
                if isinstance(event, Packet):
                    writer.write_sound(event)
                    continue
                at = float(event.pts * reader.time_base)
                translated = stream.process(event.pixels, chain, strength=strength, time=at, largest_only=largest_only)
                writer.write(translated, event.pts, event.duration)
                frames += 1
                with_faces += stream.faces > 0
                end = float((event.pts + event.duration) * reader.time_base)
                share = reader.share(event)
                spent = time.monotonic() - began
                progress(share, spent / share - spent if share > 0.005 else None)
        return VideoReport(frames, with_faces, reader.skipped, end, reader.sound is not None)


def _first_picture(events: Iterator[Picture | Packet]) -> tuple[list[Packet], Picture]:
    """The first picture, which decides on size and colours, and the sound before it."""
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
