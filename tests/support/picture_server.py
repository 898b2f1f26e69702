"""A server on loopback for sets and shards: knows ranges, and may cut, slow, refuse or mislead.

The same files are those of a data set on the Hub, as far as huggingface_hub asks for when it reads them.
"""

import http.server
import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

from tests.support.loopback_server import LoopbackServer

REPOSITORY = "org/name"


@dataclass
class Manners:
    """How the server behaves. asked: path and Range of every request, in their order.

    cut_after: bytes after which each of the next `cuts` answers ends early. refusals: statuses of the next answers, 0
    where one is not refused. ranges: whether it knows them. hangs: answers stop after `cut_after` bytes till it is set.
    """

    folder: Path
    asked: list[tuple[str, str | None]] = field(default_factory=list)
    cut_after: int = 0
    cuts: int = 0
    refusals: list[int] = field(default_factory=list)
    ranges: bool = True
    hangs: threading.Event | None = None


class Pictures(http.server.BaseHTTPRequestHandler):
    manners: Manners

    def do_GET(self) -> None:
        manners = self.manners
        wanted = self.headers.get("Range")
        manners.asked.append((self.path, wanted))
        if manners.refusals and (status := manners.refusals.pop(0)):
            self.send_error(status)
            return
        if self.path.startswith(f"/api/datasets/{REPOSITORY}"):
            self._say(self._hub())
            return
        path = manners.folder / self.path.removeprefix(f"/datasets/{REPOSITORY}/resolve/main").lstrip("/")
        if not path.is_file():
            self.send_error(404)
            return
        body = path.read_bytes()
        start = 0
        if wanted and manners.ranges:
            found = re.fullmatch(r"bytes=(\d+)-(\d*)", wanted)
            assert found, wanted
            start = int(found[1])
            body = body[: int(found[2]) + 1] if found[2] else body
            if start >= len(body):
                self.send_response(416)
                self.send_header("Content-Range", f"bytes */{len(body)}")
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {start}-{len(body) - 1}/{len(body)}")
        else:
            self.send_response(200)
        self.send_header("Content-Length", str(len(body) - start))
        self.end_headers()
        sent = body[start:]
        if manners.hangs:
            self.wfile.write(sent[: manners.cut_after])
            self.wfile.flush()
            manners.hangs.wait(60)
            return
        if manners.cuts:
            manners.cuts -= 1
            sent = sent[: manners.cut_after]
        self.wfile.write(sent)

    def _hub(self) -> object:
        """What the Hub says of the data set, or of the files in it."""
        if not self.path.startswith(f"/api/datasets/{REPOSITORY}/tree/"):
            return {"id": REPOSITORY, "sha": "0" * 40, "siblings": []}
        files = sorted(self.manners.folder.iterdir())
        return [{"type": "file", "path": p.name, "size": p.stat().st_size, "oid": "0" * 40} for p in files]

    def _say(self, answer: object) -> None:
        body = json.dumps(answer).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def serving(folder: Path) -> Iterator[tuple[str, Manners]]:
    """The address, which ends in a slash, and how the server behaves there, to be changed as it runs."""
    manners = Manners(folder)
    handler = cast("type[Pictures]", type("Handler", (Pictures,), {"manners": manners}))
    server = LoopbackServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/", manners
    finally:
        if manners.hangs:
            manners.hangs.set()
        server.shutdown()
        server.server_close()
