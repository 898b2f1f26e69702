"""What a hostile visitor sends: values, files, bodies, addresses and damaged pictures. Always the same ones."""

import base64
import functools
import io
import json
import random
import struct
from collections.abc import Iterator
from typing import Any

import numpy as np
from PIL import Image

SEED = 20  # of everything here that is drawn by lot

META = {"_type": "gradio.FileData"}


def _deep(depth: int) -> Any:
    value: Any = "deep"
    for i in range(depth):
        value = [value] if i % 2 else {"data": value}
    return value


@functools.cache
def encoded_pictures() -> dict[str, bytes]:
    """One small picture in every format that the door reads."""
    import pillow_heif

    pillow_heif.register_heif_opener()
    ramp = np.linspace(0, 255, 48 * 32 * 3).reshape(32, 48, 3).astype(np.uint8)
    made = {}
    for form in ("jpeg", "png", "webp", "gif", "tiff", "bmp", "avif", "heif"):
        file = io.BytesIO()
        exif = Image.Exif()
        exif[0x0112] = 6
        extra: dict[str, Any] = {"exif": exif} if form in ("jpeg", "png", "webp", "tiff", "heif") else {}
        Image.fromarray(ramp).save(file, form, **extra)
        made[form] = file.getvalue()
    return made


def damaged(content: bytes, rng: random.Random, count: int) -> Iterator[bytes]:
    """Cut short, with bits flipped, with pieces moved, repeated, blanked, or with lengths that lie."""
    for i in range(count):
        data = bytearray(content)
        at, length = rng.randrange(len(data)), rng.randrange(1, 64)
        kind = i % 6
        if kind == 0:
            del data[at:]
        elif kind == 1:
            for _ in range(rng.choice([1, 3, 20, 200])):
                data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
        elif kind == 2:
            data[at:at] = data[max(0, at - length) : at] * rng.choice([1, 100])
        elif kind == 3:
            data[at : at + length] = bytes(min(length, len(data) - at))
        elif kind == 4:
            number = struct.pack(rng.choice(["<", ">"]) + "I", rng.choice([0, 1, 2**31 - 1, 2**32 - 1, 100_000]))
            data[at : at + 4] = number
        else:
            del data[at : at + length]
        yield bytes(data)


VALUES: list[Any] = [
    *(None, True, 0, -1, 2, 1.5, 1e308, -1e308, float("nan"), float("inf"), 10**25, 2**63),
    *("", " ", "1", "all", "x" * 100_000, "\0", "\ud800", "é" * 5000, "<img src=x onerror=alert(1)>", "{0.__class__}"),
    *("../../etc/passwd", "file:///etc/passwd", "/etc/passwd", "http://127.0.0.1:9/a.png", "+" * 5000, "gender:" * 100),
    *("data:image/png;base64,AAAA", "data:text/html,<script>", "1" * 4000, "1," * 2000, "'; DROP TABLE faces; --"),
    *([], [1, 2], [[]] * 1000, {}, {"a": 1}, {"path": 7}, {"path": None, "meta": META}, {"path": ""}, {"url": 3}),
    *({"__type__": "update", "value": 1}, {"value": "to_male", "__type__": "update"}, _deep(200), {"x" * 1000: "y"}),
    *({"path": ["a"], "meta": META}, {"path": "x" * 10_000, "meta": META}, {"meta": META}, {"_type": META["_type"]}),
]


def foreign_files(address: str, path: str) -> list[Any]:
    """Files that a visitor must not get at: a picture on another host, or one at a path here; and what is no file."""
    picture, host = base64.b64encode(encoded_pictures()["png"]).decode(), address.partition("//")[2]
    sources = [
        *(address, address.upper(), f"HTTP://{host}", f" {address}", f"//{host}", f"ftp://{host}"),
        *(path, f"file://{path}", f"./../../../../../..{path}", f"{path}\0.png", "README.md"),
        *(".git/config", "/etc/passwd", "/proc/self/environ", "/dev/zero", "/dev/stdin", "C:\\x.png", "~/.bashrc"),
        *(f"/gradio_api/file={path}", f"{address}/gradio_api/file={path}", f"/gradio_api/file=..{path}", "."),
        f"data:image/png;base64,{picture}",
    ]
    files: list[Any] = []
    for source in sources:
        file = {"path": source, "meta": META}
        files += [file, {"path": source}, {"url": source, "meta": META}, {"url": source}, source, [file]]
        files += [{**file, "url": source, "is_stream": True}, {**file, "path": "x.png", "url": source}]
        files.append({**file, "path": file})
    return files


