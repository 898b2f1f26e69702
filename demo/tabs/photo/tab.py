"""The Photo tab: a photo goes in, and the same photo with its faces translated comes out."""

from pathlib import Path
from typing import Any

import gradio as gr

from demo.context import TRANSLATOR_QUEUE, PageContext
from demo.errors import visitor_errors
from demo.pictures import PhotoInput
from demo.server.files import FILE_LIFETIME_SECONDS
from demo.tabs.photo.actions import HINT, JPEG, PNG, WHOLE, UploadActions
from demo.tabs.photo.comparison import comparison
from demo.tabs.photo.face_strip import face_strip

EXAMPLES = Path(__file__).parents[3] / "examples"
# gradio gives the pictures to choose from no names, which a screen reader needs.
NAME_EXAMPLES = "() => document.querySelectorAll('#examples button').forEach((b, i) => b.ariaLabel = `Example ${i+1}`)"
LOOKING = f"(photo) => photo ? 'Looking for faces…' : '{HINT}'"
DOWNLOAD = """(file) => {
  const link = Object.assign(document.createElement('a'), { href: file.url, download: file.orig_name });
  document.body.append(link);
  link.click();
  link.remove();
}"""
SHOW_COMPARISON = """() => requestAnimationFrame(() => {
  document.querySelector('#comparison').scrollIntoView({ behavior: 'smooth', block: 'nearest' });
})"""
PRIVATE: dict[str, Any] = {"api_visibility": "private"}


def add_upload(context: PageContext) -> gr.State:
    """Builds the tab within the Blocks that are open.

    Returns the state that changes with every new translation of this visitor: the files of before and after, as large
    as the page shows them, and words.
    """
    actions = UploadActions(context)
    choices = context.choices()
    with gr.Row(equal_height=False):
        with gr.Column(scale=4, min_width=300):
            photo = PhotoInput(
                label="Photo",
                alt_text="Your photo",
                height=320,
                buttons=[],
                elem_id="photo",
                placeholder="# Drop a photo here\nor click to choose one",
            )
            examples = sorted(EXAMPLES.glob("*.jpg"))
            if examples:
                gr.Examples(
                    list(map(str, examples)),
                    photo,
                    label="Or try one of these",
                    cache_examples=False,
                    elem_id="examples",
                    **PRIVATE,
                )
            step = gr.Radio(choices, value=choices[0][1] if choices else None, label="Translation")
            then = gr.Dropdown([("Nothing more", ""), *choices], value="", label="Then", filterable=False)
            strength = gr.Slider(0, 1, value=1, step=0.01, label="Strength")
            with gr.Row():
                translate = gr.Button("Translate", variant="primary", min_width=120)
                compare = gr.Button("Compare all", min_width=120)
        with gr.Column(scale=7, min_width=300):
            said = gr.HTML(HINT, html_template='<p role="status">${value}</p>', js_on_load=None, elem_id="status")
            faces = face_strip()
            result = gr.ImageSlider(
                label="Before and after", interactive=False, buttons=["fullscreen"], max_height=560, elem_id="result"
            )
            with gr.Row(visible=False, equal_height=True, elem_id="save") as save:
                what = gr.Dropdown(
                    [("Full picture", WHOLE)], value=WHOLE, label="Save", filterable=False, min_width=180
                )
                form = gr.Radio([("PNG", PNG), ("JPEG", JPEG)], value=JPEG, label="As", min_width=180)
                download = gr.Button("Download", variant="primary", min_width=140)
    compared = comparison()
    file = gr.File(visible=False)
    work = gr.State(time_to_live=FILE_LIFETIME_SECONDS)
    made = gr.State(time_to_live=FILE_LIFETIME_SECONDS)

    def refresh() -> tuple[Any, Any]:
        with visitor_errors():
            context.studio()  # waits until the translations are loaded
            now = context.choices()
            return gr.Radio(now, value=now[0][1] if now else None), gr.Dropdown([("Nothing more", ""), *now], value="")

    gr.on(None, refresh, None, [step, then], js=NAME_EXAMPLES, queue=False, show_progress="hidden", **PRIVATE)

    photo.change(None, photo, said, js=LOOKING, **PRIVATE)
    photo.change(
        lambda: (None, None, gr.Row(visible=False), "", None),
        None,
        [faces, result, save, compared, work],
        queue=False,
        show_progress="hidden",
        **PRIVATE,
    ).then(
        actions.find,
        photo,
        [said, faces, what, form, work],
        trigger_mode="always_last",
        show_progress="minimal",
        show_progress_on=result,
        **TRANSLATOR_QUEUE,
        **PRIVATE,
    ).failure(lambda: HINT, None, said, queue=False, **PRIVATE)

    outputs: list[Any] = [result, said, faces, save, work, made]
    known: list[Any] = [step, then, strength, faces, work]
    working: dict[str, Any] = {"show_progress_on": result, **TRANSLATOR_QUEUE, **PRIVATE}
    translate.click(actions.translate, [photo, *known], outputs, scroll_to_output=True, **working)
    gr.on(
        [step.change, then.change, faces.input],
        actions.apply_again,
        known,
        outputs,
        trigger_mode="always_last",
        **working,
    )
    strength.change(
        actions.strengthen,
        [strength, faces, work],
        [result, faces],
        trigger_mode="always_last",
        show_progress="hidden",
        concurrency_limit=4,
        **PRIVATE,
    )
    compare.click(actions.compare, [photo, strength, faces, work], [compared, work], **working).success(
        None, js=SHOW_COMPARISON, **PRIVATE
    )
    compared.select(actions.use, [faces, work], faces, queue=False, show_progress="hidden", **PRIVATE).success(
        actions.apply, known, outputs, scroll_to_output=True, **working
    )
    saving: dict[str, Any] = {"show_progress_on": save, **TRANSLATOR_QUEUE, **PRIVATE}
    download.click(actions.save, [strength, what, form, work], file, **saving).success(
        None, file, None, js=DOWNLOAD, **PRIVATE
    )
    return made
