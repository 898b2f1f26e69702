"""What a person sees of a run: a progress bar or lines, JSON lines in a file, and TensorBoard."""

import json
import sys
import time
from pathlib import Path
from typing import Any

from tqdm import tqdm

LOG_FILE = "log.jsonl"
TENSORBOARD_FOLDER = "tensorboard"
BAR_SECONDS = 0.5  # between two looks of the progress bar


class RunLog:
    """Writes the log of the run in `output`. Where `leads` is false, for all processes but one, it does nothing.

    At a terminal there is a progress bar; elsewhere every report is a line.
    """

    def __init__(self, output: Path, *, leads: bool, pictures: int) -> None:
        """pictures: seen by the run until now."""
        self._leads, self._path = leads, output / LOG_FILE
        self._refused = False  # whether the log could not be written
        self._bar: Any = None
        self._board: Any = None
        self._drawn = 0.0
        if not leads:
            return
        if sys.stderr.isatty():
            shown = "{percentage:5.1f}% |{bar}| {elapsed}, {remaining} left{postfix}"
            self._bar = tqdm(total=1.0, bar_format=shown, dynamic_ncols=True)
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError:
            self.say("TensorBoard is not installed (pip install tensorboard): the log is written to log.jsonl only")
        else:
            self._board = SummaryWriter(str(output / TENSORBOARD_FOLDER), purge_step=pictures + 1)

    def advance(self, progress: float, rate: float) -> None:
        """progress: share of the budget, in [0, 1]. rate: pictures/s."""
        now = time.monotonic()
        if self._bar is not None and now - self._drawn > BAR_SECONDS:
            self._bar.n, self._drawn = progress, now
            self._bar.set_postfix_str(f"{rate:.1f} pictures/s")

    def report(self, counts: dict[str, Any], means: dict[str, float]) -> None:
        """counts: `pictures`, `minutes`, `rate` (pictures/s) and `left` (minutes). means: of losses, or scores."""
        if not self._leads:
            return
        try:
            with self._path.open("a") as file:
                file.write(json.dumps({**counts, **means}) + "\n")
        except OSError as error:  # a line of a log is worth less than the run
            if not self._refused:
                self.say(f"note: {self._path.name} cannot be written ({error.strerror}); the run goes on without it")
            self._refused = True
        if self._board is not None:
            for name, value in {**means, **({"rate": counts["rate"]} if "rate" in counts else {})}.items():
                self._board.add_scalar(name, value, counts["pictures"])
            self._board.flush()
        line = f"{counts['minutes']:7.1f} min {counts['pictures']:9,} pictures"
        if "rate" in counts:
            line += f" {counts['rate']:6.1f}/s, {counts['left']:.0f} min left "
        self.say(line + "  " + "  ".join(f"{name} {value:.3f}" for name, value in means.items()))

    def show(self, name: str, picture: Any, pictures: int) -> None:
        """An RGB uint8 (H, W, 3) picture for TensorBoard."""
        if self._board is not None:
            self._board.add_image(name, picture, pictures, dataformats="HWC")
            self._board.flush()

    def say(self, text: str) -> None:
        if not self._leads:
            return
        if self._bar is not None:
            self._bar.write(text)
        else:
            print(text, flush=True)

    def close(self) -> None:
        if self._bar is not None:
            self._bar.close()
        if self._board is not None:
            self._board.close()
