"""What gradio's MCP server needs to be told, so that tools return pictures as the page does."""

import base64
import logging
import os
from pathlib import Path
from typing import Any

import anyio.to_thread
import gradio as gr
import gradio.mcp
from gradio.utils import get_upload_folder
from PIL import Image


def mend_tools(page: gr.Blocks) -> None:
    """For a page that is being served."""
    if page.mcp_server_obj:
        page.mcp_server_obj.get_base64_data = _content  # type: ignore[method-assign, assignment]
        page.mcp_server_obj._execute_tool_without_progress = _outputs  # type: ignore[method-assign]
        # Where pictures that are sent as text are kept: gradio took the folder from the environment at its import.
        gradio.mcp.DEFAULT_TEMP_DIR = get_upload_folder()
        logging.getLogger("mcp").setLevel(logging.CRITICAL)  # these two would quote what visitors send
        logging.getLogger().addFilter(_not_of_mcp)


def _not_of_mcp(record: logging.LogRecord) -> bool:
    return f"{os.sep}mcp{os.sep}" not in record.pathname


def _content(image: Image.Image, form: str) -> str:
    """A picture's file in base64; gradio would write a JPEG anew and without its provenance. `form` is its format."""
    file = Path(image.filename)  # type: ignore[attr-defined]
    image.close()
    return base64.b64encode(file.read_bytes()).decode()


async def _outputs(job: Any) -> list[Any]:
    """What a tool returned, one by one; gradio takes several outputs for one, and shows their Python as text."""
    result = await anyio.to_thread.run_sync(job.result)
    return list(result) if isinstance(result, tuple) else [result]
