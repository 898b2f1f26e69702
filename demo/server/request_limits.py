"""Limits on requests, in front of gradio, and a sentence in the place of every traceback."""

import json
import shutil
from contextlib import suppress
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from demo.errors import SERVER_FAULT, SERVER_FAULTS, is_server_fault, log_refusal
from demo.server.gradio_patches import MALFORMED, upload_folder

API = "/gradio_api/"
# Parts of gradio that this page does not use: some run programs or write files for whoever asks.
CLOSED = (
    *("process_recording", "vibe-", "undo-vibe", "deep_link", "proxy=", "run-history", "runs", "dev/"),
    *("custom_component", "mcp/sse", "mcp/messages"),  # calls by this older transport of MCP cannot be counted
)
UPLOAD_BYTES = 2**30  # one upload may hold many files, each within gradio's own limit
BODY_BYTES = 16 * 2**20  # everything else: JSON, with a picture as text in it at most
FREE_BYTES = 2**30  # that an upload must leave on the disk
MCP_CALLS = 16  # each holds one of the 40 threads that it shares with the page, for as long as it waits
ERROR_BYTES = 2**16  # of a failed answer, in which its sentence is looked for


class RequestLimits:
    """ASGI middleware: limits on bodies, and a sentence for each request that gradio fails on.

    A malformed request is answered with 400. A fault of the server stays 500. Both carry JSON with a `detail`.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._mcp_calls = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes a request on to the app, or answers it."""
        if scope["type"] != "http":
            return await self._app(scope, receive, send)
        path = scope["path"].removeprefix(scope.get("root_path", ""))
        below = path.removeprefix(API) if path.startswith(API) else ""
        is_upload, is_call = below.rstrip("/") == "upload", scope["method"] == "POST" and below.startswith("mcp")
        limit = UPLOAD_BYTES if is_upload else BODY_BYTES
        declared = _header(scope, b"content-length")
        length = int(declared) if declared.isdecimal() else 0
        if below.startswith(CLOSED) or path.startswith("/monitoring"):
            return await _answer(send, 404, "There is nothing at this address.")
        if length > limit:
            return await _answer(send, 413, _too_large(limit))
        if _header(scope, b"content-type").startswith("multipart/") and not is_upload:
            return await _answer(send, 415, "Files are only taken by the upload.")  # others leave them lying about
        if is_upload and shutil.disk_usage(upload_folder()).free < FREE_BYTES + length:
            return await _answer(send, 503, "There is no room for more pictures now: try again in ten minutes.")
        if is_call and self._mcp_calls >= MCP_CALLS:
            return await _answer(send, 503, "Too many calls at once: try again in a few seconds.")
        self._mcp_calls += is_call
        try:
            await self._pass_on(scope, receive, send, limit)
        finally:
            self._mcp_calls -= is_call

    async def _pass_on(self, scope: Scope, receive: Receive, send: Send, limit: int) -> None:
        received, answer = 0, _Answer(send)

        async def receive_counted() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            if received > limit:
                raise _TooLargeError
            return message

        try:
            await self._app(scope, receive_counted, answer.send)
        except _TooLargeError:
            if not answer.begun:
                await _answer(send, 413, _too_large(limit))
        except Exception as error:
            log_refusal(error)
            if not answer.begun:
                fault = is_server_fault(error)
                await _answer(send, 500 if fault else 400, SERVER_FAULT if fault else MALFORMED)
        await answer.finish()


class _Answer:
    """Passes an answer on, but for one of status 5xx, which is replaced by a sentence."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self._failed: bytes | None = None  # the beginning of the failed answer's body
        self.begun = self._ended = False

    async def send(self, message: Message) -> None:
        """Takes the messages of ASGI in the place of the server's own `send`."""
        self.begun = True
        if message["type"] == "http.response.start" and message["status"] >= 500 and message["status"] != 503:
            self._failed = b""
        elif self._failed is None:
            self._ended = message["type"] == "http.response.body" and not message.get("more_body", False)
            await self._send(message)
        else:
            self._failed = (self._failed + message.get("body", b""))[:ERROR_BYTES]

    async def finish(self) -> None:
        """Ends what is still open: a failed answer, or a stream that gradio broke off."""
        if self._failed is not None:
            sentence = _sentence(self._failed)
            await _answer(self._send, 500 if sentence in SERVER_FAULTS else 400, sentence)
        elif self.begun and not self._ended:
            await self._send({"type": "http.response.body", "body": b"", "more_body": False})


class _TooLargeError(Exception):
    """A body without a declared length went on for too long."""


def _sentence(body: bytes) -> str:
    """The sentence of an error of `demo.errors` or `SafeBlocks` that gradio sent with status 500."""
    with suppress(ValueError, RecursionError):
        content: Any = json.loads(body)
        if isinstance(content, dict) and isinstance(content.get("error"), str):
            return content["error"]
    return MALFORMED


def _header(scope: Scope, name: bytes) -> str:
    return next((value.decode("latin-1").lower() for key, value in scope["headers"] if key == name), "")


def _too_large(limit: int) -> str:
    return f"This is more than the {limit // 2**20} MiB allowed: send less at once."


async def _answer(send: Send, status: int, sentence: str) -> None:
    # The rest of a body that was not read would be taken for the next request.
    headers = [(b"content-type", b"application/json"), (b"connection", b"close")]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": json.dumps({"detail": sentence}).encode()})
