"""What a hostile visitor can send to everything that the page answers to."""

import asyncio
import contextlib
import json
import random
import re
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from demo.server.request_limits import BODY_BYTES, UPLOAD_BYTES
from tests import ROOT
from tests.support.hostile import BODIES, SEED, VALUES, addresses, encoded_pictures, foreign_files
from tests.support.serving import PATIENCE, SECRET, ServedPage, page

__all__ = ["page"]

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning:PIL")

ENDPOINTS: dict[str, list[Any]] = {
    "translate": [None, "to_female", 1.0, "all"],
    "detect": [None],
    "compare": [None, 0, 1.0],
    "info": [],
}
LEAKS = (SECRET, "Traceback", 'File "', "site-packages", str(ROOT), "root:x:", "<object", "object at")
ADDRESS = re.compile(r"\b0x7f[0-9a-f]{8,}")  # of an object in memory; "0x7f" alone turns up in base64 now and then
SENTENCE = 300  # characters
INITIAL_STATE = r'"[\w.<> \\]+ at 0x[0-9a-f]+[\w>\\]+"'


class Visitor:
    """Sends what it is told to, and checks of each answer that it gives nothing away."""

    def __init__(self, page: ServedPage) -> None:
        self.page = page
        self.http = httpx.Client(timeout=PATIENCE, base_url=page.address)
        self.refusals = 0  # the sentences that `join` has checked

    def send(self, method: str, path: str, **what: Any) -> httpx.Response:
        """An answer: never a 5xx, but for 503, and nothing in it that is nobody's business."""
        with self.http.stream(method, path, **what) as answer:
            content = b""
            for piece in answer.iter_raw():
                content += piece
                if b"heartbeat" in path.encode() or len(content) > 5_000_000:
                    break
        text = content.decode(errors="replace")
        assert answer.status_code < 500 or answer.status_code == 503, (method, path, answer.status_code, text[:300])
        # The examples are served from where they lie, so their addresses say it; and gradio's description of the page
        # has Python's words for what a state begins as.
        self.check(re.sub(f"{ROOT / 'examples'}|{INITIAL_STATE}", "", text), f"{method} {path}")
        answer._content = content
        return answer

    def check(self, text: str, asked: str) -> None:
        for leak in LEAKS:
            assert leak not in text, (asked[:300], leak, text[max(0, text.find(leak) - 200) :][:600])
        if address := ADDRESS.search(text):
            raise AssertionError(asked[:300], text[max(0, address.start() - 200) :][:600])

    def join(self, path: str, body: Any, session: str | None = None, *, fails: bool = False) -> None:
        """Takes part in the queue to the end: every error there is one sentence. fails: nothing else may come of it."""
        content = json.dumps(body).encode(errors="surrogatepass")
        answer = self.send("POST", path, content=content, headers={"content-type": "application/json"})
        if answer.status_code != 200:
            return
        event = answer.json()["event_id"]
        waiting = f"queue/data?session_hash={session}" if session else f"call/x/{event}"
        text = self.send("GET", f"/gradio_api/{waiting}").text
        assert not fails or "event: error" in text, (body, text[:1000])
        for found in re.findall(r'^data: (\{.*"(?:error|output)".*\})$', text, re.MULTILINE):
            said = json.loads(found)
            said = said.get("output", said)
            if "error" in said:
                self.refusals += 1
                asked = json.dumps(body)[:300]
                assert isinstance(said["error"], str), (asked, text)
                assert 0 < len(said["error"]) < SENTENCE, asked
                assert "\n" not in said["error"], asked
                assert str(self.page.folder) not in said["error"], asked


@pytest.fixture(scope="module")
def visitor(page: ServedPage) -> Visitor:
    return Visitor(page)


@pytest.fixture(scope="module")
def picture(page: ServedPage) -> dict[str, Any]:
    return page.upload(encoded_pictures()["png"], "small.png")


@pytest.fixture(scope="module")
def other_host() -> Iterator[tuple[str, list[Any]]]:
    """Address of a server that no page should ask for anything, and what has asked for something."""
    asked: list[Any] = []
    with socket.create_server(("127.0.0.1", 0)) as server:

        def listen() -> None:
            with contextlib.suppress(OSError):
                while True:
                    connection, caller = server.accept()
                    asked.append(caller)
                    connection.close()

        threading.Thread(target=listen, daemon=True).start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}/a.png", asked


