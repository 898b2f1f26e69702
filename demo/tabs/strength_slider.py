"""The strength, in per cent as the photo and webcam tabs show it, for the tabs that are made of gradio's components."""

from typing import Any

import gradio as gr

from cyclegan_core.inference.composition import STRONGEST
from demo.languages.phrases import phrase


class PercentSlider(gr.Slider):
    """A slider of per cents that gives event functions a share: 1 for 100."""

    is_template = True  # the browser shows it as the gr.Slider that it is

    def preprocess(self, payload: float) -> float:
        return super().preprocess(payload) / 100


def strength_slider(**options: Any) -> PercentSlider:
    """From 0 to 150 %. options: of gr.Slider."""
    most = round(100 * STRONGEST)
    return PercentSlider(0, most, value=100, step=1, label=f"{phrase('strength')} (%)", **options)