def _json(content: Any) -> tuple[bytes, str]:
    return json.dumps(content).encode(), "application/json"


BODIES: list[tuple[bytes, str]] = [
    (b"", "application/json"),
    (b"{", "application/json"),
    (b"null", "application/json"),
    (b"\xff\xfe\x00", "application/json"),
    (b"[" * 100_000, "application/json"),
    (b'{"data":' * 20_000, "application/json"),
    (b'{"data": [' + b"9" * 20_000 + b"]}", "application/json"),
    (b'{"data": [1e999999]}', "application/json"),
    (b'{"data": [], "data": {}}', "application/json"),
    (b"\xef\xbb\xbf{}", "application/json"),
    _json({"data": ["x"] * 100_000}),
    _json({"data": _deep(900), "fn_index": 0, "session_hash": "a"}),
    _json({"data": [], "fn_index": 10**9, "session_hash": "a"}),
    _json({"data": [], "fn_index": "x", "session_hash": 1}),
    _json({"data": [], "fn_index": -1, "session_hash": "\0", "event_id": "../x"}),
    _json({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": []}}),
    _json([{"jsonrpc": "2.0", "id": 1, "method": "tools/list"}] * 50),
    (b"data=1", "application/x-www-form-urlencoded"),
    (b"text", "text/plain"),
    (b"", ""),
    (b"--b\r\n", "multipart/form-data"),
    (b"--b\r\n", "multipart/form-data; boundary=b"),
    (b"--b\r\ncontent-disposition: form-data; name=files; filename=a\r\n\r\nx", "multipart/form-data; boundary=b"),
    (b"--b\r\n\r\n\r\n--b--\r\n", "multipart/form-data; boundary=b"),
    (
        b'--b\r\ncontent-disposition: form-data; name="video"; filename="a"\r\n\r\nx\r\n--b--\r\n',
        "multipart/form-data; boundary=b",
    ),
]


def addresses(elsewhere: str) -> list[str]:
    """Addresses that lead out of the page, to another host, or to parts of gradio that nobody needs."""
    api = "/gradio_api"
    out = [
        *("/etc/passwd", "../../etc/passwd", "%2e%2e/%2e%2e/etc/passwd", "..%2fapp.py", "app.py", "README.md"),
        *(".git/config", "/proc/self/environ", "%00", "a" * 5000, "\\..\\app.py", elsewhere),
    ]
    doors = ("file=", "file/", "proxy=", "custom_component/x/client/component/../../")
    below = [
        *("info", "info?all_endpoints=true", "openapi.json", "config", "token", "user", "login_check", "app_id"),
        *("dev/reload", "heartbeat/x", "queue/data", "queue/data?session_hash=none", "queue/status", "theme.css"),
        *("call/translate/none", "call/nothing/none", "call/v2/x/none", "upload_progress", "startup-events"),
        *("stream/a/b/1/playlist.m3u8", "stream/a/b/1/x.ts", "stream/a/b/1/playlist-file", "deep_link?session_hash=a"),
        *("vibe-code", "profiling/traces", "run-history/records", "runs", "mcp", "mcp/", "mcp/schema", "mcp/sse"),
        *("mcp/schema?tools=x", "nothing", "?" + "a=b&" * 5000),
    ]
    return [
        *(f"{api}/{door}{path}" for door in doors for path in out),
        *(f"/{door}/{path}" for door in ("static", "assets", "svelte") for path in out),
        *(f"{api}/{path}" for path in below),
        *("/login", "/logout", "/config", "/monitoring", "/monitoring/summary", "/monitoring/x"),
        *("/pwa_icon/99999999999", "/pwa_icon/x", "/manifest.json", "/robots.txt", "/docs", "/redoc", "/openapi.json"),
        *("/favicon.ico", "/nothing"),
        *("/?__theme=<script>", "/?view=api", "/?deep_link=../../x", "/?oauth_token=x", "//", "/.env", "/.git/config"),
    ]
