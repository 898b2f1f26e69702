"""Webcam sessions: who has a stream, who waits for one, and which frame is processed next."""

import asyncio
import math
import secrets
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from cyclegan_core.errors import CycleganError
from demo.languages.phrases import say

if TYPE_CHECKING:
    from cyclegan_core.video.stream import FaceStream

T = TypeVar("T")

MOST_STREAMS = 8
MOST_WAITING = 200
IDLE_SECONDS = 15.0  # without a frame, after which a stream is forgotten
AWAY_SECONDS = 10.0  # after which a person in the waiting line who no longer asks has left it
TURN_SECONDS = 180.0  # that a stream is sure of while others wait
FRAMES_PER_SECOND, BURST = 40.0, 20.0  # of one stream; a camera makes 30
SECONDS_BETWEEN_CARDS = 2.0  # of one stream
AT_ONCE = 2  # frames worked on at the same time, of all streams together
PATIENCE = 1.0  # seconds that a frame waits to be worked on


class EndedError(CycleganError):
    """The stream has ended; the visitor may begin another."""


class TooFastError(CycleganError):
    """A stream sends more frames than it may."""


class BusyError(CycleganError):
    """A frame was dropped because others take too long. people: how many are waiting."""

    def __init__(self, people: int) -> None:
        super().__init__(f"The server is busy: {people} {'person is' if people == 1 else 'people are'} waiting.")
        self.people = people


@dataclass(frozen=True)
class Waiting:
    """A place in the waiting line, counted from 1, and the ticket that identifies it."""

    ticket: str
    place: int


class Session:
    """One visitor's stream. `seconds` is the time within the stream, which only increases."""

    def __init__(self, stream: "FaceStream", now: float) -> None:
        self.token = secrets.token_urlsafe(16)  # 128 bits
        self.stream = stream
        self.began = self.seen = now
        self.seconds = 0.0
        self._stamp = math.inf
        self._credit = BURST
        self._cards = -math.inf
        self._working = threading.Lock()

    def take(self, stamp: object, now: float) -> None:
        """Accepts a frame with the browser's time stamp in ms, after which `release` must be called.

        Raises TooFastError. `seconds` follows the stamps while they are plausible, as network delays do
        not distort them.
        """
        self._credit = min(BURST, self._credit + (now - self.seen) * FRAMES_PER_SECOND)
        passed, self.seen = now - self.seen, now
        if self._credit < 1:
            raise TooFastError(f"More than {FRAMES_PER_SECOND:.0f} frames a second: slow down.")
        if not self._working.acquire(blocking=False):
            raise TooFastError("The last frame is still being worked on: send one at a time.")
        self._credit -= 1
        try:
            number = float(stamp) if isinstance(stamp, int | float) else math.nan
        except OverflowError:
            number = math.nan
        claimed = (number - self._stamp) / 1000
        self.seconds += claimed if 0 < claimed < passed + 1 else max(passed, 0.001)
        self._stamp = number if math.isfinite(number) else math.inf

    def take_cards(self, now: float) -> None:
        """Accepts a picture whose face is to be drawn on the cards. Raises TooFastError."""
        if now - self._cards < SECONDS_BETWEEN_CARDS:
            raise TooFastError(f"The cards are drawn at most every {SECONDS_BETWEEN_CARDS:.0f} seconds: slow down.")
        self._cards = now

    def release(self) -> None:
        """The accepted frame has been processed, or will not be."""
        self._working.release()


class Sessions:
    """Gives out at most `most` streams; later visitors wait in line. Safe for many threads.

    make: returns the stream of a new visitor. clock: returns the time in seconds.
    """

    def __init__(
        self, make: "Callable[[], FaceStream]", *, most: int = MOST_STREAMS, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._make, self._most, self.clock = make, most, clock
        self._lock = threading.Lock()
        self._sessions: dict[str, Session] = {}
        self._waiting: dict[str, float] = {}  # ticket -> when its owner last asked; in the order of the line
        self._sweeper: threading.Timer | None = None

    def __len__(self) -> int:
        return len(self._sessions)

    def begin(self, ticket: object = None) -> Session | Waiting:
        """Returns a new session or a place in line; the ticket of an earlier call keeps the place."""
        with self._lock:
            now = self.clock()
            self._forget(now)
            line = list(self._waiting)
            ahead = line.index(ticket) if isinstance(ticket, str) and ticket in self._waiting else len(line)
            if len(self._sessions) + ahead < self._most:
                self._waiting.pop(str(ticket), None)
                session = Session(self._make(), now)
                self._sessions[session.token] = session
                self._arm()
                return session
            if ahead == len(line):
                if ahead >= MOST_WAITING:
                    raise CycleganError(say("error.webcam_full"))
                ticket = secrets.token_urlsafe(16)
            self._waiting[str(ticket)] = now
            return Waiting(str(ticket), ahead + 1)

    def get(self, token: object) -> Session:
        """Returns the session of a token. Raises EndedError if it is unknown or must make room for others."""
        with self._lock:
            now = self.clock()
            self._forget(now)
            session = self._sessions.get(token) if isinstance(token, str) else None
            if session is None:
                raise EndedError(say("error.stream_ended"))
            oldest = min(self._sessions.values(), key=lambda session: session.began)
            if self._waiting and session is oldest and now - session.began > TURN_SECONDS:
                del self._sessions[session.token]
                raise EndedError(say("error.turn_ended"))
            return session

    def end(self, token: object) -> None:
        """Ends the session of a token, or gives up the place of a ticket. Ignores anything else."""
        with self._lock:
            if isinstance(token, str):
                self._sessions.pop(token, None)
                self._waiting.pop(token, None)

    def sweep(self) -> None:
        """Ends the sessions of visitors who have left. Repeats by a timer while there are sessions."""
        with self._lock:
            self._sweeper = None
            self._forget(self.clock())
            self._arm()

    def _forget(self, now: float) -> None:
        for token in [token for token, session in self._sessions.items() if now - session.seen > IDLE_SECONDS]:
            del self._sessions[token]
        for ticket in [ticket for ticket, asked in self._waiting.items() if now - asked > AWAY_SECONDS]:
            del self._waiting[ticket]

    def _arm(self) -> None:
        if self._sessions and self._sweeper is None:
            self._sweeper = threading.Timer(IDLE_SECONDS, self.sweep)
            self._sweeper.daemon = True
            self._sweeper.start()


class Turns:
    """Processes a few frames at a time, first come first served, which is fair as each stream sends one at a time."""

    def __init__(self, at_once: int = AT_ONCE, patience: float = PATIENCE) -> None:
        self._pool = ThreadPoolExecutor(at_once, thread_name_prefix="webcam")
        self._patience = patience
        self._asked: set[Future] = set()

    async def take(self, work: Callable[[], T], done: Callable[[], None]) -> T:
        """Runs `work` in a thread and returns its result. Raises BusyError if it does not begin within the patience.

        done: called when the work has ended or will never begin, even if the caller no longer waits.
        """

        def ended_at_last(future: Future) -> None:
            self._asked.discard(future)
            done()

        future = self._pool.submit(work)
        self._asked.add(future)
        future.add_done_callback(ended_at_last)
        ended = asyncio.wrap_future(future)
        await asyncio.wait([ended], timeout=self._patience)
        if future.cancel():
            raise BusyError(1 + sum(not (other.running() or other.done()) for other in tuple(self._asked)))
        return await ended
