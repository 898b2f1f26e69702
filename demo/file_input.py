"""Files of any kind from visitors, by their paths here."""

from pathlib import Path
from typing import Any

import gradio as gr
from gradio.data_classes import FileData, ListFiles

from cyclegan_core.errors import CycleganError
from demo.pictures import told

MOST_FILES = 500  # in one go, which is more than anything here takes


class FileInput(gr.File):
    """A gr.File that gives paths: of files that this visitor's browser has sent, and that are here still."""

    is_template = True  # the browser shows it as the gr.File that it is

    def preprocess(self, payload: ListFiles | FileData | None) -> list[Path]:  # type: ignore[override]
        if payload is None:
            return []
        with told():
            sent = list(payload.root if isinstance(payload, ListFiles) else [payload])
            if len(sent) > MOST_FILES:
                raise CycleganError(f"These are {len(sent)} files, more than anything here takes: choose fewer.")
            return [Path(file.path) for file in sent]

    async def async_move_resource_to_block_cache(self, url_or_file_path: str | Path | None) -> str | None:
        if str(url_or_file_path).lower().startswith(("http:", "https:", "data:")):  # gradio would fetch it, of any size
            raise gr.Error("Send the file itself, not its address.", print_exception=False)
        return await super().async_move_resource_to_block_cache(url_or_file_path)

    def example_payload(self) -> Any:  # for the page on the API
        return {"path": "photos.zip", "url": "photos.zip", "meta": {"_type": "gradio.FileData"}}
