"""The Video tab: translates the faces of an uploaded video and keeps its sound."""

import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future
from pathlib import Path
from typing import TYPE_CHECKING, Any

import gradio as gr

from cyclegan_core.errors import CycleganError, VideoCancelledError
from demo.context import TRANSLATOR_QUEUE, PageContext
from demo.errors import error_text, status_html, visitor_errors
from demo.file_input import FileInput
from demo.server.files import FILE_LIFETIME_SECONDS
from demo.server.long_work import LONG_WORK_QUEUE, WAITING_HTML, LongWork, time_left
from demo.tabs.face_cards import FACE_CARDS
from demo.tabs.video.limits import LONGEST_SECONDS, check
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
FIRST = "Choose a video first."
BUSY = "Your last video is still being translated: wait for it, or cancel it first."
EMPTY = '<p class="nothing">The translated video appears here.</p>'
NOTHING_MORE = ("Nothing more", "")


class VideoActions:
    """The event functions of the tab."""

    def __init__(self, context: PageContext) -> None:
        self._context = context

    def begin(self, videos: list[Path], work: LongWork | None) -> tuple[Any, ...]:
        """Checks the form. Returns the work, both buttons and the status; raises gr.Error."""
        with visitor_errors():
            if not videos:
                raise CycleganError(FIRST)
            if work and work.running:
                raise CycleganError(BUSY)
            buttons = gr.Button(interactive=False), gr.Button("Cancel", visible=True, interactive=True)
            work = LongWork()
            self._context.files.protect(work, videos)
            return work, *buttons, WAITING_HTML

    def translate(
        self, videos: list[Path], step: str, then: str, strength: float, largest_only: bool, work: LongWork | None
    ) -> Iterator[tuple[str, Any]]:
        """Yields the status and the video, several times a second while it is translated."""
        try:
            with visitor_errors():
                if not videos:
                    raise CycleganError(FIRST)
                if work is None or work.running:
                    raise CycleganError(BUSY)
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
            raise CycleganError("Choose a translation first.")
        check(source)
        names = "-".join(step.direction.replace("_", "-") for step in chain)
        target = self._context.files.new(f"{source.stem[:60]}-{names}.mp4")
        job = _Job(work)
        threading.Thread(
            target=job.run, args=[self._context, source, target, chain, strength, largest_only], daemon=True
        ).start()
        while not job.wait(EVERY):
            yield work.progress(job.share, 1), gr.skip()
        try:
            report = job.report()
        except VideoCancelledError:
            yield status_html(job.given_up or "Cancelled. Nothing was kept."), gr.skip()
            return
        yield status_html(*sentences(report, whole=studio.whole(chain))), gr.Video(value=str(target), visible=True)

    def idle(self) -> tuple[Any, Any]:
        return gr.Button(interactive=True), gr.Button(visible=False)

    def cancel(self, work: LongWork | None) -> Any:
        if work:
            work.stop()
        return gr.Button("Cancelling…", interactive=False)


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
            most = time_left(MOST_SECONDS_OF_WORK).removesuffix(" left")
            self.given_up = f"This video would take longer than the {most} there are: cut it, or make it smaller."

    def _is_over(self) -> bool:
        self._frames += 1
        if self._frames > MOST_FRAMES:
            self.given_up = f"This video has more than {MOST_FRAMES:,} frames: cut it into pieces."
        return self._work.stopped() or self.given_up is not None


def sentences(report: "VideoReport", *, whole: bool = False) -> list[str]:
    """Describes a translated video in sentences. whole: whether whole pictures were translated instead of faces."""
    if not whole and not report.frames_with_faces:
        return ["No face was found, so the video is as it was. Try one in which faces are larger."]
    share = report.frames_with_faces / report.frames
    found = "all frames" if share > 0.99 else f"{share:.0%} of the frames" if share >= 0.01 else "a few frames"
    what = "each frame translated as a whole" if whole else f"with a face in {found}"
    said_of_it = [f"Done: {report.seconds:.0f} s of video, {what}."]
    if not report.had_sound:
        said_of_it.append("The video has no sound.")
    if report.skipped:
        said_of_it.append(f"{report.skipped} damaged {'frame was' if report.skipped == 1 else 'frames were'} left out.")
    return said_of_it


def add_video(context: PageContext) -> None:
    """Builds the tab within the Blocks that are open."""
    actions = VideoActions(context)
    choices = context.choices()
    with gr.Row(equal_height=False):
        with gr.Column(scale=4, min_width=300):
            video = FileInput(label=f"Video of up to {LONGEST_SECONDS:.0f} s", height=160, elem_id="video-file")
            step = gr.Radio(
                choices,
                value=choices[0][1] if choices else None,
                label="Translation",
                elem_id="video-steps",
                elem_classes=FACE_CARDS,
            )
            then = gr.Dropdown([NOTHING_MORE, *choices], value="", label="Then", filterable=False)
            strength = gr.Slider(0, 1, value=1, step=0.01, label="Strength")
            largest_only = gr.Checkbox(label="Only the largest face")
            with gr.Row():
                button = gr.Button("Translate", variant="primary", min_width=120)
                cancel = gr.Button("Cancel", visible=False, min_width=120, elem_id="cancel-video")
        with gr.Column(scale=7, min_width=300):
            status = gr.HTML(EMPTY, elem_id="video-status")
            result = gr.Video(
                label="Result", interactive=False, visible=False, buttons=["download"], elem_id="video-result"
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
            now = context.choices()
            return gr.Radio(now, value=now[0][1] if now else None), gr.Dropdown([NOTHING_MORE, *now], value="")

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
