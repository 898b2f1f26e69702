"""The About section: which weights are in use, where they come from, and a button to fetch new ones."""

import hmac
import os
import re
from typing import Any

import gradio as gr

from cyclegan_core.errors import CycleganError
from demo.context import PageContext
from demo.errors import visitor_errors

OWNER_KEY = "CYCLEGAN_OWNER_KEY"  # a secret of the Space; whoever knows it may fetch new weights
FILES = (
    "**What happens to a photo**: it and its result lie in a temporary folder of this server, and are deleted ten "
    "minutes after their last use. They are in no log, and nobody else is sent anything. Webcam frames are never "
    "written to a file."
)
ETHICS = (
    "**Use it kindly**: translate your own face or one whose owner agrees, and say that a picture is altered when you "
    "share it; its file says so too. The data have two labels for gender and few faces of some ages and skin tones: "
    "results are worse there. Nothing here identifies anybody."
)


def plain(text: str) -> str:
    """Escapes text from a file or from the Hub, so that Markdown shows it as it is."""
    return re.sub(r"([\\`*_{}\[\]<>#|!&])", r"\\\1", text)


def about(context: PageContext) -> str:
    """Describes the detector, the translations and the privacy rules, in Markdown."""
    name = context.studio().detector.name
    lines = ["### Faces", plain(context.registry.detector_status()) or f"{name} finds the faces."]
    for status in context.registry.statuses():
        words = " / ".join(status.labels.values())
        where = f"{plain(words)}: {plain(status.source)}, run by {status.engine}. " if status.engine else ""
        lines.append(f"### {plain(status.title)}\n\n{where}{plain(status.sentence)}".strip())
        if status.config is None:
            continue
        run = status.config.training
        if isinstance(run.get("pictures"), int) and "minutes" in run:
            device = f" on {plain(str(run['device']))}" if "device" in run else ""
            lines.append(
                f"Trained for {plain(str(run['minutes']))} minutes{device}, on {run['pictures']:,} pictures of each "
                f"kind. Data: {plain(status.config.data_licence)}."
            )
        if "quality" in run:
            lines.append(f"How good it is: {plain(str(run['quality']))}")
    return "\n\n".join([*lines, "### Privacy and ethics", FILES, ETHICS])


def add_about(context: PageContext, page: gr.Blocks, *, local: bool) -> None:
    """Adds the section. local: only people on this machine can open the page, so every visitor is its owner."""
    with gr.Accordion("About", open=False, elem_id="about"):
        said = gr.Markdown()
        key_needed = not local
        with gr.Row(visible=local or bool(os.environ.get(OWNER_KEY))):
            key = gr.Textbox(label="Owner's key", type="password", visible=key_needed, max_length=200, scale=2)
            button = gr.Button("Fetch new weights from the Hub", size="sm", scale=1)
        answer = gr.Markdown()

    def show() -> str:
        with visitor_errors():
            return about(context)

    def reload(given: str) -> tuple[str, str]:
        with visitor_errors():
            expected = os.environ.get(OWNER_KEY, "")
            if key_needed and not (expected and hmac.compare_digest(given.encode(), expected.encode())):
                raise CycleganError("That is not the owner's key.")
            context.studio()
            return context.registry.reload(), about(context)

    private: dict[str, Any] = {"queue": False, "api_visibility": "private"}
    page.load(show, None, said, **private)
    button.click(reload, key, [answer, said], api_visibility="private", concurrency_limit=1)
