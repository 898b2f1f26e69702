"""The endpoints, over HTTP and by gradio's client, on a page that is served as by hand."""

import io
import json
from pathlib import Path
from typing import Any

import cv2
import httpx
import numpy as np
import pytest
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError
from numpy.typing import NDArray
from PIL import Image

from cyclegan_core import images
from demo.tabs.gallery import contact_sheet
from tests import ROOT
from tests.support.serving import SECRET, ServedPage, page

__all__ = ["page"]

EXAMPLES = ROOT / "examples"


def png(picture: NDArray[np.uint8]) -> bytes:
    file = io.BytesIO()
    Image.fromarray(picture).save(file, "png")
    return file.getvalue()


@pytest.fixture(scope="module")
def two() -> NDArray[np.uint8]:
    return images.load(EXAMPLES / "two_people.jpg")


@pytest.fixture(scope="module")
def sent(page: ServedPage, two: NDArray[np.uint8]) -> dict[str, Any]:
    """A picture with two faces, uploaded as a PNG so that nothing but a translation changes its pixels."""
    return page.upload(png(two), "two.png")


@pytest.fixture(scope="module")
def grey(page: ServedPage) -> dict[str, Any]:
    return page.upload(png(np.full((48, 64, 3), 128, np.uint8)), "wall.png")


