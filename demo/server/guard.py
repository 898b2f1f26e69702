"""What stands between the network and gradio, which answers malformed requests with tracebacks, or at any length."""

import json
import shutil
import sys
from pathlib import Path
from typing import Any

import gradio as gr
from gradio.exceptions import InvalidPathError
from gradio.utils import get_upload_folder, is_static_file
from starlette.types import ASGIApp, Message, Receive, Scope, Send

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

MALFORMED = 'This request does not fit: see "Use via API" at the foot of the page.'
UPLOAD_FIRST = "Send the picture itself: upload it first, then give the path from the answer."
LONGEST_SENTENCE = 250  # characters; what was sent may be quoted in it


class GuardedBlocks(gr.Blocks):
    """A page that works with visitors' own files only, and answers what it cannot make sense of with a sentence."""

    async def process_api(self, *args: Any, **others: Any) -> dict[str, Any]:
        try:
            _check_files(others.get("inputs"))
            return await super().process_api(*args, **others)
        except gr.Error as error:
            error.print_exception = False
            message = str(error.message)
            error.message = message if len(message) <= LONGEST_SENTENCE else f"{message[:LONGEST_SENTENCE]} ..."
            raise
        except InvalidPathError as error:
            raise gr.Error(UPLOAD_FIRST, print_exception=False) from error
        except Exception as error:  # of an event's own function none is left: those are told by `told`
            _note(error)
            raise gr.Error(MALFORMED, print_exception=False) from error
        finally:
            if others.get("simple_format"):  # a call of an endpoint: nobody comes back to the session that it was given
                self.state_holder.session_data.pop(str(others.get("session_hash")), None)


class Guard:
    """ASGI middleware: limits on bodies, and a sentence for each request that gradio stumbles over."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._mcp_calls = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
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
        if is_upload and shutil.disk_usage(_folder()).free < FREE_BYTES + length:
            return await _answer(send, 503, "There is no room for more pictures now: try again in ten minutes.")
        if is_call and self._mcp_calls >= MCP_CALLS:
            return await _answer(send, 503, "Too many calls at once: try again in a few seconds.")
        self._mcp_calls += is_call
        try:
            await self._pass_on(scope, receive, send, limit)
        finally:
            self._mcp_calls -= is_call

    async def _pass_on(self, scope: Scope, receive: Receive, send: Send, limit: int) -> None:
        taken, begun, ended, replaced = 0, False, False, False

        async def receive_counted() -> Message:
            nonlocal taken
            message = await receive()
            taken += len(message.get("body", b""))
            if taken > limit:
                raise _TooLargeError
            return message

        async def send_checked(message: Message) -> None:
            nonlocal begun, ended, replaced
            begun = True
            if message["type"] == "http.response.start" and message["status"] >= 500 and message["status"] != 503:
                replaced = ended = True
                await _answer(send, 400, MALFORMED)
            elif not replaced:
                ended = message["type"] == "http.response.body" and not message.get("more_body", False)
                await send(message)

        try:
            await self._app(scope, receive_counted, send_checked)
        except _TooLargeError:
            if not begun:
                await _answer(send, 413, _too_large(limit))
        except Exception as error:
            _note(error)
            if not begun:
                await _answer(send, 400, MALFORMED)
        if begun and not ended:  # a stream that gradio broke off: of an event that is not there, say
            await send({"type": "http.response.body", "body": b"", "more_body": False})


class _TooLargeError(Exception):
    """A body without a declared length went on for too long."""


def _check_files(value: Any) -> None:
    """Raises InvalidPathError for files that nobody has sent: gradio looks only at those that call themselves files."""
    if isinstance(value, dict):
        path = value.get("path")
        if isinstance(path, str) and not path.lower().startswith(("http:", "https:")):  # components refuse those
            within = Path(path).resolve().is_relative_to(_folder())
            if not within and not is_static_file(path):
                raise InvalidPathError
    for part in value.values() if isinstance(value, dict) else value if isinstance(value, list | tuple) else ():
        _check_files(part)


def _folder() -> Path:
    return Path(get_upload_folder()).resolve()


def _header(scope: Scope, name: bytes) -> str:
    return next((value.decode("latin-1").lower() for key, value in scope["headers"] if key == name), "")


def _too_large(limit: int) -> str:
    return f"This is more than the {limit // 2**20} MiB allowed: send less at once."


def _note(error: BaseException) -> None:
    """For the owner's log: the kind and the place, not the message, as that may name a visitor's file."""
    last, trace = None, error.__traceback__
    while trace:
        last, trace = trace, trace.tb_next
    place = f"{last.tb_frame.f_globals.get('__name__')}, line {last.tb_lineno}" if last else "nowhere"
    print(f"Refused: {type(error).__name__} in {place}", file=sys.stderr)


async def _answer(send: Send, status: int, sentence: str) -> None:
    # The rest of a body that was not read would be taken for the next request.
    headers = [(b"content-type", b"application/json"), (b"connection", b"close")]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": json.dumps({"detail": sentence}).encode()})
