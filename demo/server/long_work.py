"""Work that takes minutes: its turn, how far it is, and how a visitor ends it."""

import html
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import gradio as gr

# One at a time, and not in the turns of the other tabs: it must not keep those who want one photo waiting for minutes.
LANE: dict[str, Any] = {"concurrency_id": "long work", "concurrency_limit": 1}
WAITING = '<p class="nothing">Waiting for a turn…</p>'  # gradio writes the place in the queue over it


class LongWork:
    """What one visitor has asked for; kept in their gr.State, so that it is nobody else's."""

    def __init__(self) -> None:
        self._stop = threading.Event()
        self._began = 0.0
        self.running = False

    @contextmanager
    def turn(self) -> Iterator[None]:
        """While it is worked on. Whoever leaves ends it."""
        self._began = time.monotonic()
        self.running = True
        try:
            yield
        finally:
            self.running = False
            self.stop()

    def stop(self) -> None:
        """Ends it soon; what is made is kept."""
        self._stop.set()

    def stopped(self) -> bool:
        return self._stop.is_set()

    def progress(self, done: float, total: float, unit: str = "") -> str:
        """A bar and the time left, as HTML. unit: of `done` and `total`, which are shown where it is a word."""
        share = min(done / total, 1.0) if total > 0 else 0.0
        left = f", {time_left((time.monotonic() - self._began) * (1 - share) / share)}" if 0 < share < 1 else ""
        words = f"{done:.0f} of {total:.0f} {unit}" if unit else f"{share:.0%}"
        return (
            f'<div class="progress"><progress value="{share:.3f}" max="1" aria-label="Progress"></progress>'
            f"<p>{words}{left}</p></div>"
        )


def sentence_of(error: gr.Error) -> str:
    """What `told` has made of an error, as plain text."""
    return html.unescape(str(error.message))


def time_left(seconds: float) -> str:
    """In words, and no more exact than such a guess is."""
    if seconds < 10:
        return "a few seconds left"
    if seconds < 55:
        return f"about {round(seconds / 10) * 10} s left"
    return f"about {max(1, round(seconds / 60))} min left"


def said(*sentences: str, problem: bool = False) -> str:
    """Sentences as HTML that a screen reader reads out when they come."""
    kind = ' class="problem"' if problem else ""
    return f'<div role="status"{kind}>{"".join(f"<p>{html.escape(sentence)}</p>" for sentence in sentences)}</div>'
