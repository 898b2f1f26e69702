"""The Video tab: translates the faces of an uploaded video and keeps its sound."""

import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future
from contextvars import copy_context
from pathlib import Path
from typing import TYPE_CHECKING, Any

import gradio as gr

from cyclegan_core.errors import CycleganError, VideoCancelledError
from demo.context import TRANSLATOR_QUEUE, PageContext
from demo.errors import error_text, nothing_html, status_html, visitor_errors
from demo.file_input import FileInput
from demo.languages.phrases import phrase, say, say_count
from demo.server.files import FILE_LIFETIME_SECONDS
from demo.server.long_work import LONG_WORK_QUEUE, LongWork, waiting_html
from demo.tabs.face_cards import FACE_CARDS
from demo.tabs.strength_slider import strength_slider
from demo.tabs.video.limits import check
from demo.tabs.video.preview import VideoPreview

if TYPE_CHECKING:
    from cyclegan_core.inference.studio import Chain
    from cyclegan_core.video.translate import VideoReport

# Limits of the work; those of the file are in `limits`.
MOST_FRAMES = 60 * 60  # 60 frames a second, whatever the file says of its length
MOST_SECONDS_OF_WORK = 7 * 60.0
SURE_AFTER = 15.0  # seconds of work, when the time left is no longer a mere guess
EVERY = 0.5  # seconds between two looks at how far it is

PRIVATE: dict[str, Any] = {"api_visibility": "private"}
AT_ONCE: dict[str, Any] = {"queue": False, "show_progress": "hidden", **PRIVATE}
# In the queue, past which gradio shows no errors, but waiting for nobody.
CHECKS: dict[str, Any] = {"concurrency_limit": None, "show_progress": "hidden", **PRIVATE}


class VideoActions:
    """The event functions of the tab."""

    def __init__(self, context: PageContext) -> None:
        self._context = context

    def begin(self, videos: list[Path], work: LongWork | None) -> tuple[Any, ...]:
        """Checks the form. Returns the work, both buttons and the status; raises gr.Error."""
        with visitor_errors():
            if not videos:
                raise CycleganError(say("video.first"))
            if work and work.running:
                raise CycleganError(say("video.busy"))
            buttons = gr.Button(interactive=False), gr.Button(say("video.cancel"), visible=True, interactive=True)
            work = LongWork()
            self._context.files.protect(work, videos)
            return work, *buttons, waiting_html()

    def translate(
        self, videos: list[Path], step: str, then: str, strength: float, largest_only: bool, work: LongWork | None
    ) -> Iterator[tuple[str, Any]]:
        """Yields the status and the video, several times a second while it is translated."""
        try:
            with visitor_errors():
                if not videos:
                    raise CycleganError(say("video.first"))
                if work is None or work.running:
                    raise CycleganError(say("video.busy"))
                with work.turn():
                    yield from self._translate(videos[0], f"{step or ''}+{then or ''}", strength, largest_only, work)
        except gr.Error as error:
            yield status_html(error_text(error), problem=True), gr.skip()
        finally:
            if work and not work.running:
                self._context.files.release(work)

    def _translate(
        self, source: Path, steps: str, strength: float, largest_only: bool, work: LongWork
    ) -> Iterator[tuple[str, Any]]:
        yield work.progress(0, 1), gr.Video(value=None, visible=False)
        studio = self._context.studio()
        chain = studio.chain(steps)
        if not chain:
            raise CycleganError(say("error.translation_first"))
        check(source)
        names = "-".join(step.direction.replace("_", "-") for step in chain)
        target = self._context.files.new(f"{source.stem[:60]}-{names}.mp4")
        job = _Job(work)
        work_of_it = [job.run, self._context, source, target, chain, strength, largest_only]
        threading.Thread(target=copy_context().run, args=work_of_it, daemon=True).start()  # with the visitor's language
        while not job.wait(EVERY):
            yield work.progress(job.share, 1), gr.skip()
        try:
            report = job.report()
        except VideoCancelledError:
            yield status_html(job.given_up or say("video.cancelled")), gr.skip()
            return
        yield (
            status_html(*sentences(report, whole=studio.needs_no_face(chain))),
            gr.Video(value=str(target), visible=True),
        )

    def idle(self) -> tuple[Any, Any]:
        return gr.Button(interactive=True), gr.Button(visible=False)

    def cancel(self, work: LongWork | None) -> Any:
        if work:
            work.stop()
        return gr.Button(say("video.cancelling"), interactive=False)


