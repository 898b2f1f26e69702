"""What the browser shows on the Photo tab: the JSON value of one gr.HTML, which `view.js` renders."""

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

import cv2
import gradio as gr
import numpy as np
from numpy.typing import NDArray

from cyclegan_core import images
from demo.context import Choices, PageContext
from demo.languages.phrases import say
from demo.pictures import data_url

HERE = Path(__file__).parent
EXAMPLES = tuple(sorted((HERE.parents[2] / "examples").glob("*.jpg")))
FOR_DRAWINGS = frozenset({"anime:to_photo"})  # senseless for a photo, so these stand behind "More"
THUMBNAIL_SIDE = 96
PNG, JPEG = ".png", ".jpg"  # forms of what is saved
WHOLE, COMPARISON, LOOP = "whole", "comparison", "loop"  # what to save; a face alone is its index
# A part of view.html, in which ${...} is JavaScript, and runs in the browser.
EXAMPLE = """<button type="button" data-example="{index}"
aria-label="${{phrase('photo.example', {{ number: {number} }})}}">
<img src="{address}" alt="" width="44" height="44"></button>"""


def photo_view() -> gr.HTML:
    """The component. Its events `open_photo`, `edit`, `strengthen`, `save` and `share_file` carry choices."""
    examples = "".join(
        EXAMPLE.format(index=index, number=index + 1, address=data_url(_square(images.load(path)), 80))
        for index, path in enumerate(EXAMPLES)
    )
    template = (HERE / "view.html").read_text(encoding="utf-8")
    return gr.HTML(
        None,
        html_template=template.replace("EXAMPLES", examples),
        js_on_load=(HERE / "view.js").read_text(encoding="utf-8"),
        apply_default_css=False,
        elem_id="photo",
    )


def split_directions(context: PageContext, *, has_faces: bool) -> tuple[Choices, Choices]:
    """Splits the directions on offer into those with cards in the first row, and those behind "More".

    A photo without faces can only be translated by directions that take the whole picture.
    """
    studio, choices = context.studio(), context.labelled()
    whole = {step: studio.needs_no_face(studio.chain(step)) for _, step in choices}
    if not has_faces:
        return [choice for choice in choices if whole[choice[1]]], []
    first = [choice for choice in choices if not whole[choice[1]] and choice[1] not in FOR_DRAWINGS]
    rest = [choice for choice in choices if choice not in first]
    return (first, rest) if first else (rest, [])


def cards(
    choices: Choices, pictures: Mapping[str, str], idle: Collection[str] = ()
) -> list[dict[str, str | bool | None]]:
    """JSON of cards.

    pictures: addresses by step; a card without one shows its label only. idle: steps that hardly change the face.
    """
    return [
        {"step": step, "label": label, "picture": pictures.get(step), "idle": step in idle} for label, step in choices
    ]


def file_url(path: str) -> str:
    """The address at which the browser finds a file of gradio's folder."""
    return f"gradio_api/file={quote(path)}"


def save_choices(count: int) -> list[tuple[str, str]]:
    """What can be saved of a photo with `count` faces, as pairs of value and label."""
    alone = [(str(index), say("photo.face_alone", number=index + 1)) for index in range(count)]
    pictures = [(WHOLE, "photo.whole"), (COMPARISON, "before_and_after"), (LOOP, "photo.loop")]
    return [*((value, say(key)) for value, key in pictures), *alone]


def field(event: gr.EventData, name: str) -> Any:
    """A value that the browser sent with an event; None where it sent no such value."""
    try:
        return getattr(event, name)
    except (AttributeError, TypeError):
        return None


def _square(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The upper middle of a picture, where faces usually are, as a thumbnail."""
    height, width = picture.shape[:2]
    side = min(height, width)
    left = (width - side) // 2
    return cv2.resize(picture[:side, left : left + side], (THUMBNAIL_SIDE,) * 2, interpolation=cv2.INTER_AREA)
