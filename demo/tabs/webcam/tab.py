"""The Webcam tab: live translation, one request for each frame, and gradio's own streaming where that cannot work.

The browser grabs the newest frame, sends it to `frame` and draws the answer. These calls go past gradio's queue and its
limits: `demo.server.sessions` and `demo.tabs.webcam.frames` have their own.
"""

import base64
import io
import sys
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Any

import gradio as gr
from PIL.PngImagePlugin import putchunk

from cyclegan_core import provenance
from cyclegan_core.errors import CycleganError
from demo.backstage import Backstage
from demo.server.sessions import BusyError, EndedError, Sessions, TooFastError, Turns, Waiting
from demo.tabs.webcam import frames
from demo.tabs.webcam.webcam_slow import add_slow_mode

if TYPE_CHECKING:
    from cyclegan_core.inference.studio import Chain
    from cyclegan_core.video.stream import FaceStream

HERE = Path(__file__).parent
SCRIPTS = ("webcam_words.js", "webcam_keep.js", "webcam.js")  # one scope, in this order
LONGEST_CHAIN = 200  # characters
Answer = dict[str, Any]
SOMETHING = "Something went wrong on this server. If it goes on, stop the camera and start it again."


class Webcam:
    """What the browser can call. Every method takes the JSON that came, whatever it is, and answers with a dict.

    An answer has `error`, a sentence, where something is wrong; beside it `ended` where the stream is to be begun anew.
    """

    def __init__(self, backstage: Backstage) -> None:
        self._backstage = backstage
        self.sessions = Sessions(self._make)
        self._turns = Turns()

    def _make(self) -> "FaceStream":
        from cyclegan_core.video.stream import FaceStream  # here, as PyTorch takes seconds to import

        return FaceStream(self._backstage.studio())

    def offer(self, message: object) -> Answer:
        """The translations: `choices` as pairs of words and step."""
        with _Told() as told:
            self._backstage.studio()
            told.answer = {"choices": self._backstage.choices()}
        return told.answer

    def begin(self, message: object) -> Answer:
        """A stream's `token`, or a place in line (`ticket`, `place`). Takes: `ticket`, for who is in line already."""
        with _Told() as told:
            self._backstage.studio()
            begun = self.sessions.begin(_fields(message).get("ticket"))
            if isinstance(begun, Waiting):
                told.answer = {"ticket": begun.ticket, "place": begun.place}
            else:
                told.answer = {"token": begun.token}
        return told.answer

    async def frame(self, message: object) -> Answer:
        """The translated `picture` and the number of `faces` in it, None where the chain takes the whole picture.

        `busy` instead: the number of people who are waiting, where the frame's turn did not come.

        Takes: `token`; `picture`, a JPEG data URL; `time`, in ms; `chain`, as `Studio.chain` reads it; `strength`;
        `nearest`, whether only the largest face is meant.
        """
        with _Told() as told:
            fields = _fields(message)
            session = self.sessions.get(fields.get("token"))
            chain, strength = _chain(fields), _strength(fields)
            session.take(fields.get("time"), self.sessions.clock())
            nearest, picture, stream = fields.get("nearest") is True, fields.get("picture"), session.stream
            seconds = session.seconds

            def work() -> Answer:
                studio = self._backstage.studio()
                steps = studio.chain(chain)
                frame = frames.decode(picture)
                made = stream.process(frame, steps, strength=strength, time=seconds, largest_only=nearest)
                faces = None if studio.whole(steps) else stream.faces
                return {"picture": frames.encode(made), "faces": faces}

            told.answer = await self._turns.take(work, session.release)
        return told.answer

    def mark(self, message: object) -> Answer:
        """`chunks`: what a PNG must say of the chain that altered it, to be laid behind its header; base64.

        Takes: `chain`.
        """
        with _Told() as told:
            chain = self._backstage.studio().chain(_chain(_fields(message)))
            told.answer = {"chunks": base64.b64encode(_chunks(chain) if chain else b"").decode()}
        return told.answer

    def end(self, message: object) -> Answer:
        """Forgets the stream or the place in line. Takes: `token`."""
        with _Told() as told:
            self.sessions.end(_fields(message).get("token"))
        return told.answer


class _Told:
    """Holds the answer, and makes one of whatever goes wrong: no traceback, no path of the server."""

    def __init__(self) -> None:
        self.answer: Answer = {}

    def __enter__(self) -> "_Told":
        return self

    def __exit__(self, kind: object, error: BaseException | None, trace: Any) -> bool:
        if isinstance(error, BusyError):
            self.answer = {"busy": error.people}
        elif isinstance(error, CycleganError | ValueError):
            words = str(error)
            self.answer = {"error": f"{words[:1].upper()}{words[1:].rstrip('.')}."}
            if isinstance(error, EndedError):
                self.answer["ended"] = True
            elif isinstance(error, TooFastError):
                self.answer["busy"] = 0
        elif isinstance(error, Exception):
            # The owner's log gets the place, not the message: that may quote what a visitor sent.
            print(type(error).__name__, *traceback.format_tb(trace), sep="\n", file=sys.stderr)
            self.answer = {"error": SOMETHING}
        return error is None or isinstance(error, Exception)


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
    strength = fields.get("strength", 1.0)
    if isinstance(strength, bool) or not isinstance(strength, int | float) or not 0 <= strength <= 1:
        raise CycleganError("The strength must be a number from 0 to 1.")
    return float(strength)


def _chunks(chain: "Chain") -> bytes:
    made_by = ", then ".join(f"{step.translation}: {step.direction.replace('_', ' ')}" for step in chain)
    file = io.BytesIO()
    for kind, data, *_ in provenance.options("png", made_by)["pnginfo"].chunks:
        putchunk(file, kind, data)
    return file.getvalue()


def live_view(webcam: Webcam) -> gr.HTML:
    """The camera, its controls and what they do, over the methods of `webcam`."""

    def offer(message: object) -> Answer:  # gradio marks the functions, which it cannot do to methods
        return webcam.offer(message)

    def begin(message: object) -> Answer:
        return webcam.begin(message)

    async def frame(message: object) -> Answer:
        return await webcam.frame(message)

    def mark(message: object) -> Answer:
        return webcam.mark(message)

    def end(message: object) -> Answer:
        return webcam.end(message)

    return gr.HTML(
        html_template=(HERE / "webcam.html").read_text("utf-8"),
        js_on_load="\n".join((HERE / name).read_text("utf-8") for name in SCRIPTS),
        server_functions=[offer, begin, frame, mark, end],
        apply_default_css=False,
        elem_id="webcam-live",
    )


def add_webcam(backstage: Backstage) -> Webcam:
    view_of = Webcam(backstage)
    live = live_view(view_of)
    slow = add_slow_mode(backstage)
    # The browser asks for it by the event of this name.
    live.slow_mode(lambda: gr.Accordion(open=True), None, slow, queue=False, api_visibility="private")
    return view_of
