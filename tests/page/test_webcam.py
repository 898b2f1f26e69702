"""The Webcam tab's server functions: called directly and over HTTP as the browser does, by friends and by foes."""

import asyncio
import base64
import gc
import io
import socket
import threading
import time
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import gradio as gr
import httpx
import pytest
from PIL import Image

from demo.context import PageContext
from demo.languages.phrases import say
from demo.server.files import Files
from demo.server.serve import serve
from demo.tabs.photo.example import ExampleView
from demo.tabs.webcam import frames
from demo.tabs.webcam.tab import Answer, Webcam, add_webcam
from tests.support.registries import offering_gender
from tests.support.webcam_server import OneFace, Served, picture

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning:gradio")

TOKEN_BYTES = 16


@pytest.fixture(scope="module")
def context(tiny_translation: Path, tmp_path_factory: pytest.TempPathFactory) -> PageContext:
    return PageContext(offering_gender(tiny_translation, OneFace()), Files(tmp_path_factory.mktemp("files")))


@pytest.fixture
def webcam(context: PageContext) -> Webcam:
    return Webcam(context)


@pytest.fixture(scope="module")
def served(context: PageContext) -> Iterator[Served]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GRADIO_TEMP_DIR", str(context.files.folder))
        with gr.Blocks(analytics_enabled=False) as page:
            webcam = add_webcam(context, ExampleView(context))
        with socket.create_server(("127.0.0.1", 0)) as probe:
            port = probe.getsockname()[1]
        serve(page, "127.0.0.1", port)
        live = next(block for block in page.blocks.values() if getattr(block, "elem_id", None) == "webcam-live")
        yield Served(webcam, f"http://127.0.0.1:{port}", live._id)
        page.close(verbose=False)


def url_of(data: bytes, kind: str = "image/jpeg") -> str:
    return f"data:{kind};base64,{base64.b64encode(data).decode()}"


def file_of(form: str, size: tuple[int, int] = (160, 120), **options: Any) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", size, (120, 90, 60)).save(file, form, **options)
    return file.getvalue()


def message(token: object, **changes: Any) -> dict[str, Any]:
    fields = {"token": token, "picture": frames.encode(picture()), "time": 0.0, "chain": "gender:to_female"}
    return fields | {"strength": 1.0, "nearest": False} | changes


def frame(webcam: Webcam, token: object, **changes: Any) -> Answer:
    return asyncio.run(webcam.frame(message(token, **changes)))


def test_face_of_a_frame_is_translated_and_nothing_else(webcam: Webcam) -> None:
    token = webcam.begin({})["token"]
    plain = frames.decode(frame(webcam, token, chain="")["picture"]).astype(int)
    assert abs(plain - picture()).mean() < 3, "an empty chain leaves the frame alone"
    time.sleep(0.3)  # the cross-fade to another chain ends
    frame(webcam, token)
    time.sleep(0.3)
    answer = frame(webcam, token)
    assert answer["faces"] == 1
    made = frames.decode(answer["picture"]).astype(int)
    assert made.shape == plain.shape
    change = abs(made - plain).max(2)
    assert change[45:75, 65:95].mean() > 10
    assert change[:, 135:].mean() < 2
    half = frames.decode(frame(webcam, token, strength=0.5)["picture"]).astype(int)
    assert 0 < abs(half - plain)[45:75, 65:95].mean() < change[45:75, 65:95].mean()


def test_cards_show_the_own_face_in_each_direction(webcam: Webcam, monkeypatch: pytest.MonkeyPatch) -> None:
    token = webcam.begin({})["token"]
    cards = {"token": token, "picture": frames.encode(picture())}
    pictures = asyncio.run(webcam.cards(cards))["pictures"]
    assert list(pictures) == ["", "gender:to_female", "gender:to_male"]
    as_it_is, female, male = (frames.decode(url).astype(int) for url in pictures.values())
    assert min(abs(one - other).mean() for one, other in ((female, as_it_is), (male, as_it_is), (male, female))) > 1
    assert asyncio.run(webcam.cards(cards))["busy"] == 0, "not again at once"
    monkeypatch.setattr(OneFace, "detect", lambda self, picture: [])
    assert asyncio.run(webcam.cards(cards | {"token": webcam.begin({})["token"]})) == {"pictures": {}}