def changed(page: ServedPage, answer: Any, before: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Which pixels the picture of an answer does not share with the one that was sent."""
    return (images.load(page.fetch(answer)) != before).any(2)


def inside(face: dict[str, Any], mask: NDArray[np.bool_], margin: float) -> tuple[slice, slice]:
    left, top, right, bottom = face["box"]
    more = margin * (right - left)
    rows = slice(max(0, round(top - more)), min(mask.shape[0], round(bottom + more)))
    return rows, slice(max(0, round(left - more)), min(mask.shape[1], round(right + more)))


def test_endpoints_are_named_and_described(page: ServedPage) -> None:
    named = Client(page.address, verbose=False).view_api(return_format="dict", print_info=False)["named_endpoints"]
    assert set(named) == {"/translate", "/detect", "/compare", "/info"}
    for endpoint in named.values():
        assert len(endpoint["description"]) > 40
    parameters = {p["parameter_name"]: p["parameter_default"] for p in named["/translate"]["parameters"]}
    assert parameters == {"image": None, "direction": "to_female", "strength": 1.0, "faces": "all"}
    assert [p["parameter_name"] for p in named["/compare"]["parameters"]] == ["image", "face", "strength"]


def test_faces_are_translated_and_nothing_else_is(page: ServedPage, sent: Any, two: NDArray[np.uint8]) -> None:
    event, (picture, said) = page.call("translate", sent, "to_female", 1.0, "all")
    assert event == "complete"
    assert picture["orig_name"] == "two-to-female.png"
    assert said["steps"] == ["gender:to_female"]
    assert said["translated"] == [face["number"] for face in said["faces"]] == [1, 2]
    mask = changed(page, picture, two)
    for face in said["faces"]:
        assert mask[inside(face, mask, -0.3)].mean() > 0.9
    for face in said["faces"]:
        mask[inside(face, mask, 0.5)] = False
    assert not mask.any()


def test_by_gradios_client_and_with_its_defaults(page: ServedPage, tmp_path: Path) -> None:
    client = Client(page.address, verbose=False, download_files=tmp_path)
    portrait = handle_file(EXAMPLES / "astronaut.jpg")
    by_default, said = client.predict(image=portrait, api_name="/translate")
    as_ever, _ = client.predict(portrait, "to_female", 1, api_name="/translate")
    assert Path(by_default).name == "astronaut-to-female.jpg"
    assert images.load(by_default).shape == images.load(EXAMPLES / "astronaut.jpg").shape
    assert np.array_equal(images.load(by_default), images.load(as_ever))
    assert len(said["faces"]) == 1
    with pytest.raises(AppError, match="there is no direction 'to_dog'"):
        client.predict(portrait, "to_dog", api_name="/translate")


@pytest.mark.parametrize(("faces", "translated"), [("1", [1]), ("2", [2]), ("2, 1", [1, 2]), ("largest", [2])])
def test_faces_are_chosen(
    page: ServedPage, sent: Any, two: NDArray[np.uint8], faces: str, translated: list[int]
) -> None:
    _, (picture, said) = page.call("translate", sent, "to_male", 1, faces)
    assert said["translated"] == translated
    mask = changed(page, picture, two)
    assert [f["number"] for f in said["faces"] if mask[inside(f, mask, -0.3)].mean() > 0.5] == translated


def test_directions_in_a_row(page: ServedPage, sent: Any, two: NDArray[np.uint8]) -> None:
    _, (picture, said) = page.call("translate", sent, "to_male, to_stripes", 1, "1")
    assert said["steps"] == ["gender:to_male", "stripes:to_stripes"]
    assert changed(page, picture, two).mean() > 0.9


def test_a_whole_picture_needs_no_face(page: ServedPage, grey: Any) -> None:
    _, (picture, said) = page.call("translate", grey, "to_stripes", 1, "all")
    assert (said["faces"], said["whole_picture"], said["message"]) == ([], True, "")
    assert changed(page, picture, np.full((48, 64, 3), 128, np.uint8)).all()


@pytest.mark.parametrize(("name", "strength"), [("wall", 1), ("two", 0)])
def test_nothing_to_do(
    page: ServedPage, sent: Any, grey: Any, two: NDArray[np.uint8], name: str, strength: float
) -> None:
    file, before = (sent, two) if name == "two" else (grey, np.full((48, 64, 3), 128, np.uint8))
    _, (picture, said) = page.call("translate", file, "to_male", strength, "all")
    assert not changed(page, picture, before).any()
    assert ("No face found" in said["message"]) == (name == "wall")
    assert b"AI-altered" not in page.fetch(picture), "what was not altered does not say so"


@pytest.mark.parametrize("form", ["png", "jpeg", "webp"])
def test_result_is_marked_and_says_nothing_else_of_the_photo(
    page: ServedPage, two: NDArray[np.uint8], form: str
) -> None:
    exif, file = Image.Exif(), io.BytesIO()
    exif[0x0112] = 6  # lies on its side
    exif.get_ifd(0x8825)[1] = "N"  # GPS
    lying = np.rot90(cv2.resize(two, None, fx=0.5, fy=0.5))
    Image.fromarray(np.ascontiguousarray(lying)).save(file, form, exif=exif)
    _, (picture, _) = page.call("translate", page.upload(file.getvalue(), f"a.{form}"), "to_female", 1, "all")
    content = page.fetch(picture)
    assert content.count(b"AI-altered (gender: to female)")
    with Image.open(io.BytesIO(content)) as result:
        assert result.format == ("PNG" if form == "png" else "JPEG")
        assert result.size == (474, 256)
        assert not result.getexif().get_ifd(0x8825)
        assert 0x0112 not in result.getexif()


def test_detect(page: ServedPage, sent: Any, grey: Any) -> None:
    event, (said,) = page.call("detect", sent)
    assert event == "complete"
    assert (said["width"], said["height"]) == (948, 512)
    assert said["detector"]
    left, right = said["faces"]
    assert left["box"][2] < right["box"][0]
    for face in (left, right):
        assert np.shape(face["landmarks"]) == (5, 2)
        assert 0 <= face["score"] <= 1
    assert page.call("detect", grey)[1][0]["faces"] == []


def test_compare_shows_every_direction(page: ServedPage, sent: Any) -> None:
    event, (picture, said) = page.call("compare", sent, 0, 1.0)
    assert event == "complete"
    assert said["order"][:3] == ["original", "gender:to_female", "gender:to_male"]
    assert "stripes:to_stripes" not in said["order"], "that takes no face"
    assert (said["face"], said["columns"]) == (2, min(4, len(said["order"])))
    content = page.fetch(picture)
    assert b"AI-altered" in content
    sheet, across = images.load(content).astype(int), 256 + contact_sheet.SPACE
    first, second, third = (sheet[12:268, 12 + i * across : 268 + i * across] for i in range(3))
    assert min(np.abs(first - second).mean(), np.abs(first - third).mean(), np.abs(second - third).mean()) > 3
    assert (sheet[270:298, 12:268].min(2) < 100).any(), "there is a name below"
    assert page.call("compare", sent, 1, 1.0)[1][1]["face"] == 1


def test_info_says_what_is_here_and_nothing_of_where(page: ServedPage, tiny_translation: Path) -> None:
    event, (said,) = page.call("info")
    assert event == "complete"
    offered = {about["name"]: about for about in said["translations"]}
    assert offered["gender"]["directions"] == {"to_female": "To female", "to_male": "To male"}
    assert offered["gender"]["source"] == "folder tiny"
    assert (offered["gender"]["takes"], offered["stripes"]["takes"]) == ("faces", "picture")
    assert said["detector"]["name"]
    assert said["versions"]["gradio"]
    assert said["limits"]["pixels"] == images.MAX_PIXELS
    for secret in (SECRET, str(tiny_translation.parent), str(EXAMPLES.parent), str(page.folder.parent)):
        assert secret not in json.dumps(said)


@pytest.mark.parametrize(
    ("endpoint", "arguments", "sentence"),
    [
        ("translate", (None, "to_female", 1, "all"), "Send a picture."),
        ("translate", ("two", "to_dog", 1, "all"), "there is no direction 'to_dog'"),
        ("translate", ("two", "", 1, "all"), "Name a direction"),
        ("translate", ("two", "+".join(["to_male"] * 5), 1, "all"), "at most 4"),
        ("translate", ("two", "to_male", 1.6, "all"), "strength must be a number from 0 to 1.5, not 1.6"),
        ("translate", ("two", "to_male", -1, "all"), "not -1"),
        ("translate", ("two", "to_male", None, "all"), "strength must be"),
        ("translate", ("two", "to_male", 1, "3"), "there is no face 3: the picture has 2"),
        ("translate", ("two", "to_male", 1, "0"), "there is no face 0"),
        ("translate", ("two", "to_male", 1, "the left one"), "faces must be all, largest, or numbers"),
        ("translate", ("text", "to_male", 1, "all"), "text.png is not a picture"),
        ("translate", ("cut", "to_male", 1, "all"), "cut.jpg is damaged or cut short"),
        ("compare", ("wall", 0, 1), "No face found"),
        ("compare", ("two", 7, 1), "there is no face 7"),
        ("compare", ("two", -1, 1), "faces must be"),
        ("detect", (None,), "Send a picture."),
    ],
)
def test_refused_in_a_sentence(
    page: ServedPage, sent: Any, grey: Any, endpoint: str, arguments: tuple[Any, ...], sentence: str
) -> None:
    jpeg = (EXAMPLES / "astronaut.jpg").read_bytes()
    files = {
        "two": lambda: sent,
        "wall": lambda: grey,
        "text": lambda: page.upload(b"no picture", "text.png"),
        "cut": lambda: page.upload(jpeg[:9000], "cut.jpg"),
        None: lambda: None,
    }
    event, said = page.call(endpoint, files[arguments[0]](), *arguments[1:])
    assert event == "error"
    assert sentence in said["error"]
    assert str(page.folder) not in json.dumps(said)


def test_endpoints_wait_in_the_queue(page: ServedPage) -> None:
    events = httpx.get(f"{page.address}/config").json()["dependencies"]
    queued = {event["api_name"]: event["queue"] for event in events if event["api_visibility"] == "public"}
    assert queued == {"translate": True, "detect": True, "compare": True, "info": True}
    direct = httpx.post(f"{page.api}/run/info", json={"data": []})
    assert direct.status_code == 404, "nobody passes by the queue"