class _Job:
    """Runs the translation in a thread of its own, so that its progress can be shown."""

    def __init__(self, work: LongWork) -> None:
        self._work = work
        self._outcome: Future[VideoReport] = Future()
        self._began = time.monotonic()
        self._frames = 0
        self.share = 0.0
        self.given_up: str | None = None

    def run(
        self, context: PageContext, source: Path, target: Path, chain: "Chain", strength: float, largest_only: bool
    ) -> None:
        from cyclegan_core.video.translate import translate_video  # here, as PyTorch takes seconds to import

        try:
            self._outcome.set_result(
                translate_video(
                    source,
                    target,
                    context.studio(),
                    chain,
                    strength=strength,
                    largest_only=largest_only,
                    progress=self._note,
                    cancelled=self._is_over,
                )
            )
        except BaseException as error:
            self._outcome.set_exception(error)

    def wait(self, seconds: float) -> bool:
        """Waits at most so many seconds. Returns whether the translation has ended."""
        try:
            self._outcome.exception(seconds)
        except TimeoutError:
            return False
        return True

    def report(self) -> "VideoReport":
        """Returns the report of the ended translation, or raises its error."""
        return self._outcome.result()

    def _note(self, share: float, seconds_left: float | None) -> None:
        self.share = share
        spent = time.monotonic() - self._began
        needed = spent + (seconds_left or 0.0)
        if spent > MOST_SECONDS_OF_WORK or (spent > SURE_AFTER and needed > 1.5 * MOST_SECONDS_OF_WORK):
            self.given_up = say("video.too_slow", minutes=round(MOST_SECONDS_OF_WORK / 60))

    def _is_over(self) -> bool:
        self._frames += 1
        if self._frames > MOST_FRAMES:
            self.given_up = say("video.too_many_frames", count=MOST_FRAMES)
        return self._work.stopped() or self.given_up is not None


def sentences(report: "VideoReport", *, whole: bool = False) -> list[str]:
    """Describes a translated video in sentences. whole: whether whole pictures were translated instead of faces."""
    if not whole and not report.frames_with_faces:
        return [say("video.no_face")]
    seconds, share = round(report.seconds), report.frames_with_faces / report.frames
    if whole:
        done = say("video.done_whole", seconds=seconds)
    elif share > 0.99:
        done = say("video.done_all", seconds=seconds)
    elif share >= 0.01:
        done = say("video.done_some", seconds=seconds, percent=round(100 * share))
    else:
        done = say("video.done_few", seconds=seconds)
    silent = [] if report.had_sound else [say("video.silent")]
    damaged = [say_count("video.damaged", report.skipped)] if report.skipped else []
    return [done, *silent, *damaged]


def add_video(context: PageContext) -> None:
    """Builds the tab within the Blocks that are open."""
    actions = VideoActions(context)
    choices = context.offered_at_start()
    nothing_more = (phrase("nothing_more"), "")
    with gr.Row(equal_height=False):
        with gr.Column(scale=4, min_width=300):
            video = FileInput(label=phrase("video.file"), height=160, elem_id="video-file")
            step = gr.Radio(
                choices,
                value=context.favourite(),
                label=phrase("translation"),
                elem_id="video-steps",
                elem_classes=FACE_CARDS,
            )
            then = gr.Dropdown([nothing_more, *choices], value="", label=phrase("then"), filterable=False)
            strength = strength_slider()
            largest_only = gr.Checkbox(label=phrase("video.largest"))
            with gr.Row():
                button = gr.Button(phrase("video.translate"), variant="primary", min_width=120)
                cancel = gr.Button(phrase("video.cancel"), visible=False, min_width=120, elem_id="cancel-video")
        with gr.Column(scale=7, min_width=300):
            status = gr.HTML(nothing_html(phrase("video.empty")), elem_id="video-status")
            result = gr.Video(
                label=phrase("video.result"),
                interactive=False,
                visible=False,
                buttons=["download"],
                elem_id="video-result",
            )
            shown = gr.HTML(elem_id="video-preview", apply_default_css=False)
            cards = gr.HTML(elem_classes="face-cards-style", apply_default_css=False)
    work = gr.State()
    frame = gr.State(time_to_live=FILE_LIFETIME_SECONDS)
    options: list[Any] = [step, then, strength, largest_only]
    gr.on(
        [video.change, step.change, then.change, strength.release, largest_only.change],
        VideoPreview(context, f"#{step.elem_id}").show,
        [video, *options, frame],
        [shown, cards, frame],
        show_progress="minimal",
        show_progress_on=shown,
        trigger_mode="always_last",
        **TRANSLATOR_QUEUE,
        **PRIVATE,
    )

    def refresh() -> tuple[Any, Any]:
        with visitor_errors():
            context.studio()  # waits until the translations are loaded
            now = context.labelled()
            thens = [(say("nothing_more"), ""), *now]
            return gr.Radio(now, value=context.favourite()), gr.Dropdown(thens, value="")

    gr.on(None, refresh, None, [step, then], **AT_ONCE)
    button.click(actions.begin, [video, work], [work, button, cancel, status], **CHECKS).success(
        actions.translate,
        [video, *options, work],
        [status, result],
        show_progress_on=status,
        scroll_to_output=True,
        **LONG_WORK_QUEUE,
        **PRIVATE,
    ).then(actions.idle, None, [button, cancel], **AT_ONCE).failure(actions.idle, None, [button, cancel], **AT_ONCE)
    cancel.click(actions.cancel, work, cancel, **AT_ONCE)