@pytest.mark.parametrize("endpoint", ENDPOINTS)
def test_wrong_inputs(visitor: Visitor, picture: dict[str, Any], endpoint: str) -> None:
    path, good = f"/gradio_api/call/{endpoint}", [picture, *ENDPOINTS[endpoint][1:]][: len(ENDPOINTS[endpoint])]
    earlier = visitor.refusals
    for position in range(len(good)):
        for value in VALUES:
            visitor.join(path, {"data": [*good[:position], value, *good[position + 1 :]]})
    lists: list[Any] = [[], good[:-1], [*good, 1], good * 20, None, 7, "data", {"image": picture}]
    bodies: list[Any] = [{}, [], None, {"data": good, "more": 1}, {"data": good, "session_hash": {"a": 1}}, "text"]
    for body in [*({"data": data} for data in lists), *bodies]:
        visitor.join(path, body)
    named: list[Any] = [{"image": picture, "colour": 1}, {"colour": 1}, {}, [], None, {"image": [1] * 1000}]
    for body in named:
        visitor.join(f"/gradio_api/call/v2/{endpoint}", body)
    assert visitor.refusals - earlier >= len(good) * len(VALUES) / 2, "most of these values are refused in a sentence"


def test_files_that_are_not_the_visitors(visitor: Visitor, other_host: tuple[str, list[Any]]) -> None:
    address, asked = other_host
    other = visitor.page.folder.parent / "not-yours.png"
    other.write_bytes(encoded_pictures()["png"])
    for file in foreign_files(address, str(other)):
        visitor.join("/gradio_api/call/detect", {"data": [file]}, fails=True)
    assert asked == []


def test_every_event_of_the_page_withstands_nonsense(visitor: Visitor, other_host: tuple[str, list[Any]]) -> None:
    address, asked = other_host
    rng = random.Random(SEED)
    files = foreign_files(address, str(ROOT / "README.md"))
    events = visitor.http.get("/config").json()["dependencies"]
    assert len(events) > 4
    for event in events:
        for kind in ("files", "values", "short"):
            data = [rng.choice(files if kind == "files" else VALUES) for _ in event["inputs"]]
            session = f"s{rng.getrandbits(64)}"
            body = {
                "data": data[: -1 if kind == "short" else None],
                "fn_index": event["id"],
                "session_hash": session,
                "event_data": rng.choice(VALUES),
                "trigger_id": rng.choice([None, 1, 10**9]),
            }
            visitor.join("/gradio_api/queue/join", body, session)
    assert asked == []


def test_server_functions_withstand_nonsense(visitor: Visitor) -> None:
    components = visitor.http.get("/config").json()["components"]
    offered = set(re.findall(r"server\.(\w+)", str(components)))
    own = [part["id"] for part in components if "server." in str(part)]
    rng = random.Random(SEED)
    for component in [*own, 0, -1, 10**9, "1", None, [1]]:
        for name in sorted(offered) if component in own else ("frame", "preprocess", "__init__"):
            for value in rng.sample(VALUES, 12 if component in own else 1):
                session = rng.choice(["a", None, "x" * 5000, 7])
                body = {"data": value, "component_id": component, "fn_name": name, "session_hash": session}
                visitor.send(
                    "POST",
                    "/gradio_api/component_server",
                    content=json.dumps(body),
                    headers={"content-type": "application/json"},
                )


def test_bodies_that_are_no_requests(visitor: Visitor) -> None:
    paths = [
        "call/translate",
        "call/v2/detect",
        "queue/join",
        "run/translate",
        "component_server",
        "cancel",
        "reset",
        "upload",
        "mcp/",
        "stream/x",
        "process_recording",
        "vibe-code",
    ]
    for path in paths:
        for body, kind in BODIES:
            headers = {"content-type": kind, "accept": "application/json, text/event-stream"}
            visitor.send("POST", f"/gradio_api/{path}", content=body, headers=headers)


