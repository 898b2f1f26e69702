"""Turns gradio's radio buttons and check boxes for directions into cards with a face.

The components stay as they are, for keyboards and screen readers; only CSS lays a picture over each label. The shape of
the cards is in `demo/page.css`.
"""

from collections.abc import Callable, Mapping, Sequence

import gradio as gr

FACE_CARDS = "face-cards"  # class of the components that are shown as cards


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
