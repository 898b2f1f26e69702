"""Builds the page: its title, its tabs and the About section."""

import gradio as gr

from demo.api.endpoints import add_api
from demo.context import PageContext
from demo.server.files import FILE_LIFETIME_SECONDS
from demo.server.gradio_patches import SafeBlocks, forget_session
from demo.tabs.about import add_about
from demo.tabs.face_cards import add_example_faces
from demo.tabs.gallery.tab import add_gallery
from demo.tabs.photo.example import ExampleView
from demo.tabs.photo.tab import add_photo
from demo.tabs.video.tab import add_video
from demo.tabs.webcam.tab import add_webcam

TITLE = "Face translation"
PURPOSE = (
    "See yourself as another gender, at another age or as an anime character. "
    "Only the faces change; the rest of the picture stays as it is."
)
PRIVACY = (
    "Your pictures are processed on this server and sent nowhere else. They and the results are deleted within ten "
    "minutes."
)


def build_page(context: PageContext, *, local: bool = True) -> gr.Blocks:
    """Returns the page, for `serve`. local: whether only people on this machine can open it."""

    def forget(request: gr.Request) -> None:
        forget_session(page, request.session_hash)

    with SafeBlocks(title=TITLE, delete_cache=(30, FILE_LIFETIME_SECONDS), analytics_enabled=False) as page:
        gr.HTML(f"<h1>{TITLE}</h1><p>{PURPOSE}</p>", elem_id="title")
        example = ExampleView(context)
        add_api(context)  # first: gradio numbers a name that an event of a tab has taken
        with gr.Tabs():
            with gr.Tab("Photo", id="photo"):
                made = add_photo(context, example)
            with gr.Tab("Webcam", id="webcam"):
                add_webcam(context, example)
            with gr.Tab("Video", id="video"):
                add_video(context)
            with gr.Tab("Gallery", id="gallery"):
                add_gallery(context, made)
        gr.HTML(f"<p>{PRIVACY}</p>", elem_classes="page-privacy")
        add_about(context, page, local=local)
        add_example_faces(context, example, ["#steps", "#video-steps"])
        page.unload(forget)
        page.queue(max_size=64, api_open=False)
    return page
