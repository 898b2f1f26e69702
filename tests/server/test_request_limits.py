"""Which fault is whose: a malformed request is answered with 400, a fault of the server with 500."""

import asyncio
import errno
import json
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from starlette.types import Message, Receive, Scope, Send

from cyclegan_core import images
from demo.errors import SERVER_FAULT, ServerFaultError, is_server_fault, visitor_errors
from demo.server.gradio_patches import MALFORMED
from demo.server.request_limits import RequestLimits

App = Callable[[Scope, Receive, Send], Awaitable[None]]


def answer_of(app: App) -> tuple[int, str]:
    """Status and sentence with which a request is answered that reaches `app`."""
    sent: list[Message] = []

    async def receive() -> Message:
        return {"type": "http.request", "body": b"{}", "more_body": False}

    async def send(message: Message) -> None:
        sent.append(dict(message))

    scope = {"type": "http", "method": "POST", "path": "/gradio_api/run/translate", "headers": []}
    asyncio.run(RequestLimits(app)(scope, receive, send))
    body = b"".join(message.get("body", b"") for message in sent)
    return sent[0]["status"], json.loads(body)["detail"]


def raising(error: BaseException) -> App:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        raise error

    return app


def answering(status: int, content: Any) -> App:
    """An app that answers as gradio does where an event has failed."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        body = json.dumps(content).encode()
        await send({"type": "http.response.start", "status": status, "headers": []})
        await send({"type": "http.response.body", "body": body[:5], "more_body": True})
        await send({"type": "http.response.body", "body": body[5:], "more_body": False})

    return app


@pytest.mark.parametrize("error", [KeyError("data"), TypeError("x"), ValueError("x"), RecursionError()])
def test_request_that_gradio_cannot_read_is_malformed(error: Exception) -> None:
    assert answer_of(raising(error)) == (400, MALFORMED)


@pytest.mark.parametrize("error", [OSError(errno.ENOSPC, "disk full"), OSError(errno.EMFILE, "x"), MemoryError()])
def test_machine_that_ran_out_of_something_is_a_server_fault(error: Exception) -> None:
    assert answer_of(raising(error)) == (500, SERVER_FAULT)


def test_error_in_our_own_code_is_a_server_fault() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        images.save("no picture", "x.png")  # type: ignore[arg-type]

    assert answer_of(app) == (500, SERVER_FAULT)


def test_answer_of_a_failed_event_says_whose_fault_it_was() -> None:
    assert answer_of(answering(500, {"error": SERVER_FAULT})) == (500, SERVER_FAULT)
    assert answer_of(answering(500, {"error": "Send a picture."})) == (400, "Send a picture.")
    assert answer_of(answering(500, {"error": None})) == (400, MALFORMED)
    assert answer_of(answering(500, ["error"])) == (400, MALFORMED)


def test_unexpected_error_of_an_event_is_a_server_fault(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ServerFaultError) as raised, visitor_errors():
        raise RuntimeError("x")
    assert is_server_fault(raised.value)
    assert "RuntimeError" in capsys.readouterr().err
