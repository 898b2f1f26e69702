"""Builds the page: its title, its tabs and the About section."""

import gradio as gr

from demo.api.endpoints import add_api
from demo.context import PageContext
from demo.languages.phrases import ENGLISH, PHRASES, phrase
from demo.server.files import FILE_LIFETIME_SECONDS
from demo.server.gradio_patches import SafeBlocks, forget_session
from demo.tabs.about import add_about
from demo.tabs.face_cards import add_example_faces
from demo.tabs.gallery.tab import add_gallery
from demo.tabs.photo.example import ExampleView
from demo.tabs.photo.tab import add_photo
from demo.tabs.video.tab import add_video
from demo.tabs.webcam.tab import add_webcam

TITLE = "() => { document.title = phrase('page.title'); }"  # gradio translates what is on the page, not its name


def build_page(context: PageContext, *, local: bool = True) -> gr.Blocks:
    """Returns the page, for `serve`. local: whether only people on this machine can open it."""

    def forget(request: gr.Request) -> None:
        forget_session(page, request.session_hash)

    title = PHRASES[ENGLISH]["page.title"]  # for links to the page, which are made without a browser
    with SafeBlocks(title=title, delete_cache=(30, FILE_LIFETIME_SECONDS), analytics_enabled=False) as page:
        with gr.Column(elem_id="title"):
            gr.HTML(f"<h1>{phrase('page.title')}</h1>")
            gr.HTML(f"<p>{phrase('page.purpose')}</p>")
        example = ExampleView(context)
        add_api(context)  # first: gradio numbers a name that an event of a tab has taken
        with gr.Tabs():
            with gr.Tab(phrase("tab.photo"), id="photo"):
                made = add_photo(context, example)
            with gr.Tab(phrase("tab.webcam"), id="webcam"):
                add_webcam(context, example)
            with gr.Tab(phrase("tab.video"), id="video"):
                add_video(context)
            with gr.Tab(phrase("tab.gallery"), id="gallery"):
                add_gallery(context, made)
        gr.HTML(f"<p>{phrase('page.privacy')}</p>", elem_classes="page-privacy")
        add_about(context, page, local=local)
        add_example_faces(example.pictures, ["#steps", "#video-steps"])
        page.load(None, js=TITLE)
        page.unload(forget)
        page.queue(max_size=64, api_open=False)
    return page
