"""Fetching the detector's weights from a server that hangs, dribbles or lies, and not at all where one is offline."""

import http.server
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cyclegan_core.errors import CycleganError
from cyclegan_core.faces import detector_weights
from tests import ROOT
from tests.support.loopback_server import LoopbackServer

SHARED_WEIGHTS = ROOT.parent / "shared" / "weights" / detector_weights.FILE


class Slow(http.server.BaseHTTPRequestHandler):
    """`/hang` is silent, `/dribble` sends a byte now and then, `/ending` ends early, all until `ended` is set."""

    ended: threading.Event
    asked: list[str]

    def do_GET(self) -> None:
        self.asked.append(self.path)
        if self.path == "/hang":
            self.ended.wait(60)
            return
        self.send_response(200)
        self.send_header("Content-Length", str(detector_weights.SIZE))
        self.end_headers()
        while self.path == "/dribble" and not self.ended.wait(0.1):
            try:
                self.wfile.write(b"x")
                self.wfile.flush()
            except OSError:
                return

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def slow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[str, type[Slow]]]:
    """Address of the server, and what it knows; the cache is empty, and nothing else is asked for."""
    for variable in ("HF_HUB_OFFLINE", detector_weights.VARIABLE, detector_weights.ADDRESS_VARIABLE):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    handler: Any = type("Served", (Slow,), {"ended": threading.Event(), "asked": []})
    server = LoopbackServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, args=[0.05], daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}", handler
    handler.ended.set()
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize(
    ("path", "says"), [("/hang", "in time"), ("/dribble", "in time"), ("/ending", "not facexlib's")]
)
def test_a_slow_server_is_given_up(slow: tuple[str, type[Slow]], path: str, says: str) -> None:
    with pytest.raises(CycleganError, match=says) as caught:
        detector_weights.fetch(slow[0] + path, seconds=0.5)
    assert "127.0.0.1" not in str(caught.value)
    assert list(detector_weights.cache_path().parent.iterdir()) == []


def test_offline_nothing_is_asked(slow: tuple[str, type[Slow]], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(CycleganError, match="HF_HUB_OFFLINE"):
        detector_weights.fetch(slow[0] + "/ending")
    assert slow[1].asked == []


def test_the_environment_names_a_mirror(slow: tuple[str, type[Slow]], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(detector_weights.ADDRESS_VARIABLE, slow[0] + "/ending")
    with pytest.raises(CycleganError, match="not facexlib's file"):
        detector_weights.fetch()
    assert slow[1].asked == ["/ending"]


@pytest.mark.parametrize(
    "address", ["secret", "http://user:secret@127.0.0.1:x/", "http://127.0.0.1:9/secret", "nosuch:secret", "http:///"]
)
def test_a_malformed_address_is_a_sentence_that_does_not_repeat_it(
    slow: tuple[str, type[Slow]], address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(detector_weights.ADDRESS_VARIABLE, address)
    with pytest.raises(CycleganError, match="could not be downloaded") as caught:
        detector_weights.fetch()
    assert "secret" not in str(caught.value)


def test_damaged_weights_in_the_cache_are_fetched_again(slow: tuple[str, type[Slow]], tmp_path: Path) -> None:
    if not SHARED_WEIGHTS.is_file():
        pytest.skip("needs facexlib's detector weights, which are not on this machine")
    detector_weights.cache_path().parent.mkdir(parents=True)
    detector_weights.cache_path().write_bytes(b"damaged")
    shutil.copy(SHARED_WEIGHTS, tmp_path / "mirror.pth")
    fetched = detector_weights.fetch((tmp_path / "mirror.pth").as_uri())
    assert detector_weights.are_genuine(fetched.read_bytes())
