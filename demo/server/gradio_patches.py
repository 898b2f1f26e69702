"""Every place where this page reaches into gradio's insides.

Each patch names the version of gradio that it was written for and why. `tests/server/test_gradio_patches.py` has one
test for each that fails once gradio no longer needs it, and the patch can go.
"""

import base64
import logging
import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import anyio.to_thread
import gradio as gr
import gradio.component_meta
import gradio.mcp
from gradio.exceptions import InvalidPathError
from gradio.state_holder import SessionState, StateHolder
from gradio.utils import get_upload_folder, is_static_file
from PIL import Image

from demo.errors import ServerFaultError, is_server_fault, log_refusal

MALFORMED = 'This request does not fit: see "Use via API" at the foot of the page.'
UPLOAD_FIRST = "Send the picture itself: upload it first, then give the path from the answer."
NO_ADDRESS = "Send the file itself, not its address."
LONGEST_SENTENCE = 250  # characters of an error, as it may quote what was sent


def upload_folder() -> Path:
    """The folder, resolved, in which gradio stores what visitors upload."""
    return Path(get_upload_folder()).resolve()


def disable_stub_files() -> None:
    """Stops gradio from writing a .pyi file beside each module that defines a component.

    gradio 6.31.0. Type checkers would read those files in the place of the modules.
    """
    gradio.component_meta.create_or_modify_pyi = lambda *_: None


class SafeBlocks(gr.Blocks):
    """A gr.Blocks that works with uploaded files only and answers every malformed call with one sentence.

    gradio 6.31.0. gradio checks only those values that call themselves files, lets its own KeyError and TypeError reach
    the caller, and keeps a session for each single call of an endpoint.
    """

    async def process_api(self, *args: Any, **others: Any) -> dict[str, Any]:
        """As gr.Blocks.process_api. Raises gr.Error for malformed requests, ServerFaultError for faults of ours."""
        try:
            check_files(others.get("inputs"))
            return await super().process_api(*args, **others)
        except gr.Error as error:
            error.print_exception = False
            message = str(error.message)
            error.message = message if len(message) <= LONGEST_SENTENCE else f"{message[:LONGEST_SENTENCE]} ..."
            raise
        except InvalidPathError as error:
            raise gr.Error(UPLOAD_FIRST, print_exception=False) from error
        except Exception as error:
            log_refusal(error)
            if is_server_fault(error):
                raise ServerFaultError from error
            raise gr.Error(MALFORMED, print_exception=False) from error
        finally:
            if others.get("simple_format"):  # an endpoint was called by name: nobody comes back to this session
                forget_session(self, str(others.get("session_hash")))


def check_files(value: Any) -> None:
    """Raises InvalidPathError where a JSON value names a file, at any depth, that no visitor has uploaded."""
    if isinstance(value, dict):
        path = value.get("path")
        if isinstance(path, str) and not path.lower().startswith(("http:", "https:")):  # components refuse those
            uploaded = Path(path).resolve().is_relative_to(upload_folder())
            if not uploaded and not is_static_file(path):
                raise InvalidPathError
    for part in value.values() if isinstance(value, dict) else value if isinstance(value, list | tuple) else ():
        check_files(part)


class UploadsOnly:
    """A mixin for file components: refuses web addresses, which gradio would fetch whatever their size.

    gradio 6.31.0. refused_schemes: how refused addresses begin.
    """

    refused_schemes: tuple[str, ...] = ("http:", "https:", "data:")

    def get_block_name(self) -> str:
        """The name of gradio's own component, whose script the browser loads."""
        return next(base for base in type(self).__mro__ if base.__module__.startswith("gradio.")).__name__.lower()

    async def async_move_resource_to_block_cache(self, url_or_file_path: str | Path | None) -> str | None:
        """As gradio's own, for paths. Raises gr.Error for an address."""
        if str(url_or_file_path).lower().startswith(self.refused_schemes):
            raise gr.Error(NO_ADDRESS, print_exception=False)
        return await super().async_move_resource_to_block_cache(url_or_file_path)  # type: ignore[misc]


class SmallStateHolder(StateHolder):
    """gradio's sessions without a copy of the whole page in each, which only deep links need.

    gradio 6.31.0. Left alone, a session takes 200 kB for good: 2 GB after 10,000 calls of an endpoint.
    """

    def __getitem__(self, session_id: str) -> SessionState:
        if session_id not in self.session_data:
            no_components = SimpleNamespace(default_config=self.blocks.default_config, blocks={})
            self.session_data[session_id] = SessionState(no_components)  # type: ignore[arg-type]
        state = super().__getitem__(session_id)
        self.time_last_used.clear()  # nothing reads it, and it would grow without end
        return state


def use_small_sessions(page: gr.Blocks) -> None:
    """Replaces the session states of a page that is being served. gradio 6.31.0."""
    holder = SmallStateHolder()
    holder.set_blocks(page)
    page.app.state_holder = holder


def forget_session(page: gr.Blocks, session_hash: str | None) -> None:
    """Drops what is known of a visitor who has left. gradio 6.31.0 would keep it for an hour."""
    page.state_holder.session_data.pop(session_hash, None)  # type: ignore[arg-type]


def return_files_over_mcp(page: gr.Blocks) -> None:
    """Makes the MCP tools of a page that is being served return pictures as its endpoints do.

    gradio 6.31.0 writes every picture anew, which drops its provenance; takes several outputs for one; keeps pictures
    that are sent as text in the folder that was set when gradio was imported; and logs what visitors send.
    """
    if page.mcp_server_obj:
        page.mcp_server_obj.get_base64_data = _file_content  # type: ignore[method-assign, assignment]
        page.mcp_server_obj._execute_tool_without_progress = _outputs  # type: ignore[method-assign]
        gradio.mcp.DEFAULT_TEMP_DIR = get_upload_folder()
        logging.getLogger("mcp").setLevel(logging.CRITICAL)
        logging.getLogger().addFilter(_is_not_from_mcp)


def _is_not_from_mcp(record: logging.LogRecord) -> bool:
    return f"{os.sep}mcp{os.sep}" not in record.pathname


def _file_content(image: Image.Image, form: str) -> str:
    file = Path(image.filename)  # type: ignore[attr-defined]
    image.close()
    return base64.b64encode(file.read_bytes()).decode()


async def _outputs(job: Any) -> list[Any]:
    result = await anyio.to_thread.run_sync(job.result)
    return list(result) if isinstance(result, tuple) else [result]
