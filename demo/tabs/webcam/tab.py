"""The Webcam tab: live translation with one request for each frame.

The browser takes the newest frame, sends it to `Webcam.frame` and draws the answer. These calls bypass gradio's queue
and its limits; `demo.server.sessions` and `demo.tabs.webcam.frames` have their own.
"""

import base64
import io
from pathlib import Path
from typing import TYPE_CHECKING, Any

import gradio as gr
from PIL.PngImagePlugin import putchunk

from cyclegan_core import provenance
from cyclegan_core.errors import CycleganError
from cyclegan_core.inference.composition import read_strength
from demo.context import Choices, PageContext
from demo.errors import log_traceback
from demo.languages.phrases import say
from demo.server.sessions import BusyError, EndedError, Sessions, TooFastError, Turns, Waiting
from demo.tabs.face_cards import card_pictures, generate_each
from demo.tabs.photo.example import ExampleView
from demo.tabs.photo.view import FOR_DRAWINGS
from demo.tabs.webcam import frames
from demo.tabs.webcam.slow_mode import add_slow_mode

if TYPE_CHECKING:
    from cyclegan_core.inference.studio import Chain
    from cyclegan_core.video.stream import FaceStream

HERE = Path(__file__).parent
SCRIPTS = ("messages.js", "recording.js", "cards.js", "webcam.js")  # one scope, in this order
LONGEST_CHAIN = 200  # characters
Answer = dict[str, Any]


class Webcam:
    """The functions that the browser calls. Each takes any JSON value and returns a dict.

    Where something is wrong, the dict has a sentence under `error`, and `ended` where the stream must be begun again.
    """

    def __init__(self, context: PageContext, example: ExampleView | None = None) -> None:
        self._context = context
        self._example = example or ExampleView(context)
        self.sessions = Sessions(self._make)
        self._turns = Turns()

    def _make(self) -> "FaceStream":
        from cyclegan_core.video.stream import FaceStream  # here, as PyTorch takes seconds to import

        return FaceStream(self._context.studio())

    def offer(self, message: object) -> Answer:
        """Returns the translations: `choices` and `thens`, pairs of label and step, and `pictures` of cards by step.

        `chosen` is the step to begin with. Those for drawings are among the `thens` alone, as a camera shows people.
        """
        with _AnsweringErrors() as reply:
            self._context.studio()
            thens = self._context.labelled()
            reply.answer = {
                "choices": _for_people(thens),
                "thens": thens,
                "chosen": self._context.favourite(),
                "pictures": self._example.pictures(),
            }
        return reply.answer

    def begin(self, message: object) -> Answer:
        """Returns the `token` of a new stream, or a place in the waiting line (`ticket`, `place`).

        Takes `ticket` from a visitor who is waiting already.
        """
        with _AnsweringErrors() as reply:
            self._context.studio()
            begun = self.sessions.begin(_fields(message).get("ticket"))
            if isinstance(begun, Waiting):
                reply.answer = {"ticket": begun.ticket, "place": begun.place}
            else:
                reply.answer = {"token": begun.token}
        return reply.answer

    async def frame(self, message: object) -> Answer:
        """Returns the translated `picture` and its number of `faces`, None where the chain takes the whole picture.

        Where too many are ahead of the frame, returns only `busy`, the number of people waiting.

        Takes `token`; `picture`, a JPEG data URL; `time`, in ms; `chain`, as `Studio.chain` reads it; `strength`;
        `nearest`, whether only the largest face is meant.
        """
        with _AnsweringErrors() as reply:
            fields = _fields(message)
            session = self.sessions.get(fields.get("token"))
            chain, strength = _chain(fields), _strength(fields)
            session.take(fields.get("time"), self.sessions.clock())
            nearest, picture, stream = fields.get("nearest") is True, fields.get("picture"), session.stream
            seconds = session.seconds

            def work() -> Answer:
                studio = self._context.studio()
                steps = studio.chain(chain)
                frame = frames.decode(picture)
                made = stream.process(frame, steps, strength=strength, time=seconds, largest_only=nearest)
                faces = None if studio.needs_no_face(steps) else stream.faces
                return {"picture": frames.encode(made), "faces": faces}

            reply.answer = await self._turns.take(work, session.release)
        return reply.answer

    async def cards(self, message: object) -> Answer:
        """Returns `pictures`: the largest face in each direction by step, for the cards; none where there is no face.

        Takes `token`; `picture`, a JPEG data URL.
        """
        with _AnsweringErrors() as reply:
            fields = _fields(message)
            session = self.sessions.get(fields.get("token"))
            session.take_cards(self.sessions.clock())
            picture = fields.get("picture")

            def work() -> Answer:
                frame = frames.decode(picture)
                face = max(self._context.studio().find_faces(frame), key=lambda face: face.width, default=None)
                choices = _for_people(self._context.choices())
                each = generate_each(self._context, frame, face, choices) if face else {}
                return {"pictures": card_pictures(frame, face, each) if face else {}}

            reply.answer = await self._turns.take(work, lambda: None)
        return reply.answer

    def mark(self, message: object) -> Answer:
        """Returns `chunks`: base64 of the PNG chunks, to insert after the header, that say which chain altered it.

        Takes `chain`.
        """
        with _AnsweringErrors() as reply:
            chain = self._context.studio().chain(_chain(_fields(message)))
            reply.answer = {"chunks": base64.b64encode(_chunks(chain) if chain else b"").decode()}
        return reply.answer

    def end(self, message: object) -> Answer:
        """Ends a stream, or leaves the waiting line. Takes `token`."""
        with _AnsweringErrors() as reply:
            self.sessions.end(_fields(message).get("token"))
        return reply.answer


