"""The commands `video`, from file to file, and `webcam`, from a camera to a file.

Like `main`, this module imports PyTorch and OpenCV only where they are used, so that `--help` answers at once.
"""

import argparse
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import Any

from tqdm import tqdm

from cyclegan_core.cli.selection import add_arguments, number, open_studio
from cyclegan_core.errors import VideoError

VIDEO = (
    "Give it a film and get the film back with its faces translated. The sound and the length stay as they are, and "
    "the film plays everywhere: H.264 with AAC, upright, HDR made SDR. Subtitles and metadata are left out; a comment "
    "says that the film is altered. It appears when it is finished; if you stop with Ctrl-C, nothing is written."
)
WEBCAM = (
    "Records a camera into a film, without sound, with the faces translated. It ends after --seconds or with Ctrl-C, "
    "and the film is complete either way."
)
MILLISECOND = Fraction(1, 1000)
LIVE_RATE = Fraction(30)  # frames/s, a hint to the encoder; each frame has the time at which it came


def add_commands(subparsers: Any, epilog: str) -> None:
    """Adds both commands to what `ArgumentParser.add_subparsers` returned."""
    about = "translate the faces in a video"
    video = subparsers.add_parser("video", help=about, description=VIDEO, epilog=epilog)
    video.set_defaults(command=lambda options: _stoppable(_video, options))
    video.add_argument("input", type=_path, metavar="INPUT", help="a video file")
    _add_common(video)

    about = "translate the faces before a camera into a video file"
    webcam = subparsers.add_parser("webcam", help=about, description=WEBCAM, epilog=epilog)
    webcam.set_defaults(command=lambda options: _stoppable(_webcam, options))
    about = "number of the camera, or a file or an address to read instead (default: 0)"
    webcam.add_argument("--camera", default="0", metavar="N", help=about)
    webcam.add_argument("--seconds", type=_seconds, metavar="N", help="end after so long (default: with Ctrl-C)")
    _add_common(webcam)


def _add_common(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--output", required=True, type=_path, metavar="FILE", help="the result, a .mp4, .mov or .mkv; overwritten")
    add_arguments(parser)
    add("--largest-only", action="store_true", help="translate the largest face and leave the others as they are")


def _path(text: str) -> Path:
    if not text:
        raise argparse.ArgumentTypeError("a name of a file must not be empty")
    return Path(text)


def _seconds(text: str) -> float:
    return number(text, 0.1, 86400, "must be a number of seconds from 0.1 to 86400")


def _stoppable(command: Callable[[argparse.Namespace], int], options: argparse.Namespace) -> int:
    try:
        return command(options)
    except KeyboardInterrupt:
        print("stopped; nothing was written; start it again with the same command", file=sys.stderr)
        return 130


# ---- video


def _video(options: argparse.Namespace) -> int:
    from cyclegan_core.video.translate import translate_video

    studio, chain = open_studio(options)
    form = "{percentage:3.0f}%|{bar}| {elapsed} spent, {remaining} left"
    with tqdm(total=1.0, bar_format=form, disable=None) as bar:  # None: only where stderr is a terminal
        report = translate_video(
            options.input,
            options.output,
            studio,
            chain,
            strength=options.strength,
            largest_only=options.largest_only,
            progress=lambda share, _: bar.update(max(share - bar.n, 0)),
        )
    damaged = f", {report.skipped} damaged ones left out" if report.skipped else ""
    sound = "with sound" if report.had_sound else "without sound"
    what = _what(studio.needs_no_face(chain), report.frames_with_faces)
    subtitles = ", without its subtitles" if report.subtitles else ""
    print(f"{report.frames} frames in {report.seconds:.1f} seconds of video {sound}, {what}{damaged}{subtitles}")
    return 0


# ---- webcam


def _webcam(options: argparse.Namespace) -> int:
    from cyclegan_core import provenance
    from cyclegan_core.inference.descriptions import describe
    from cyclegan_core.video.reader import printable
    from cyclegan_core.video.stream import FaceStream
    from cyclegan_core.video.writer import VideoWriter, check_target

    check_target(options.output)
    studio, chain = open_studio(options)
    stream = FaceStream(studio)
    count = with_faces = 0
    with _ended_by_ctrl_c() as ended, _camera(options.camera) as frames:
        first = next(frames, None)
        if first is None:
            raise VideoError(f"camera {options.camera} gives no picture: plug it in, or close what else uses it")
        size = (first[1].shape[1], first[1].shape[0])
        with VideoWriter(
            options.output,
            size,
            rate=LIVE_RATE,
            time_base=MILLISECOND,
            comment=provenance.sentence(describe(chain)),
        ) as writer:
            began = at = first[0]
            item: Any = first
            while item is not None:
                at, frame = item
                translated = stream.process(
                    frame, chain, strength=options.strength, time=at, largest_only=options.largest_only
                )
                writer.write(translated, round((at - began) * 1000))
                count += 1
                with_faces += stream.faces > 0
                if ended.is_set() or (options.seconds is not None and at - began >= options.seconds):
                    break
                item = next(frames, None)
    name = printable(options.output)
    what = _what(studio.needs_no_face(chain), with_faces)
    print(f"{count} frames in {at - began:.1f} seconds, {what}, written to {name}")
    return 0


def _what(whole: bool, with_faces: int) -> str:
    return "each translated as a whole" if whole else f"{with_faces} with a face"


@contextmanager
def _ended_by_ctrl_c() -> Iterator[threading.Event]:
    """An event that Ctrl-C sets, so that the file can be finished; a second Ctrl-C interrupts as usual."""
    ended = threading.Event()
    if threading.current_thread() is not threading.main_thread():  # where no handler can be set
        yield ended
        return
    before = signal.getsignal(signal.SIGINT)

    def end(*_: object) -> None:
        ended.set()
        signal.signal(signal.SIGINT, before)

    signal.signal(signal.SIGINT, end)
    try:
        yield ended
    finally:
        signal.signal(signal.SIGINT, before)


@contextmanager
def _camera(name: str) -> Iterator[Iterator[tuple[float, Any]]]:
    """Times in seconds and frames, RGB uint8 (H, W, 3), of a camera, a file or an address. Raises VideoError."""
    import cv2

    before = cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
    capture = cv2.VideoCapture(int(name)) if name.isdecimal() else cv2.VideoCapture(name)
    try:
        if not capture.isOpened():
            where = f"there is no camera {name}" if name.isdecimal() else f"camera {name} cannot be opened"
            raise VideoError(f"{where}: plug it in, allow its use, or name another with --camera")
        capture.set(cv2.CAP_PROP_BUFFERSIZE, 1)  # late frames are dropped, not shown late
        yield _frames(capture, is_file=os.path.isfile(name))
    finally:
        capture.release()
        cv2.utils.logging.setLogLevel(before)


def _frames(capture: Any, *, is_file: bool) -> Iterator[tuple[float, Any]]:
    import cv2

    size, last = None, -1.0
    while True:
        good, frame = capture.read()
        if not good:
            return
        # A file is read as fast as it can be translated, and has its own time.
        at = capture.get(cv2.CAP_PROP_POS_MSEC) / 1000 if is_file else time.monotonic()
        last = max(at, last + 0.001)
        size = size or (frame.shape[1], frame.shape[0])
        if size != (frame.shape[1], frame.shape[0]):
            frame = cv2.resize(frame, size, interpolation=cv2.INTER_AREA)
        yield last, cv2.cvtColor(frame, cv2.COLOR_BGR2RGB)
