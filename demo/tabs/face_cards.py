"""Cards with a face in each direction, and gradio's radio buttons and check boxes turned into such cards.

The components stay as they are, for keyboards and screen readers; only CSS lays a picture over each label. The shape of
the cards is in `demo/page.css`.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

import gradio as gr
import numpy as np
from numpy.typing import NDArray

from demo.context import Choices, PageContext
from demo.pictures import data_url
from demo.tabs.photo.photo_state import CARD_SIDE, draw_face

if TYPE_CHECKING:
    from cyclegan_core.faces.face import Face
    from cyclegan_core.inference.composition import Layer

FACE_CARDS = "face-cards"  # class of the components that are shown as cards


def generate_each(
    context: PageContext, picture: NDArray[np.uint8], face: "Face", choices: Choices | None = None
) -> "dict[str, tuple[Layer, ...]]":
    """One face of an RGB uint8 (H, W, 3) picture in every direction for faces, by step; under "" as it is.

    choices: the directions that there are cards of; None for all on offer.
    """
    studio = context.studio()
    chains = {step: studio.chain(step) for _, step in choices or context.choices()}
    chains = {step: chain for step, chain in chains.items() if not studio.needs_no_face(chain)}
    layers = studio.generate(picture, [face] * len(chains), list(chains.values())) if chains else ()
    return {"": (), **dict(zip(chains, layers, strict=True))}


def card_pictures(picture: NDArray[np.uint8], face: "Face", each: "Mapping[str, tuple[Layer, ...]]") -> dict[str, str]:
    """The face as data URLs, by step. each: as `generate_each` returns it."""
    return {step: data_url(draw_face(picture, face, layers, 1.0, CARD_SIDE)) for step, layers in each.items()}


def card_style(selectors: Sequence[str], pictures: Mapping[str, str]) -> str:
    """A style element that gives cards their pictures.

    selectors: CSS selectors of components. pictures: addresses of pictures by step, which is the value of a choice.
    """
    places = f":is({', '.join(selectors)})"
    rules = "".join(
        f'{places} input:is([value="{step}"], [name="{step}"]) + span::before {{ background-image: url("{picture}"); }}'
        for step, picture in pictures.items()
        if step and not set(step) & set('"\\<>')
    )
    return f"<style>{rules}</style>"


def add_example_faces(pictures: Callable[[], Mapping[str, str]], selectors: Sequence[str]) -> None:
    """Adds a part without looks of its own to the page, which shows the example's face on the cards of components.

    pictures: called when the page opens, for addresses of pictures by step.
    """
    style = gr.HTML(elem_classes="face-cards-style", apply_default_css=False)
    gr.on(
        None,
        lambda: card_style(selectors, pictures()),
        None,
        style,
        queue=False,
        show_progress="hidden",
        api_visibility="private",
    )