class _AnsweringErrors:
    """Holds the answer, and turns every error into one: a sentence without traceback or paths."""

    def __init__(self) -> None:
        self.answer: Answer = {}

    def __enter__(self) -> "_AnsweringErrors":
        return self

    def __exit__(self, kind: object, error: BaseException | None, trace: Any) -> bool:
        if isinstance(error, BusyError):
            self.answer = {"busy": error.people}
        elif isinstance(error, CycleganError | ValueError):
            words = str(error)
            self.answer = {"error": f"{words[:1].upper()}{words[1:]}"}
            if not words.endswith((".", "。")):
                self.answer["error"] += "."
            if isinstance(error, EndedError):
                self.answer["ended"] = True
            elif isinstance(error, TooFastError):
                self.answer["busy"] = 0
        elif isinstance(error, Exception):
            log_traceback(error)
            self.answer = {"error": say("error.webcam")}
        return error is None or isinstance(error, Exception)


def _for_people(choices: Choices) -> Choices:
    """Those that are no directions for drawings alone, where there are such."""
    return [choice for choice in choices if choice[1] not in FOR_DRAWINGS] or choices


def _fields(message: object) -> dict[str, Any]:
    if not isinstance(message, dict):
        raise CycleganError("A message must be a JSON object.")
    return message


def _chain(fields: dict[str, Any]) -> str:
    chain = fields.get("chain", "")
    if not isinstance(chain, str) or len(chain) > LONGEST_CHAIN:
        raise CycleganError("The chain must name directions, such as older+to_anime.")
    return chain


def _strength(fields: dict[str, Any]) -> float:
    try:
        return read_strength(fields.get("strength", 1.0))
    except ValueError as error:
        raise CycleganError(say("error.strength")) from error


def _chunks(chain: "Chain") -> bytes:
    made_by = ", then ".join(f"{step.translation}: {step.direction.replace('_', ' ')}" for step in chain)
    file = io.BytesIO()
    for kind, data, *_ in provenance.options("png", made_by)["pnginfo"].chunks:
        putchunk(file, kind, data)
    return file.getvalue()


def live_view(webcam: Webcam) -> gr.HTML:
    """Returns the component with the camera and its controls, connected to the methods of `webcam`."""

    def offer(message: object) -> Answer:  # gradio marks the functions, which it cannot do to methods
        return webcam.offer(message)

    def begin(message: object) -> Answer:
        return webcam.begin(message)

    async def frame(message: object) -> Answer:
        return await webcam.frame(message)

    async def cards(message: object) -> Answer:
        return await webcam.cards(message)

    def mark(message: object) -> Answer:
        return webcam.mark(message)

    def end(message: object) -> Answer:
        return webcam.end(message)

    return gr.HTML(
        html_template=(HERE / "webcam.html").read_text("utf-8"),
        js_on_load="\n".join((HERE / name).read_text("utf-8") for name in SCRIPTS),
        server_functions=[offer, begin, frame, cards, mark, end],
        apply_default_css=False,
        elem_id="webcam-live",
    )


def add_webcam(context: PageContext, example: ExampleView) -> Webcam:
    """Builds the tab within the Blocks that are open."""
    webcam = Webcam(context, example)
    live = live_view(webcam)
    slow = add_slow_mode(context)
    # The browser asks for it by the event of this name.
    live.slow_mode(lambda: gr.Accordion(open=True), None, slow, queue=False, api_visibility="private")
    return webcam
