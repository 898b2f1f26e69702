"""Several visitors at once: everybody gets their own picture, and the page keeps little of the visit."""

from pathlib import Path

import httpx
import numpy as np
import pytest

from examples import load
from tests.support.serving import ServedPage, page

__all__ = ["page"]

VISITORS, TURNS = 6, 2


def test_everybody_gets_their_own_picture(page: ServedPage) -> None:
    report = load.run(page.address, load.Uploader, VISITORS, VISITORS * TURNS)
    assert not report.errors
    assert report.foreign == 0
    assert dict(report.done) == dict.fromkeys(range(VISITORS), TURNS)
    assert len(report.waits) == VISITORS * TURNS
    assert max(report.places) > 1, "people are told their place"


def test_everybody_sees_their_own_camera(page: ServedPage) -> None:
    files = {path for path in page.folder.rglob("*") if path.is_file()}
    report = load.run(page.address, load.Camera, 3, 9)
    assert not report.errors
    assert report.foreign == 0
    assert dict(report.done) == {0: 3, 1: 3, 2: 3}
    assert {path for path in page.folder.rglob("*") if path.is_file()} <= files, "frames are not written to files"


def test_the_check_knows_a_foreign_picture() -> None:
    mine, other, later = load.picture(1, 0), load.picture(2, 0), load.picture(1, 6)
    assert load.is_own(mine, mine.copy(), 0)
    assert not load.is_own(mine, other, 0)
    assert not load.is_own(mine, later, 0), "nor is another of one's own the one that was sent"
    assert not load.is_own(mine, other, 8)
    assert not load.is_own(mine, mine[:-1], 0)
    noisy = mine.astype(int) + np.random.default_rng(0).integers(-8, 9, mine.shape)
    assert load.is_own(mine, noisy.clip(0, 255).astype(np.uint8), 8)


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="needs /proc")
def test_calls_leave_little_behind(page: ServedPage) -> None:
    def call(times: int) -> None:
        with httpx.Client(base_url=page.api, timeout=60) as client:
            for _ in range(times):
                event = client.post("/call/info", json={"data": []}).raise_for_status().json()["event_id"]
                assert "event: complete" in client.get(f"/call/info/{event}").text

    call(50)
    before = page.memory()
    call(150)
    assert page.memory() - before < 15, "gradio's own 200 kB of each would make 30 MB"


def test_describe() -> None:
    report = load.Report(waits=[1.0, 3.0], totals=[2.0, 4.0], places=[1, 5], seconds=2.0, full=1)
    report.done.update([0, 1])
    report.errors["ValueError: x"] += 1
    said = load.describe(report, "uploads")
    assert "2 uploads in 2 s, 1.0 a second" in said
    assert "wait for the turn: median 2.00 s, longest 3.00 s, 1.5 times that" in said
    assert "at most 5" in said
    assert "1 times: ValueError: x" in said
