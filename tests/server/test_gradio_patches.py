"""For every patch of gradio: that gradio itself still needs it. A test that fails here says that a patch can go."""

import asyncio
import base64
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import gradio as gr
import gradio.mcp
import pytest
from gradio.exceptions import InvalidPathError
from gradio.state_holder import SessionState, StateHolder
from gradio.utils import get_upload_folder
from PIL import Image

from cyclegan_core import images
from demo.api.endpoints import SentPicture
from demo.file_input import FileInput
from demo.pictures import PhotoInput
from demo.server.gradio_patches import (
    MALFORMED,
    UPLOAD_FIRST,
    SafeBlocks,
    SmallStateHolder,
    check_files,
    use_small_sessions,
)
from demo.tabs.webcam.slow_mode import CameraInput

NOT_UPLOADED = {"path": "/etc/hostname"}


def call(blocks: type[gr.Blocks], data: list[Any]) -> dict[str, Any]:
    """The answer to a call of the one event of a page, with one JSON input."""
    with blocks() as page:
        value = gr.JSON()
        value.change(lambda value: value, value, value, api_name="same")
    (event,) = page.fns.values()
    session = SessionState(page)
    return asyncio.run(page.process_api(event, inputs=data, state=session))


def test_gradio_writes_stub_files_beside_components(tmp_path: Path) -> None:
    (tmp_path / "part.py").write_text("import gradio as gr\nclass Part(gr.HTML):\n    EVENTS = ['change']\n")
    subprocess.run([sys.executable, "-c", "import part"], cwd=tmp_path, check=True)
    assert (tmp_path / "part.pyi").exists(), "disable_stub_files can go"
    (tmp_path / "part.pyi").unlink()
    subprocess.run([sys.executable, "-c", "import demo, part"], cwd=tmp_path, check=True)
    assert not (tmp_path / "part.pyi").exists()


def test_gradio_lets_its_own_errors_out_for_malformed_calls() -> None:
    with pytest.raises(ValueError, match=r"."):  # with several lines about the components of the page
        call(gr.Blocks, [])
    with pytest.raises(gr.Error) as refused:
        call(SafeBlocks, [])
    assert refused.value.message == MALFORMED


def test_gradio_takes_paths_of_foreign_files_that_do_not_call_themselves_files() -> None:
    assert call(gr.Blocks, [NOT_UPLOADED])["data"], "check_files can go"
    with pytest.raises(gr.Error) as refused:
        call(SafeBlocks, [NOT_UPLOADED])
    assert refused.value.message == UPLOAD_FIRST
    with pytest.raises(InvalidPathError):
        check_files([{"a": [NOT_UPLOADED]}])


def test_gradio_would_fetch_an_address() -> None:
    address = "http://127.0.0.1:9/a.png"
    with gr.Blocks():
        own, theirs = PhotoInput(), gr.Image()
    with pytest.raises(gr.Error, match="not its address"):
        asyncio.run(own.async_move_resource_to_block_cache(address))
    with pytest.raises(Exception, match=r".") as tried:  # of the connection
        asyncio.run(theirs.async_move_resource_to_block_cache(address))
    assert not isinstance(tried.value, gr.Error), "UploadsOnly can go"


def test_browser_shows_our_components_with_gradios_scripts() -> None:
    with gr.Blocks():
        parts = PhotoInput(), SentPicture(), CameraInput(), FileInput()
    assert [part.get_block_name() for part in parts] == ["image", "image", "image", "file"]


def test_gradios_sessions_hold_a_copy_of_the_page() -> None:
    with gr.Blocks() as page:
        gr.Textbox()
    theirs = StateHolder()
    theirs.set_blocks(page)
    assert theirs["x"].config_values, "SmallStateHolder can go"
    assert theirs.time_last_used
    page.app = SimpleNamespace()
    use_small_sessions(page)
    ours = page.app.state_holder
    assert isinstance(ours, SmallStateHolder)
    assert not ours["x"].config_values
    assert not ours.time_last_used


def test_gradios_mcp_server_writes_pictures_anew(tmp_path: Path) -> None:
    images.save(images.load(Path(__file__).parents[2] / "examples" / "astronaut.jpg"), tmp_path / "a.jpg", made_by="x")
    with Image.open(tmp_path / "a.jpg") as picture:
        content = gradio.mcp.GradioMCPServer.get_base64_data(picture, "jpeg")
    assert base64.b64decode(content) != (tmp_path / "a.jpg").read_bytes(), "_file_content can go"


def test_gradios_mcp_server_takes_several_outputs_for_one() -> None:
    job: Any = SimpleNamespace(result=lambda: (1, 2))
    server: Any = None
    outputs = asyncio.run(gradio.mcp.GradioMCPServer._execute_tool_without_progress(server, job))
    assert outputs == [(1, 2)], "_outputs can go"


def test_gradios_mcp_server_does_not_follow_the_temporary_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path))
    assert get_upload_folder() == str(tmp_path)
    assert str(tmp_path) != gradio.mcp.DEFAULT_TEMP_DIR, "the line that sets it can go"
