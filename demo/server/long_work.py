"""Work that takes minutes: its queue, its progress, and how a visitor stops it."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

# One at a time, and in a queue of its own: it must not keep those who want one photo waiting for minutes.
LONG_WORK_QUEUE: dict[str, Any] = {"concurrency_id": "long work", "concurrency_limit": 1}
WAITING_HTML = '<p class="nothing">Waiting for a turn…</p>'  # gradio writes the place in the queue over it


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

    def progress(self, done: float, total: float, unit: str = "") -> str:
        """A progress bar and the time left, as HTML. unit: of `done` and `total`; without it a percentage is shown."""
        share = min(done / total, 1.0) if total > 0 else 0.0
        left = f", {time_left((time.monotonic() - self._began) * (1 - share) / share)}" if 0 < share < 1 else ""
        words = f"{done:.0f} of {total:.0f} {unit}" if unit else f"{share:.0%}"
        return (
            f'<div class="progress"><progress value="{share:.3f}" max="1" aria-label="Progress"></progress>'
            f"<p>{words}{left}</p></div>"
        )


def time_left(seconds: float) -> str:
    """Seconds in words, rounded as coarsely as such an estimate is."""
    if seconds < 10:
        return "a few seconds left"
    if seconds < 55:
        return f"about {round(seconds / 10) * 10} s left"
    return f"about {max(1, round(seconds / 60))} min left"
