"""The faces of a photo on the page: thumbnails, each with a translation of its own to choose."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import gradio as gr

from cyclegan_core.errors import CycleganError

AS_ABOVE, LEAVE = "", "leave"
SCRIPT = (Path(__file__).parent / "face_strip.js").read_text(encoding="utf-8")
Choices = Sequence[tuple[str, str]]


@dataclass(frozen=True)
class Asked:
    """What a visitor chose. chosen: for each face a step as text, AS_ABOVE or LEAVE. marked: the face to compare."""

    chosen: tuple[str, ...] = ()
    marked: int = 0


def face_strip() -> gr.HTML:
    """Its event `input` is a choice made; its value comes from `strip_value` and is read by `read_strip`."""
    # The page builds the list from the value itself: gradio would evaluate a template that holds a visitor's words.
    return gr.HTML(
        None,
        html_template='<ol class="faces" aria-label="Faces"></ol>',
        js_on_load=SCRIPT,
        apply_default_css=False,
        elem_id="faces",
    )


def strip_value(
    token: str, before: Sequence[str], after: Sequence[str] | None, choices: Choices, asked: Asked, *, keep: bool
) -> dict[str, Any]:
    """before, after: files. keep: where the page shows this photo already, what has been chosen there since is kept."""
    return {
        "photo": token,
        "faces": [
            {"before": file_address(path), "after": after and file_address(after[index])}
            for index, path in enumerate(before)
        ],
        "choices": [list(choice) for choice in choices],
        "chosen": list(asked.chosen),
        "marked": asked.marked,
        "keep": keep,
    }


def read_strip(payload: Any, token: str, count: int, choices: Choices) -> Asked:
    """What the page says was chosen for `count` faces. Raises CycleganError for what it cannot be."""
    if count == 0:
        return Asked()
    again = "Choose the photo again."
    if not isinstance(payload, dict) or payload.get("photo") != token:
        raise CycleganError(f"The faces on the page are not those of this photo. {again}")
    chosen, marked = payload.get("chosen"), payload.get("marked")
    if not isinstance(chosen, list) or len(chosen) != count or not all(isinstance(step, str) for step in chosen):
        raise CycleganError(f"There must be one choice for each face. {again}")
    if not {AS_ABOVE, LEAVE, *(step for _, step in choices)}.issuperset(chosen):
        raise CycleganError("One of the translations is no longer offered. Load the page anew.")
    if type(marked) is not int or not 0 <= marked < count:
        raise CycleganError(f"There is no such face to compare. {again}")
    return Asked(tuple(chosen), marked)


def file_address(path: str) -> str:
    """Where the page finds a file of gradio's folder."""
    return f"gradio_api/file={quote(path)}"
