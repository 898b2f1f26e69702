"""Starts the web server for the page."""

import contextlib
import io
import socket
from pathlib import Path

import gradio as gr
from starlette.middleware import Middleware

from cyclegan_core.errors import CycleganError
from demo.languages.phrases import I18N, SCRIPT
from demo.server.gradio_patches import return_files_over_mcp, use_small_sessions
from demo.server.request_limits import RequestLimits
from demo.tabs.video.limits import MAX_FILE_BYTES  # of a video; photos are checked as they are read
from demo.theme import page_theme


def serve(page: gr.Blocks, host: str, port: int) -> None:
    """Serves the page in background threads and returns at once. Raises CycleganError where the port is taken."""
    try:
        socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET).close()
    except OSError as error:
        reason = error.strerror or error
        raise CycleganError(f"{host}:{port} cannot be had ({reason}): set GRADIO_SERVER_PORT to another.") from error
    with contextlib.redirect_stdout(io.StringIO()):  # gradio announces its MCP server even where it is to be quiet
        page.launch(
            server_name=host,
            server_port=port,
            prevent_thread_lock=True,
            quiet=True,
            theme=page_theme(),
            css_paths=sorted(Path(__file__).parents[1].rglob("*.css")),
            head=f"<script>{SCRIPT.read_text(encoding='utf-8')}</script>",
            i18n=I18N,
            footer_links=["api"],
            max_file_size=MAX_FILE_BYTES,
            run_history=False,
            enable_monitoring=False,
            state_session_capacity=1000,
            share=False,
            ssr_mode=False,
            pwa=False,
            mcp_server=True,
            app_kwargs={"middleware": [Middleware(RequestLimits)]},
        )
    return_files_over_mcp(page)
    use_small_sessions(page)
