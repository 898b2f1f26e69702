"""What a person sees of a run: a progress bar or lines, JSON lines in a file, and TensorBoard."""

import json
import math
import os
import struct
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from tqdm import tqdm

LOG_FILE = "log.jsonl"
TENSORBOARD_FOLDER = "tensorboard"
BAR_SECONDS = 0.5  # between two looks of the progress bar


def say(text: str, *, to_stderr: bool = False) -> None:
    """Prints a line, if anybody is there: a terminal that was closed, or a `head` that has ended, ends no run."""
    stream = sys.stderr if to_stderr else sys.stdout
    try:
        print(text, file=stream, flush=True)
    except OSError:
        with suppress(OSError, ValueError):  # so that what waits in the buffer is no fault when the program ends
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


class RunLog:
    """Writes the log of the run in `output`. In all processes but the main one it does nothing.

    At a terminal there is a progress bar; elsewhere every report is a line.
    """

    def __init__(self, output: Path, *, is_main_process: bool, pictures: int, progress: float = 0.0) -> None:
        """pictures: seen by the run until now. progress: share of the budget that this was."""
        self._is_main_process, self._path = is_main_process, output / LOG_FILE
        self._refused: set[str] = set()  # the logs that could not be written
        self._bar: Any = None
        self._board: Any = None
        self._drawn = 0.0
        self._hook: Callable[..., object] | None = None  # for faults of threads, as it was before this log
        if not is_main_process:
            return
        if sys.stderr.isatty():
            shown = "{percentage:5.1f}% |{bar}| {elapsed}, {remaining} left{postfix}"
            self._bar = tqdm(total=1.0, initial=progress, bar_format=shown, dynamic_ncols=True)
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError:
            self.say("TensorBoard is not installed (pip install tensorboard): the log is written to log.jsonl only")
        else:
            self._hook = threading.excepthook
            threading.excepthook = _without_tensorboards(self._hook)
            with self._tolerant(TENSORBOARD_FOLDER):
                self._board = SummaryWriter(str(output / TENSORBOARD_FOLDER), purge_step=pictures + 1)
        with self._tolerant(LOG_FILE):
            _forget_after(self._path, pictures)

    def advance(self, progress: float, rate: float) -> None:
        """progress: share of the budget, in [0, 1]. rate: pictures/s."""
        now = time.monotonic()
        if self._bar is not None and now - self._drawn > BAR_SECONDS:
            self._bar.n, self._drawn = progress, now
            with suppress(OSError):
                self._bar.set_postfix_str(f"{rate:.1f} pictures/s")

    def report(self, counts: dict[str, Any], means: dict[str, float]) -> None:
        """counts: `pictures`, `minutes`, and of the training `rate` (pictures/s), `left` (minutes), `learning_rate`.

        means: of losses, or scores.
        """
        if not self._is_main_process:
            return
        with self._tolerant(LOG_FILE), self._path.open("a") as file:
            file.write(json.dumps({**counts, **means}) + "\n")
        with self._tolerant(TENSORBOARD_FOLDER):
            if self._board is not None:
                drawn = means | {name: counts[name] for name in ("rate", "learning_rate") if name in counts}
                for name, value in drawn.items():
                    self._board.add_scalar(name, value, counts["pictures"])
                self._board.flush()
        line = f"{counts['minutes']:7.1f} min {counts['pictures']:9,} pictures"
        if "rate" in counts:
            line += f" {counts['rate']:6.1f}/s, {counts['left']:.0f} min left "
        self.say(line + "  " + "  ".join(f"{name} {value:.3f}" for name, value in means.items()))

    def show(self, name: str, picture: Path, pictures: int) -> None:
        """A PNG file for TensorBoard, which takes it as it is: to encode it once more would take most of a snapshot."""
        with self._tolerant(TENSORBOARD_FOLDER):
            if self._board is not None:
                from tensorboard.compat.proto.summary_pb2 import Summary

                png = picture.read_bytes()
                width, height = struct.unpack(">II", png[16:24])
                image = Summary.Image(encoded_image_string=png, width=width, height=height, colorspace=3)
                self._board.file_writer.add_summary(Summary(value=[Summary.Value(tag=name, image=image)]), pictures)
                self._board.flush()

    def say(self, text: str) -> None:
        if not self._is_main_process:
            return
        if self._bar is not None:
            with suppress(OSError):
                self._bar.write(text)
        else:
            say(text)

    def close(self) -> None:
        if self._bar is not None:
            with suppress(OSError):
                self._bar.close()
        with self._tolerant(TENSORBOARD_FOLDER):
            if self._board is not None:
                self._board.close()
        if self._hook is not None:
            threading.excepthook = self._hook

    @contextmanager
    def _tolerant(self, name: str) -> Iterator[None]:
        """Says once that a log cannot be written: it is worth less than the run."""
        try:
            yield
        except OSError as error:
            if name not in self._refused:
                self.say(f"note: {name} cannot be written ({error.strerror or error}); the run goes on without it")
            self._refused.add(name)
            if name == TENSORBOARD_FOLDER:
                self._board = None


def _without_tensorboards(hook: Callable[[threading.ExceptHookArgs], object]) -> Callable[..., object]:
    """What is called with the fault of a thread; not with a full disk that TensorBoard's own thread has met.

    The next thing that is written to TensorBoard raises it again, and there it is told in a line.
    """

    def report(fault: threading.ExceptHookArgs) -> None:
        theirs = type(fault.thread).__module__.startswith("tensorboard.")
        if not (theirs and issubclass(fault.exc_type, OSError)):
            hook(fault)

    return report


def _forget_after(path: Path, pictures: int) -> None:
    """Takes away the lines of what a killed run did after its last checkpoint: it is going to be done again."""
    if not path.exists():
        return
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    kept = [line for line in lines if _pictures(line) <= pictures]
    if len(kept) < len(lines):
        partial = path.with_name(f".{path.name}")
        partial.write_text("".join(f"{line}\n" for line in kept), encoding="utf-8")
        os.replace(partial, path)


def _pictures(line: str) -> float:
    """How far the run was, by a line of its log; infinitely far where the line is not whole."""
    try:
        return float(json.loads(line)["pictures"])
    except (ValueError, KeyError, TypeError):
        return math.inf
