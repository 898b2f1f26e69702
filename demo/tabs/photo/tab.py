"""The Photo tab: a photo goes in, and its faces are translated and shown at once."""

from typing import Any

import gradio as gr

from demo.context import TRANSLATOR_QUEUE, PageContext
from demo.server.files import FILE_LIFETIME_SECONDS
from demo.tabs.photo.actions import PhotoActions
from demo.tabs.photo.example import ExampleView
from demo.tabs.photo.view import photo_view

PRIVATE: dict[str, Any] = {"api_visibility": "private"}
DONE = "() => window.dispatchEvent(new Event('photodone'))"
FAILED = "() => window.dispatchEvent(new Event('photofailed'))"
SHARE = "(file) => window.dispatchEvent(new CustomEvent('photoshare', { detail: file }))"
DOWNLOAD = """(file) => {
  const link = Object.assign(document.createElement('a'), { href: file.url, download: file.orig_name });
  document.body.append(link);
  link.click();
  link.remove();
}"""


def add_photo(context: PageContext, example: ExampleView) -> gr.State:
    """Builds the tab within the Blocks that are open.

    Returns the state that changes with every new translation of this visitor: paths of the pictures before and after,
    in the size of the page, and a caption.
    """
    actions = PhotoActions(context)
    photo = photo_view()
    file = gr.File(visible=False)
    state = gr.State(time_to_live=FILE_LIFETIME_SECONDS)
    made = gr.State(time_to_live=FILE_LIFETIME_SECONDS)

    gr.on(None, example.get, None, photo, queue=False, show_progress="hidden", **PRIVATE)
    # "multiple", as the browser sends one after the other itself: see view.js.
    at_once: dict[str, Any] = {"trigger_mode": "multiple", **PRIVATE}
    working: dict[str, Any] = {"show_progress": "minimal", **TRANSLATOR_QUEUE, **at_once}
    following: dict[str, Any] = {"show_progress": "hidden", "concurrency_limit": 4, **at_once}
    outputs = [photo, state, made]
    for event in (
        photo.open_photo(actions.open_photo, None, outputs, **working),
        photo.edit(actions.edit, state, outputs, **working),
        photo.strengthen(actions.strengthen, state, photo, **following),
    ):
        event.success(None, js=DONE, **PRIVATE)
        event.failure(None, js=FAILED, **PRIVATE)
    once = working | {"trigger_mode": "once"}
    photo.save(actions.save, state, file, **once).success(None, file, None, js=DOWNLOAD, **PRIVATE)
    photo.share_file(actions.save, state, file, **once).success(None, file, None, js=SHARE, **PRIVATE)
    return made
