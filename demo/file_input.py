"""A component for files of any kind from visitors."""

from pathlib import Path
from typing import Any

import gradio as gr
from gradio.data_classes import FileData, ListFiles

from cyclegan_core.errors import CycleganError
from demo.errors import visitor_errors
from demo.languages.phrases import say
from demo.server.gradio_patches import UploadsOnly

MOST_FILES = 500  # in one go, which is more than anything here takes


class FileInput(UploadsOnly, gr.File):
    """A gr.File that gives event functions the paths of the uploaded files."""

    is_template = True  # the browser shows it as the gr.File that it is

    def preprocess(self, payload: ListFiles | FileData | None) -> list[Path]:  # type: ignore[override]
        if payload is None:
            return []
        with visitor_errors():
            sent = list(payload.root if isinstance(payload, ListFiles) else [payload])
            if len(sent) > MOST_FILES:
                raise CycleganError(say("error.too_many_files", count=len(sent)))
            return [Path(file.path) for file in sent]

    def example_payload(self) -> Any:  # for the page on the API
        return {"path": "photos.zip", "url": "photos.zip", "meta": {"_type": "gradio.FileData"}}
