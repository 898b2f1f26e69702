"""One face in every direction, side by side; each is a button that takes it."""

import html
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import gradio as gr
import numpy as np
from numpy.typing import NDArray

from demo.pictures import generate
from demo.tabs.photo.face_strip import LEAVE, file_address
from demo.tabs.photo.photo_state import Work, alone, draw

if TYPE_CHECKING:
    from cyclegan_core.inference.studio import Studio  # brings PyTorch, which the page does not wait for

SIDE = 256  # pixels of a face that is compared
SCRIPT = """element.addEventListener('click', (event) => {
  const button = event.target.closest('button');
  if (button) trigger('select', { step: button.dataset.step });
});"""


@dataclass(frozen=True, eq=False)
class Compared:
    """picture: RGB uint8. step: what made it, as text; LEAVE where nothing did. words: for people."""

    picture: NDArray[np.uint8]
    step: str
    words: str


def compare(
    studio: "Studio",
    picture: NDArray[np.uint8],
    work: Work,
    index: int,
    choices: Sequence[tuple[str, str]],
    strength: float,
) -> list[Compared]:
    """The original first. Of a photo without faces the whole of it, in the directions that need none."""
    chains = {step: studio.chain(step) for _, step in choices}
    offered = [(words, step) for words, step in choices if studio.whole(chains[step]) != bool(work.faces)]
    if not work.faces:
        made = [
            draw(studio, replace(work, layers=generate(studio, work.shown, (), [chains[s]])), strength)[0]
            for _, s in offered
        ]
        original = work.shown
    else:
        face = work.faces[index]
        layers = studio.generate(picture, [face] * len(offered), [chains[step] for _, step in offered])
        made = [alone(picture, face, items, strength, SIDE) for items in layers]
        original = alone(picture, face, (), strength, SIDE)
    rest = [Compared(after, step, words) for after, (words, step) in zip(made, offered, strict=True)]
    return [Compared(original, LEAVE, "Original"), *rest]


def comparison() -> gr.HTML:
    """Its value comes from `comparison_value`; its event `select` carries the `step` of what was clicked."""
    return gr.HTML("", js_on_load=SCRIPT, apply_default_css=False, elem_id="comparison")


def comparison_value(title: str, items: Sequence[tuple[str, Compared]], *, hint: str) -> str:
    """items: each with its file. hint: what a click does; without one there are no buttons."""
    cells = []
    for file, item in items:
        inside = f'<img src="{file_address(file)}" alt=""><span>{html.escape(item.words)}</span>'
        opening = f'button type="button" data-step="{html.escape(item.step)}"' if hint else "div"
        cells.append(f"<li><{opening}>{inside}</{opening.split()[0]}></li>")
    return f"<h3>{html.escape(title)}</h3><p>{html.escape(hint)}</p><ol>{''.join(cells)}</ol>"
