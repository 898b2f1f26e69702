"""The endpoints as tools, by the client of the `mcp` package."""

import asyncio
import base64
import io
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import numpy as np
import pytest
from mcp import ClientSession
from mcp.client.streamable_http import streamable_http_client
from mcp.types import CallToolResult, ImageContent, TextContent, Tool
from PIL import Image

from cyclegan_core import images
from demo.server.request_limits import MCP_CALLS
from tests import ROOT
from tests.support.serving import SECRET, ServedPage, page

__all__ = ["page"]

PORTRAIT = ROOT / "examples" / "astronaut.jpg"


@asynccontextmanager
async def connected(page: ServedPage) -> AsyncIterator[ClientSession]:
    async with streamable_http_client(f"{page.api}/mcp/") as (read, write, _), ClientSession(read, write) as session:
        await session.initialize()
        yield session


def tools(page: ServedPage) -> list[Tool]:
    async def ask() -> list[Tool]:
        async with connected(page) as session:
            return (await session.list_tools()).tools

    return asyncio.run(ask())


def call(page: ServedPage, name: str, arguments: dict[str, Any], *, progress: bool = False) -> CallToolResult:
    async def note(progress: float, total: float | None, message: str | None) -> None: ...

    async def ask() -> CallToolResult:
        async with connected(page) as session:
            return await session.call_tool(name, arguments, progress_callback=note if progress else None)

    return asyncio.run(ask())


def text_of(result: CallToolResult) -> str:
    return "\n".join(part.text for part in result.content if isinstance(part, TextContent))


def picture_of(result: CallToolResult) -> bytes:
    (picture,) = [part for part in result.content if isinstance(part, ImageContent)]
    return base64.b64decode(picture.data)


def as_text(content: bytes, kind: str = "jpeg") -> str:
    return f"data:image/{kind};base64,{base64.b64encode(content).decode()}"


def test_only_the_endpoints_are_tools(page: ServedPage) -> None:
    offered = {tool.name: tool for tool in tools(page)}
    assert set(offered) == {"translate", "detect", "compare", "info"}
    schema = offered["translate"].inputSchema
    assert schema["required"] == ["image"]
    assert set(schema["properties"]) == {"image", "direction", "strength", "faces"}
    assert all(len(about["description"]) > 20 for about in schema["properties"].values())
    assert "Translates the faces" in (offered["translate"].description or "")


@pytest.mark.parametrize("progress", [False, True])  # gradio has two ways, by whether a client wants to be told
def test_a_picture_goes_in_and_comes_out(page: ServedPage, progress: bool) -> None:
    arguments = {"image": as_text(PORTRAIT.read_bytes()), "direction": "to_male"}
    result = call(page, "translate", arguments, progress=progress)
    assert not result.isError, text_of(result)
    content = picture_of(result)
    before, after = images.load(PORTRAIT).astype(int), images.load(content).astype(int)
    assert before.shape == after.shape
    assert np.abs(before - after).max() > 40
    assert b"AI-altered (gender: to male)" in content, "the client gets the file as it was made"
    assert "'translated': [1]" in text_of(result)


def test_a_picture_that_was_uploaded(page: ServedPage) -> None:
    path = page.upload(PORTRAIT.read_bytes(), "astronaut.jpg")["path"]
    result = call(page, "detect", {"image": f"{page.api}/file={path}"})
    assert not result.isError, text_of(result)
    assert "'number': 1" in text_of(result)


def test_compare_and_info(page: ServedPage) -> None:
    compared = call(page, "compare", {"image": as_text(PORTRAIT.read_bytes())})
    assert images.load(picture_of(compared)).shape[1] > 3 * 256
    said = call(page, "info", {})
    assert "to_stripes" in text_of(said)
    assert SECRET not in text_of(said)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"image": "http://127.0.0.1:9/a.png"}, "not its address"),
        ({"image": "file:///etc/passwd"}, "provide a url"),
        ({"image": "/etc/passwd"}, "provide a url"),
        ({"image": "http://127.0.0.1:9/gradio_api/file=/etc/passwd"}, "not its address"),
        ({"image": "http://127.0.0.1:9/gradio_api/file=../../../etc/passwd"}, "not its address"),
        ({"image": "data:image/png;base64,%%%"}, ""),
        ({"image": as_text(b"no picture", "png")}, "not a picture"),
        ({"image": as_text(PORTRAIT.read_bytes()), "direction": "to_dog"}, "to_dog"),
        ({"image": as_text(PORTRAIT.read_bytes()), "strength": "much"}, ""),
        ({"image": 7}, ""),
        ({}, "image"),
    ],
)
def test_refused_in_a_sentence(page: ServedPage, arguments: dict[str, Any], sentence: str) -> None:
    result = call(page, "translate", arguments)
    said = text_of(result)
    assert result.isError, said
    assert sentence in said
    for secret in ("Traceback", "root:", SECRET, str(page.folder), ".venv"):
        assert secret not in said
    assert len(said) < 500


def test_pictures_that_are_sent_as_text_are_kept_with_the_others(page: ServedPage) -> None:
    file = io.BytesIO()
    Image.new("RGB", (64, 48), "teal").save(file, "png")
    call(page, "detect", {"image": as_text(file.getvalue(), "png")})
    assert any(path.read_bytes() == file.getvalue() for path in page.folder.rglob("*.png"))


def test_many_calls_at_once_leave_room_for_the_page(page: ServedPage) -> None:
    """Each call keeps a thread of the server waiting, of the 40 that the page shares."""
    file = io.BytesIO()
    Image.new("RGB", (32, 32), "teal").save(file, "png")
    body = {
        "jsonrpc": "2.0",
        "id": 1,
        "method": "tools/call",
        "params": {"name": "detect", "arguments": {"image": as_text(file.getvalue(), "png")}},
    }

    async def flood() -> list[httpx.Response]:
        headers = {"accept": "application/json, text/event-stream"}
        async with httpx.AsyncClient(timeout=120, headers=headers, limits=httpx.Limits(max_connections=60)) as client:
            return await asyncio.gather(*(client.post(f"{page.api}/mcp/", json=body) for _ in range(60)))

    answers = asyncio.run(flood())
    assert {answer.status_code for answer in answers} == {200, 503}
    assert sum(answer.status_code == 200 for answer in answers) >= MCP_CALLS
    assert all("detector" in answer.text for answer in answers if answer.status_code == 200)
    assert json.loads(next(answer for answer in answers if answer.status_code == 503).text)["detail"].count(".") == 1
    assert page.call("info")[0] == "complete"
