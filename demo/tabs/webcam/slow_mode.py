"""The webcam by gradio's own streaming, which is slower, for browsers in which the live view does not work."""

import time
from typing import TYPE_CHECKING, Any

import gradio as gr
import numpy as np
from gradio.data_classes import ImageData
from numpy.typing import NDArray

from demo.context import PageContext
from demo.errors import visitor_errors
from demo.languages.phrases import phrase, say
from demo.pictures import PhotoInput
from demo.tabs.strength_slider import strength_slider
from demo.tabs.webcam import frames

if TYPE_CHECKING:
    from cyclegan_core.video.stream import FaceStream

PEOPLE = 2  # who can use it at the same time
TURN_SECONDS = 120
STREAM_EVERY = 0.1  # seconds; gradio manages no more than about ten frames a second with more than one person
STATE_LIFETIME_SECONDS = 60


class CameraInput(PhotoInput):
    """A gr.Image that streams a camera; its frames come as data URLs and are read by `frames.decode`."""

    def preprocess(self, payload: ImageData | None) -> NDArray[np.uint8] | None:  # type: ignore[override]
        if payload is None:
            return None
        with visitor_errors():
            return frames.decode(payload.url)


def add_slow_mode(context: PageContext) -> gr.Accordion:
    """Adds the slow mode to the tab that is being built, and returns the part that holds it."""

    def process(
        frame: NDArray[np.uint8] | None,
        first: str | None,
        then: str | None,
        strength: float,
        nearest: bool,
        stream: "FaceStream | None",
    ) -> tuple[str, "FaceStream | None"]:
        if frame is None:
            return "", stream
        with visitor_errors():
            from cyclegan_core.video.stream import FaceStream  # here, as PyTorch takes seconds to import

            studio = context.studio()
            stream = stream or FaceStream(studio)
            chain = studio.chain("+".join(filter(None, (first, then))))
            made = stream.process(frame, chain, strength=strength, time=time.monotonic(), largest_only=nearest)
            return f'<img src="{frames.encode(made)}" alt="{say("webcam.picture")}">', stream

    def choices() -> tuple[gr.Dropdown, gr.Dropdown]:
        with visitor_errors():
            context.studio()
            found = context.labelled()
        return gr.Dropdown(choices=found, value=context.favourite()), gr.Dropdown(
            choices=[(say("nothing_more"), ""), *found]
        )

    offered = context.offered_at_start()
    with gr.Accordion(phrase("webcam.slow.title"), open=False, elem_id="webcam-slow") as slow:
        gr.Markdown(phrase("webcam.slow.text"))
        with gr.Row():
            first = gr.Dropdown(offered, value=context.favourite(), label=phrase("translation"), min_width=200)
            then = gr.Dropdown([(phrase("nothing_more"), ""), *offered], value="", label=phrase("then"), min_width=200)
            strength = strength_slider(min_width=200)
            nearest = gr.Checkbox(label=phrase("webcam.slow.nearest"), min_width=200)
        with gr.Row():
            camera = CameraInput(
                label=phrase("webcam.camera"),
                sources=["webcam"],
                streaming=True,
                format="jpeg",
                buttons=[],
                min_width=280,
                webcam_options=gr.WebcamOptions(mirror=True, constraints={"video": {"width": 640, "height": 480}}),
            )
            shown = gr.HTML(elem_id="webcam-slow-picture", min_height=200)  # a gr.Image would write each to a file
    stream = gr.State(time_to_live=STATE_LIFETIME_SECONDS)
    private: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden"}
    camera.stream(
        process,
        [camera, first, then, strength, nearest, stream],
        [shown, stream],
        stream_every=STREAM_EVERY,
        time_limit=TURN_SECONDS,
        concurrency_id="webcam-slow",
        concurrency_limit=PEOPLE,
        **private,
    )
    slow.expand(choices, None, [first, then], queue=False, **private)
    return slow
