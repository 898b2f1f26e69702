"""A server on loopback that speaks the Hub's protocol, as far as a download goes, and may misbehave in many ways."""

import hashlib
import http.server
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar, cast

import pytest

from tests.support.loopback_server import LoopbackServer

COMMIT = "0123456789abcdef0123456789abcdef01234567"
NEXT_COMMIT = "89abcdef0123456789abcdef0123456789abcdef"


class Hub(http.server.BaseHTTPRequestHandler):
    """Serves the repository `org/mine`: config and card by itself, weights by a redirect to another origin.

    folder: the repository at its branch `main`, whose commit is `commit`. refusal: status and X-Error-Code for all
    questions. hangs: answers nothing until it is set. announced: a size that is told in place of the true one.
    damaged: weights are sent with other bytes than the checksum says. cut: weights end early. nameless: not a Hub.
    """

    folder: Path
    asked: ClassVar[list[str]]
    tokens: ClassVar[list[tuple[str, str | None]]]
    commit = COMMIT
    refusal: tuple[int, str] | None = None
    hangs: threading.Event | None = None
    announced: int | None = None
    damaged = False
    cut = False
    nameless = False

    def do_HEAD(self) -> None:
        self._answer(with_body=False)

    def do_GET(self) -> None:
        self._answer(with_body=True)

    def _answer(self, *, with_body: bool) -> None:
        self.asked.append(self.path)
        self.tokens.append((self.path, self.headers.get("Authorization")))
        if self.hangs:
            self.hangs.wait(60)
            return None
        if self.refusal:
            return self._refuse(*self.refusal)
        parts = self.path.strip("/").split("/")  # org / name / resolve / revision / file, or blobs / file
        if parts[0] == "blobs":
            return self._send((self.folder / parts[1]).read_bytes(), with_body=with_body)
        if parts[:2] != ["org", "mine"]:
            return self._refuse(404, "RepoNotFound")
        if parts[3] not in ("main", self.commit):
            return self._refuse(404, "RevisionNotFound")
        path = self.folder / parts[4]
        if not path.is_file():
            return self._refuse(404, "EntryNotFound")
        body = path.read_bytes()
        if path.suffix != ".safetensors":
            return self._send(body, with_body=with_body)
        self.send_response(302)
        port = cast(http.server.HTTPServer, self.server).server_port
        self.send_header("Location", f"http://localhost:{port}/blobs/{path.name}")
        self.send_header("X-Linked-Size", str(self.announced or len(body)))
        self.send_header("X-Linked-ETag", f'"{hashlib.sha256(body).hexdigest()}"')
        self.send_header("X-Repo-Commit", self.commit)
        self.send_header("Content-Length", "0")
        return self.end_headers()

    def _send(self, body: bytes, *, with_body: bool) -> None:
        self.send_response(200)
        self.send_header("ETag", f'"{hashlib.sha1(body).hexdigest()}"')
        if not self.nameless:
            self.send_header("X-Repo-Commit", self.commit)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.path.startswith("/blobs/"):
            body = body[:-4] + b"\0\0\0\0" if self.damaged else body[: len(body) // 2] if self.cut else body
        if with_body:
            self.wfile.write(body)

    def _refuse(self, status: int, code: str) -> None:
        self.send_response(status)
        self.send_header("X-Error-Code", code)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def serving(folder: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[type[Hub]]:
    """A server for that folder, to which the real client has been pointed, with a cache of its own."""
    hub: Any = type("Served", (Hub,), {"folder": folder, "asked": [], "tokens": []})
    server = LoopbackServer(("127.0.0.1", 0), hub)
    threading.Thread(target=server.serve_forever, args=[0.05], daemon=True).start()
    point_client(f"http://127.0.0.1:{server.server_port}", cache, monkeypatch)
    yield hub
    if hub.hangs:
        hub.hangs.set()
    server.shutdown()
    server.server_close()


def point_client(endpoint: str, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The client reads its environment once, at import; the names it keeps are set here."""
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "ENDPOINT", endpoint)
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", endpoint + "/{repo_id}/resolve/{revision}/{filename}")
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(cache))
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(constants, "HF_HUB_ETAG_TIMEOUT", 30)  # no test fails because the machine is busy