def test_translations_on_offer_are_named(webcam: Webcam) -> None:
    answer = webcam.offer({})
    assert answer["choices"] == [("To female", "gender:to_female"), ("To male", "gender:to_male")] == answer["thens"]
    pictures = answer["pictures"]
    assert set(pictures) == {"", "gender:to_female", "gender:to_male"}
    assert len(set(pictures.values())) == 3, "a face in each direction, and the original"
    assert all(picture.startswith("data:image/jpeg;base64,") for picture in pictures.values())


def test_tokens_are_of_128_bits_and_differ(webcam: Webcam) -> None:
    tokens = {webcam.begin({})["token"] for _ in range(5)}
    assert len(tokens) == 5
    assert {len(base64.urlsafe_b64decode(f"{token}==")) for token in tokens} == {TOKEN_BYTES}


def damaged() -> bytes:
    data = cv2.imencode(".jpg", picture())[1].tobytes()
    return data[: len(data) // 3]


def many_scans() -> bytes:
    data = file_of("jpeg", (640, 480), progressive=True)
    scan = data.rindex(b"\xff\xda")
    return data[:scan] + data[scan:-2] * 200 + data[-2:]


HOSTILE_PICTURES = {
    "nothing": None,
    "a number": 3,
    "a list": ["data:image/jpeg;base64,"],
    "an object": {"path": "/etc/passwd"},
    "a path": "/etc/passwd",
    "a file's address": "file:///etc/passwd",
    "an address": "http://127.0.0.1:9/x.jpg",
    "no data": "data:image/jpeg;base64,",
    "no base64": "data:image/jpeg;base64,***",
    "noise": url_of(bytes(range(256)) * 20),
    "a PNG": url_of(file_of("png"), "image/png"),
    "a PNG that says it is a JPEG": url_of(file_of("png")),
    "an SVG": "data:image/svg+xml;base64,PHN2Zy8+",
    "cut short": url_of(damaged()),
    "many scans": url_of(many_scans()),
    "many pixels": url_of(file_of("jpeg", (1300, 1000), quality=20)),
    "a bomb": url_of(file_of("jpeg", (20000, 10000), quality=1)[:600_000]),
    "few pixels": url_of(file_of("jpeg", (8, 8))),
    "many characters": "data:image/jpeg;base64," + "A" * frames.MOST_CHARACTERS,
}


@pytest.mark.parametrize("name", HOSTILE_PICTURES)
def test_hostile_pictures_are_refused_in_a_sentence(webcam: Webcam, name: str) -> None:
    token = webcam.begin({})["token"]
    began = time.monotonic()
    answer = frame(webcam, token, picture=HOSTILE_PICTURES[name])
    assert time.monotonic() - began < 5
    assert answer["error"].startswith(("A frame must be", "The frame "))
    assert list(answer) == ["error"]
    assert "faces" in frame(webcam, token), "the stream goes on"


@pytest.mark.parametrize(
    "changes",
    [
        {"chain": 7},
        {"chain": ["to_female"]},
        {"chain": "to_nowhere"},
        {"chain": "x" * 10_000},
        {"chain": None},
        {"chain": "+".join(["to_female"] * 50)},
        {"strength": "1"},
        {"strength": float("nan")},
        {"strength": 2},
        {"strength": True},
        {"strength": None},
        {"strength": [1]},
        {"strength": 10**400},
    ],
)
def test_other_wrong_fields_are_refused_in_a_sentence(webcam: Webcam, changes: dict[str, Any]) -> None:
    token = webcam.begin({})["token"]
    sentence = frame(webcam, token, **changes)["error"]
    assert sentence[0].isupper()
    assert sentence.endswith(".")
    assert "Traceback" not in sentence
    assert len(sentence) < 200
    assert "faces" in frame(webcam, token)


@pytest.mark.parametrize("token", [None, "", "x", 5, [], {}, "0" * 22, ["x"], True])
def test_unknown_token_is_told_to_begin_again(webcam: Webcam, token: object) -> None:
    answer = frame(webcam, token)
    assert answer == {"error": "Your stream has ended: start again.", "ended": True}
    assert webcam.end({"token": token}) == {}


@pytest.mark.parametrize("function", ["frame", "cards", "begin", "end", "mark", "offer"])
@pytest.mark.parametrize("data", [None, [], "x", 5, {"ticket": []}, {"binary": True}, [[[]]]])
def test_every_function_takes_any_json(served: Served, function: str, data: object) -> None:
    answer = served.call(function, data)
    assert isinstance(answer, dict)
    assert "Traceback" not in str(answer)
    if "token" in answer:
        served.call("end", answer)


def test_only_the_functions_meant_can_be_called(served: Served) -> None:
    for name in ("sessions", "__init__", "_make", "postprocess", "push_to_hub"):
        assert served.post(name, {}).status_code >= 400


@pytest.mark.parametrize("stamp", [None, "x", float("nan"), float("inf"), -1, 10**400, 1e300, True, [], 0.0])
def test_any_time_stamp_is_survived(webcam: Webcam, stamp: object) -> None:
    begun = webcam.begin({})["token"]
    session = webcam.sessions.get(begun)
    for time_stamp in (1000.0, stamp, 1040.0, stamp):
        before = session.seconds
        assert "faces" in frame(webcam, begun, time=time_stamp)
        assert 0 < session.seconds - before < 5


def test_what_goes_wrong_inside_is_no_secret_for_the_visitor(
    webcam: Webcam, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    token = webcam.begin({})["token"]
    secret = "/srv/secret/path and a visitor's name"

    def fail(*args: object, **others: object) -> None:
        raise RuntimeError(secret)

    monkeypatch.setattr(webcam.sessions.get(token).stream, "process", fail)
    assert frame(webcam, token) == {"error": say("error.webcam")}
    logged = capsys.readouterr().err
    assert "RuntimeError" in logged
    assert secret not in logged
    monkeypatch.undo()
    assert "faces" in frame(webcam, token)


@pytest.mark.medium
def test_streams_of_two_visitors_never_mix(served: Served) -> None:
    colours = {0: (200, 60, 60), 1: (60, 60, 200), 2: (60, 200, 60)}
    wrong: list[object] = []

    def visit(channel: int) -> None:
        shown = frames.encode(picture(colours[channel], (160 + 16 * channel, 120)))
        with httpx.Client() as client:
            token = served.call("begin", {}, client)["token"]
            for number in range(25):
                asked = message(token, picture=shown, time=40.0 * number, chain="to_female" if channel else "")
                answer = served.call("frame", asked, client)
                if "busy" in answer:
                    continue
                made = frames.decode(answer["picture"])
                own = made[:, -20:].reshape(-1, 3).mean(0).argmax() == (0, 2, 1)[channel]
                if made.shape[1] != 160 + 16 * channel or not own:
                    wrong.append((channel, made.shape))
            served.call("end", {"token": token}, client)

    visitors = [threading.Thread(target=visit, args=[channel]) for channel in colours]
    for visitor in visitors:
        visitor.start()
    for visitor in visitors:
        visitor.join()
    assert wrong == []
    assert len(served.webcam.sessions) == 0


def test_snapshot_says_what_altered_it(webcam: Webcam) -> None:
    plain = file_of("png")
    chunks = base64.b64decode(webcam.mark({"chain": "to_female+to_male"})["chunks"])
    with Image.open(io.BytesIO(plain[:33] + chunks + plain[33:])) as marked:  # as recording.js does
        marked.load()
        assert marked.text["Description"] == "AI-altered (gender: to female, then gender: to male)"  # type: ignore[attr-defined]
        assert "compositeWithTrainedAlgorithmicMedia" in marked.info["xmp"].decode()
    assert webcam.mark({"chain": ""}) == {"chunks": ""}
    assert "There is no direction" in webcam.mark({"chain": "to_nowhere"})["error"]


@pytest.mark.medium
def test_memory_is_flat_over_many_frames(webcam: Webcam) -> None:
    async def run(count: int) -> None:
        token = webcam.begin({})["token"]
        for _ in range(count):
            answer = await webcam.frame(message(token))
            assert "picture" in answer or "busy" in answer
        webcam.end({"token": token})

    asyncio.run(run(10))
    tracemalloc.start()
    try:
        asyncio.run(run(10))
        gc.collect()
        before = tracemalloc.get_traced_memory()[0]
        asyncio.run(run(60))
        gc.collect()
        grown = tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()
    assert grown < 200_000, "a few frames would be more"
    assert len(webcam.sessions) == 0


def test_no_frame_is_written_to_a_file(served: Served, context: PageContext) -> None:
    token = served.call("begin", {})["token"]
    assert "picture" in served.call("frame", message(token))
    assert list(context.files.folder.rglob("*")) == []