def test_addresses(visitor: Visitor, other_host: tuple[str, list[Any]]) -> None:
    address, asked = other_host
    for path in addresses(address):
        answer = visitor.send("GET", path)
        assert "import gradio" not in answer.text, path
        assert "PRIVATE" not in answer.text, path
    for method in ("PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "BREW"):
        visitor.send(method, "/gradio_api/call/translate")
    assert asked == []


def test_calls_by_mcp(visitor: Visitor, picture: dict[str, Any]) -> None:
    headers = {"accept": "application/json, text/event-stream", "content-type": "application/json"}
    calls = [("detect", {"image": value}) for value in VALUES] + [("translate", value) for value in VALUES[::3]]
    for name, arguments in [*calls, *((name, {}) for name in ("nothing", "", "show", 7, None))]:
        body = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": name, "arguments": arguments}}
        text = visitor.send("POST", "/gradio_api/mcp/", content=json.dumps(body), headers=headers).text
        assert str(visitor.page.folder) not in text
    for method in ("initialize", "tools/list", "resources/read", "prompts/get", "completion/complete", "x", ""):
        odd: list[Any] = [{}, [], None, {"uri": "file:///etc/passwd", "name": "x" * 10000, "cursor": "../"}]
        for parameters in odd:
            body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": parameters}
            visitor.send("POST", "/gradio_api/mcp/", content=json.dumps(body), headers=headers)


def test_oversized_bodies_are_not_read(visitor: Visitor) -> None:
    for path in ("call/translate", "queue/join", "component_server", "mcp/", "upload"):
        length = (UPLOAD_BYTES if path == "upload" else BODY_BYTES) + 1
        start = f"POST /gradio_api/{path} HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\n"
        assert raw(visitor.page, f"{start}content-length: {length}\r\n\r\n").startswith(b"HTTP/1.1 413 "), path

    def endless() -> Iterator[bytes]:
        for _ in range(40):
            yield b" " * 2**20

    try:
        status = visitor.send("POST", "/gradio_api/call/translate", content=endless()).status_code
    except (httpx.WriteError, httpx.ReadError, httpx.RemoteProtocolError):
        status = None  # the server closed the connection while the body was still on its way
    assert status in (None, 400, 413)


def raw(page: ServedPage, data: str | bytes, *, half: bool = False) -> bytes:
    """What the server says to these bytes; `half`: once no more can come."""
    with socket.create_connection(("127.0.0.1", urlsplit(page.address).port or 0), timeout=10) as connection:
        connection.sendall(data if isinstance(data, bytes) else data.encode())
        if half:
            connection.shutdown(socket.SHUT_WR)
        with contextlib.suppress(OSError):
            return connection.recv(2**16)
    return b""


def test_half_closed_and_half_sent(visitor: Visitor) -> None:
    start = "POST /gradio_api/call/translate HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\n"
    rng, waiting = random.Random(SEED), []
    for data in (
        start,
        f"{start}content-length: 100\r\n\r\n{{",
        f"{start}transfer-encoding: chunked\r\n\r\nzz\r\n",
        rng.randbytes(500),
        b"\x16\x03\x01\x02\x00\x01\x00",
        "GET / HTTP/9.9\r\n\r\n",
        "\r\n" * 100,
        "GET /" + "a" * 100_000 + " HTTP/1.1\r\n\r\n",
        f"{start}content-length: -1\r\n\r\n",
    ):
        visitor.check(raw(visitor.page, data, half=True).decode(errors="replace"), repr(data)[:200])
    port = urlsplit(visitor.page.address).port or 0
    for _ in range(50):
        connection = socket.create_connection(("127.0.0.1", port), timeout=10)
        connection.sendall(f"{start}content-length: 100\r\n\r\n{{".encode())
        waiting.append(connection)
    assert visitor.page.call("info")[0] == "complete", "while fifty others let it wait"
    for connection in waiting:
        connection.close()


def test_uploads(visitor: Visitor) -> None:
    names = ("../../x.png", "a\0b.png", "x" * 5000 + ".png", "", ".png", "CON", "<img src=x>.png", "../" * 100, "é")
    for name in names:
        answer = visitor.send("POST", "/gradio_api/upload", files={"files": (name, b"no picture")})
        if answer.status_code == 200:
            (path,) = answer.json()
            assert Path(path).resolve().is_relative_to(visitor.page.folder.resolve())
            visitor.join("/gradio_api/call/detect", {"data": [{"path": path, "meta": {"_type": "gradio.FileData"}}]})
    for files in ({"other": ("a.png", b"")}, [("files", ("a.png", b""))] * 20):
        visitor.send("POST", "/gradio_api/upload", files=files)
    visitor.send("POST", "/gradio_api/upload", data={"files": "text"})


def test_hundreds_of_quick_calls(visitor: Visitor, picture: dict[str, Any]) -> None:
    async def flood() -> list[int]:
        limits = httpx.Limits(max_connections=50, max_keepalive_connections=0)
        async with httpx.AsyncClient(base_url=visitor.page.address, timeout=PATIENCE, limits=limits) as client:
            asked = [client.post("/gradio_api/call/detect", json={"data": [picture]}) for _ in range(300)]
            return [answer.status_code for answer in await asyncio.gather(*asked)]

    statuses = asyncio.run(flood())
    assert set(statuses) <= {200, 503}
    assert statuses.count(200) >= 20


def test_afterwards_the_page_is_as_it_was(page: ServedPage, visitor: Visitor) -> None:
    portrait = page.upload((ROOT / "examples" / "astronaut.jpg").read_bytes(), "astronaut.jpg")
    event, (_, said) = page.call("translate", portrait, "to_female", 1.0, "all")
    assert event == "complete"
    assert said["translated"] == [1]
    assert "Face translation" in visitor.http.get("/").text
    log = page.log.read_text(errors="replace")
    assert SECRET not in log
    assert "Traceback" not in log, log[-3000:]
    assert "small.png" not in log, "the log names nobody's file"
