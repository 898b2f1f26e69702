"""The Gallery tab: many photos at once, the results of this session, and examples of every translation."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from shutil import rmtree
from typing import TYPE_CHECKING, Any

import gradio as gr

from cyclegan_core.errors import CycleganError
from demo.context import PageContext
from demo.errors import error_text, nothing_html, status_html, visitor_errors
from demo.file_input import FileInput
from demo.languages.phrases import inside_sentence, phrase, say, say_count
from demo.server.files import FILE_LIFETIME_SECONDS
from demo.server.long_work import LONG_WORK_QUEUE, LongWork, waiting_html
from demo.tabs.face_cards import FACE_CARDS
from demo.tabs.gallery.batch import Batch, Request
from demo.tabs.gallery.history import GRID_SCRIPT, History, Item, card, delete, failed_card
from demo.tabs.gallery.model_cards import add_model_cards
from demo.tabs.photo.view import EXAMPLES
from demo.tabs.strength_slider import strength_slider

if TYPE_CHECKING:
    pass

PRIVATE: dict[str, Any] = {"api_visibility": "private"}
AT_ONCE: dict[str, Any] = {"queue": False, "show_progress": "hidden", **PRIVATE}
# In the queue, past which gradio shows no errors, but waiting for nobody.
CHECKS: dict[str, Any] = {"concurrency_limit": None, "show_progress": "hidden", **PRIVATE}
# Without its end, which browsers supply: where a text grows, only what is added to it is sent.
CARDS = '<ol class="cards">'


class GalleryActions:
    """The event functions of the form."""

    def __init__(self, context: PageContext) -> None:
        self._context = context

    def begin(self, photos: list[Path], steps: list[str], work: LongWork | None) -> tuple[Any, ...]:
        """Checks the form. Returns the work, both buttons, the status and an empty grid; raises gr.Error."""
        with visitor_errors():
            if not photos:
                raise CycleganError(say("gallery.first"))
            if not steps:
                raise CycleganError(say("gallery.which"))
            if work and work.running:
                raise CycleganError(say("gallery.busy"))
            buttons = gr.Button(interactive=False), gr.Button(say("gallery.stop"), visible=True, interactive=True)
            work = LongWork()
            self._context.files.protect(work, photos)
            return work, *buttons, waiting_html(), ""

    def translate(
        self, photos: list[Path], steps: list[str], then: str, strength: float, work: LongWork | None
    ) -> Iterator[tuple[Any, ...]]:
        """Yields the status, the grid, the ZIP button, the delete button and the outcome as results finish."""
        grid = empty_html()
        try:
            with visitor_errors():
                if work is None or work.running:
                    raise CycleganError(say("gallery.busy"))
                with work.turn():
                    for values in self._translate(photos, steps, then, strength, work):
                        grid = values[1]
                        yield values
        except gr.Error as error:
            yield status_html(error_text(error), problem=True), grid, *no_buttons(), None
        finally:
            if work and not work.running:
                self._context.files.release(work)

    def _translate(
        self, photos: list[Path], steps: list[str], then: str, strength: float, work: LongWork
    ) -> Iterator[tuple[Any, ...]]:
        waiting = *no_buttons(), None
        yield work.progress(0, 1), "", *waiting
        studio, files = self._context.studio(), self._context.files
        made: list[Item] = []
        grid = CARDS
        with Batch(photos, requests_for(self._context, steps, then), strength, studio, files) as batch:
            for result in batch.run(work.stopped):
                words_for_it = result.photo
                if result.words:
                    words_for_it = say("gallery.caption", name=result.photo, words=inside_sentence(result.words))
                if result.before and result.after:
                    made.append(Item(result.before, result.after, words_for_it, result.view))
                    grid += card(made[-1])
                else:
                    grid += failed_card(words_for_it, result.problem or "", result.before)
                notes = status_html(*batch.notes) if batch.notes else ""
                yield work.progress(batch.done, batch.total, results=True) + notes, grid, *waiting
            path = batch.finish()
        count = " ".join([say_count("gallery.made", len(made)), *([say("gallery.hint")] if made else [])])
        buttons = gr.DownloadButton(value=path and str(path), visible=path is not None), gr.Button(visible=bool(made))
        yield (
            status_html(count, *batch.notes),
            grid if batch.done else empty_html(),
            *buttons,
            Outcome(tuple(made), path),
        )

    def idle(self) -> tuple[Any, Any]:
        return gr.Button(interactive=True), gr.Button(visible=False)

    def stop(self, work: LongWork | None) -> Any:
        if work:
            work.stop()
        return gr.Button(say("gallery.stopping"), interactive=False)

    def delete(self, outcome: "Outcome | None", history: list[Item]) -> tuple[Any, ...]:
        """Deletes the ZIP and the results in the grid. Returns values like those of `translate`."""
        with visitor_errors():
            if outcome:
                delete(outcome.made, history)
                if outcome.archive:
                    rmtree(outcome.archive.parent, ignore_errors=True)
            return status_html(say("gallery.deleted")), empty_html(), *no_buttons(), None


@dataclass(frozen=True)
class Outcome:
    """The results of one run, and the path of their ZIP."""

    made: tuple[Item, ...]
    archive: Path | None


def no_buttons() -> tuple[Any, Any]:
    return gr.DownloadButton(visible=False, value=None), gr.Button(visible=False)


def empty_html() -> str:
    return nothing_html(say("gallery.empty"))


def chosen_at_first(context: PageContext) -> list[str]:
    favourite = context.favourite()
    return [favourite] if favourite else []


def requests_for(context: PageContext, steps: Sequence[str], then: str) -> list[Request]:
    """The translations to make of every photo: one for each step, followed by `then`."""
    chains = ["+".join(step for step in (first, then) if step) for first in dict.fromkeys(steps)]
    return [Request(context.words(context.studio().chain(chain)), chain) for chain in chains]


def add_gallery(context: PageContext, made_elsewhere: gr.State) -> None:
    """Builds the tab within the Blocks that are open.

    made_elsewhere: the state that `add_photo` returns, with the latest result of the Photo tab.
    """
    actions = GalleryActions(context)
    choices = context.offered_at_start()
    nothing_more = (phrase("nothing_more"), "")
    with gr.Row(equal_height=False):
        with gr.Column(scale=4, min_width=300):
            photos = FileInput(
                label=phrase("gallery.files"),
                file_count="multiple",
                height=200,
                elem_id="photos",
            )
            try_examples = gr.Button(phrase("gallery.try_examples"), size="sm")
            steps = gr.CheckboxGroup(
                choices,
                value=chosen_at_first(context),
                label=phrase("translations"),
                elem_id="steps",
                elem_classes=FACE_CARDS,
            )
            then = gr.Dropdown([nothing_more, *choices], value="", label=phrase("gallery.then"), filterable=False)
            strength = strength_slider()
            with gr.Row():
                button = gr.Button(phrase("gallery.translate"), variant="primary", min_width=120)
                stop = gr.Button(phrase("gallery.stop"), visible=False, min_width=120, elem_id="stop-batch")
        with gr.Column(scale=7, min_width=300):
            status = gr.HTML(elem_id="batch-status")
            with gr.Row():
                download = gr.DownloadButton(
                    str(phrase("gallery.download")), variant="primary", visible=False, min_width=160
                )
                delete_these = gr.Button(
                    phrase("gallery.delete_these"), visible=False, min_width=120, elem_id="delete-batch"
                )
            grid = gr.HTML(nothing_html(phrase("gallery.empty")), elem_id="batch", js_on_load=GRID_SCRIPT)
    gr.HTML(f"<h2>{phrase('gallery.visit')}</h2>")
    history = History()
    history.follow(made_elsewhere)
    gr.HTML(f"<h2>{phrase('gallery.examples')}</h2>")
    add_model_cards(context)
    outcome, work = gr.State(time_to_live=2 * FILE_LIFETIME_SECONDS), gr.State()

    def refresh() -> tuple[Any, Any]:
        with visitor_errors():
            context.studio()  # waits until the translations are loaded
            now = context.labelled()
            return (
                gr.CheckboxGroup(now, value=chosen_at_first(context)),
                gr.Dropdown([(say("nothing_more"), ""), *now], value=""),
            )

    def archive(entries: list[Item], outcome: Outcome | None) -> tuple[Any, ...]:
        with visitor_errors():
            return history.shown(entries, outcome.made if outcome else [])

    results: list[Any] = [status, grid, download, delete_these, outcome]
    gr.on(None, refresh, None, [steps, then], **AT_ONCE)
    try_examples.click(lambda: [str(path) for path in EXAMPLES], None, photos, **AT_ONCE)
    button.click(actions.begin, [photos, steps, work], [work, button, stop, status, grid], **CHECKS).success(
        archive,
        [history.entries, outcome],
        history.outputs,
        **AT_ONCE,  # before the grid begins anew
    ).success(
        actions.translate,
        [photos, steps, then, strength, work],
        results,
        show_progress_on=status,
        scroll_to_output=True,
        **LONG_WORK_QUEUE,
        **PRIVATE,
    ).then(actions.idle, None, [button, stop], **AT_ONCE).failure(actions.idle, None, [button, stop], **AT_ONCE)
    stop.click(actions.stop, work, stop, **AT_ONCE)
    delete_these.click(actions.delete, [outcome, history.entries], results, **AT_ONCE)
