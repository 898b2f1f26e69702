"""Who may stream, who waits, whose turn it is: on a clock of the test's own."""

import asyncio
import math
import threading
import time
from functools import partial
from typing import Any

import pytest

from demo.server.sessions import (
    AWAY_SECONDS,
    BURST,
    FRAMES_PER_SECOND,
    IDLE_SECONDS,
    MOST_WAITING,
    TURN_SECONDS,
    BusyError,
    CycleganError,
    EndedError,
    Session,
    Sessions,
    TooFastError,
    Turns,
    Waiting,
)


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def sessions(clock: Clock) -> Sessions:
    return Sessions(object, most=2, clock=clock)  # type: ignore[arg-type]


def begun(sessions: Sessions, ticket: object = None) -> Session:
    session = sessions.begin(ticket)
    assert isinstance(session, Session)
    return session


def waiting(sessions: Sessions, ticket: object = None) -> Waiting:
    place = sessions.begin(ticket)
    assert isinstance(place, Waiting)
    return place


def test_idle_stream_is_forgotten(sessions: Sessions, clock: Clock) -> None:
    idle, busy = begun(sessions), begun(sessions)
    clock.now += IDLE_SECONDS - 1
    sessions.get(busy.token).take(0, clock.now)
    clock.now += 2
    assert sessions.get(busy.token) is busy
    with pytest.raises(EndedError, match="start again"):
        sessions.get(idle.token)
    assert len(sessions) == 1


def test_idle_stream_is_forgotten_though_nobody_calls(sessions: Sessions, clock: Clock) -> None:
    begun(sessions)
    clock.now += IDLE_SECONDS + 1
    sessions.sweep()  # as its timer does
    assert len(sessions) == 0


def test_line_is_first_come_first_served(sessions: Sessions, clock: Clock) -> None:
    first, _ = begun(sessions), begun(sessions)
    early, late = waiting(sessions), waiting(sessions)
    assert (early.place, late.place) == (1, 2)
    assert waiting(sessions, early.ticket) == early
    sessions.end(first.token)
    assert waiting(sessions, late.ticket).place == 2, "the place is the other one's"
    assert waiting(sessions).place == 3, "nor can somebody new jump in"
    begun(sessions, early.ticket)
    assert waiting(sessions, late.ticket).place == 1


def test_who_no_longer_asks_leaves_the_line(sessions: Sessions, clock: Clock) -> None:
    streams = [begun(sessions), begun(sessions)]
    gone, here = waiting(sessions), waiting(sessions)
    clock.now += AWAY_SECONDS - 1
    for session in streams:
        sessions.get(session.token).take(0, clock.now)
    assert waiting(sessions, here.ticket).place == 2
    clock.now += 2
    assert waiting(sessions, here.ticket).place == 1
    assert waiting(sessions, gone.ticket).place == 2


@pytest.mark.parametrize("ticket", ["x", 5, [], {}, "", 1e9, True])
def test_made_up_tickets_are_worth_nothing(sessions: Sessions, ticket: object) -> None:
    begun(sessions), begun(sessions), waiting(sessions)
    assert waiting(sessions, ticket).place == 2


def test_line_is_not_endless(sessions: Sessions) -> None:
    begun(sessions), begun(sessions)
    for place in range(MOST_WAITING):
        assert waiting(sessions).place == place + 1
    with pytest.raises(CycleganError, match="Too many people"):
        sessions.begin()


def test_long_turn_ends_only_while_others_wait(sessions: Sessions, clock: Clock) -> None:
    old, young = begun(sessions), begun(sessions)
    for _ in range(20):
        clock.now += TURN_SECONDS / 10
        old.seen = young.seen = clock.now
        assert sessions.get(old.token) is old
    ticket = waiting(sessions).ticket
    assert sessions.get(young.token) is young, "one at a time, the oldest first"
    with pytest.raises(EndedError, match="Others were waiting"):
        sessions.get(old.token)
    begun(sessions, ticket)
    assert sessions.get(young.token) is young


def test_frames_may_come_as_fast_as_a_camera_and_no_faster(sessions: Sessions, clock: Clock) -> None:
    session = begun(sessions)
    for number in range(300):
        clock.now += 1 / 30
        session.take(number * 1000 / 30, clock.now)
        session.release()
    for _ in range(int(BURST) - 1):
        session.take(0, clock.now)
        session.release()
    clock.now += 0.5 / FRAMES_PER_SECOND
    with pytest.raises(TooFastError, match="frames a second"):
        session.take(0, clock.now)
    clock.now += 2 / FRAMES_PER_SECOND
    session.take(0, clock.now)


def test_one_frame_at_a_time(sessions: Sessions, clock: Clock) -> None:
    session = begun(sessions)
    session.take(0, clock.now)
    with pytest.raises(TooFastError, match="one at a time"):
        session.take(1, clock.now)
    session.release()
    session.take(2, clock.now)


def test_time_goes_by_the_browsers_stamps(sessions: Sessions, clock: Clock) -> None:
    session = begun(sessions)
    seconds = []
    for stamp, passed in ((5000, 0.1), (5033, 0.2), (5066, 0.01), (5066, 0.05), (4000, 0.05), (4033, 0.0), (9e9, 0.05)):
        clock.now += passed
        before = session.seconds
        session.take(stamp, clock.now)
        session.release()
        seconds.append(session.seconds - before)
    # by the server's clock at first, where a stamp does not increase, and where it leaps ahead
    assert seconds == pytest.approx([0.1, 0.033, 0.033, 0.05, 0.05, 0.033, 0.05], abs=1e-9)


@pytest.mark.parametrize("stamp", [math.nan, math.inf, -math.inf, None, "1", [], 10**400])
def test_stamps_that_are_none_are_left_aside(sessions: Sessions, clock: Clock, stamp: object) -> None:
    session = begun(sessions)
    for each in (1000, stamp, 1100):
        clock.now += 0.05
        before = session.seconds
        session.take(each, clock.now)
        session.release()
        assert session.seconds - before == pytest.approx(0.05)


def test_turns_come_in_order_and_so_many_at_once() -> None:
    turns, running, most, order = Turns(at_once=2), 0, 0, []
    lock = threading.Lock()

    def work(number: int) -> int:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
            order.append(number)
        time.sleep(0.01)
        with lock:
            running -= 1
        return number

    def nothing() -> None: ...

    async def everybody() -> list[int]:
        return await asyncio.gather(*(turns.take(partial(work, number), nothing) for number in range(8)))

    assert asyncio.run(everybody()) == list(range(8))
    assert most == 2
    assert all(abs(place - number) <= 1 for place, number in enumerate(order))


def test_frame_whose_turn_does_not_come_is_given_up() -> None:
    turns, hold, done = Turns(at_once=1, patience=0.05), threading.Event(), []

    async def everybody() -> list[Any]:
        first = asyncio.create_task(turns.take(hold.wait, lambda: done.append("first")))
        await asyncio.sleep(0.01)
        late = await asyncio.gather(
            *(turns.take(lambda: None, lambda: done.append("late")) for _ in range(3)), return_exceptions=True
        )
        assert done == ["late"] * 3
        hold.set()
        assert await first, "what has begun is finished, however long it takes"
        return late

    late = asyncio.run(everybody())
    assert all(isinstance(error, BusyError) for error in late)
    assert {error.people for error in late} == {1, 2, 3}
    assert done == ["late"] * 3 + ["first"]
