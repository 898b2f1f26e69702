"""Work that takes minutes: its queue, its progress, and how a visitor stops it."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from demo.errors import nothing_html
from demo.languages.phrases import say

# One at a time, and in a queue of its own: it must not keep those who want one photo waiting for minutes.
LONG_WORK_QUEUE: dict[str, Any] = {"concurrency_id": "long work", "concurrency_limit": 1}


class LongWork:
    """One visitor's request. It is held in their gr.State, so that nobody else can stop it."""

    def __init__(self) -> None:
        self._stop = threading.Event()
        self._began = 0.0
        self.running = False

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Marks the work as running inside the block, which gradio closes when the visitor leaves; that stops it."""
        self._began = time.monotonic()
        self.running = True
        try:
            yield
        finally:
            self.running = False
            self.stop()

    def stop(self) -> None:
        """Asks the work to end soon; finished results stay."""
        self._stop.set()

    def stopped(self) -> bool:
        """Whether `stop` was called."""
        return self._stop.is_set()

    def progress(self, done: float, total: float, *, results: bool = False) -> str:
        """A progress bar and the time left, as HTML. results: whether `done` counts results."""
        share = min(done / total, 1.0) if total > 0 else 0.0
        counted = say("work.results", done=round(done), total=round(total))
        words = counted if results else say("work.percent", percent=round(100 * share))
        if 0 < share < 1:
            left = time_left((time.monotonic() - self._began) * (1 - share) / share)
            words = say("work.and_time", progress=words, time=left)
        bar = f'<progress value="{share:.3f}" max="1" aria-label="{say("work.progress")}"></progress>'
        return f'<div class="progress">{bar}<p>{words}</p></div>'


def time_left(seconds: float) -> str:
    """Seconds in words, rounded as coarsely as such an estimate is."""
    if seconds < 10:
        return say("work.moments")
    if seconds < 55:
        return say("work.seconds", seconds=round(seconds / 10) * 10)
    return say("work.minutes", minutes=max(1, round(seconds / 60)))


def waiting_html() -> str:
    """What is shown until the work begins; gradio writes the place in the queue over it."""
    return nothing_html(say("work.turn"))
