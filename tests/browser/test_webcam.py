"""The Webcam tab in a real Chromium, whose fake camera shows a face that moves."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cv2
import httpx
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from playwright.sync_api import Browser, Locator, Page, Playwright, expect

from cyclegan_core import images
from demo.server.sessions import MOST_STREAMS
from examples.benchmark_webcam import film
from tests.support.browser import DESKTOP, PATIENCE, PHONE, Visit, launch

pytestmark = pytest.mark.browser

DEVICE, ALLOW = "--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream"
# The mean colour of the middle of the face, mirrored or not.
COLOUR = """() => {
    const canvas = document.querySelector('.webcam canvas');
    const box = [canvas.width / 2 - 60, canvas.height / 5, 120, canvas.height / 4];
    const {data} = canvas.getContext('2d').getImageData(...box);
    const sum = [0, 0, 0];
    data.forEach((value, i) => { if (i % 4 < 3) sum[i % 4] += value; });
    return sum.map((value) => value / (data.length / 4));
}"""
CARDS = "[...document.querySelectorAll('.webcam-cards img')].map((face) => face.src)"


class Camera:
    """The Webcam tab of a visit."""

    def __init__(self, visit: Visit) -> None:
        self.visit, self.page = visit, visit.page
        visit.open_tab("Webcam")
        expect(self.choice("To female")).to_be_visible(timeout=PATIENCE)

    def button(self, name: str | re.Pattern[str]) -> Locator:
        return self.page.locator(".webcam").get_by_role("button", name=name, exact=True)

    def choice(self, name: str) -> Locator:
        return self.page.locator(":is(.webcam-cards, .webcam-pills) label").get_by_text(name, exact=True)

    @property
    def title(self) -> Locator:
        return self.page.locator(".webcam-words h2")

    def says(self, words: str | re.Pattern[str]) -> None:
        expect(self.title).to_have_text(words, timeout=PATIENCE)
        expect(self.title).to_be_visible()

    def is_live(self) -> None:
        expect(self.page.locator(".webcam")).to_have_attribute("data-state", "live", timeout=PATIENCE)
        drawn = self.page.evaluate("document.querySelector('.webcam canvas').toDataURL()")
        moved = "(drawn) => document.querySelector('.webcam canvas').toDataURL() !== drawn"
        self.page.wait_for_function(moved, arg=drawn, timeout=PATIENCE)

    def start(self) -> None:
        self.button("Start the camera").click()
        self.is_live()

    def snapshot(self) -> NDArray[np.float64]:
        with self.page.expect_download() as download:
            self.button("Snapshot").click()
        return images.load(download.value.path()).astype(float)

    def canvas_size(self) -> list[int]:
        return self.page.evaluate("(({width, height}) => [width, height])(document.querySelector('.webcam canvas'))")

    def camera_is_on(self) -> bool:
        return self.page.evaluate("document.querySelector('.webcam video').srcObject !== null")

    def settles(self, condition: Callable[[NDArray[np.float64]], bool]) -> None:
        """Waits until the colour of the face is as it should be."""
        for _ in range(200):
            colour = np.array(self.page.evaluate(COLOUR))
            if condition(colour):
                return
            self.page.wait_for_timeout(300)
        raise AssertionError(f"the face has the colour {colour}")


@pytest.fixture(scope="module")
def face_film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("camera") / "face.mjpeg"
    film(path)
    return path


@pytest.fixture(scope="module")
def browser(playwright: Playwright, face_film: Path) -> Iterator[Browser]:
    """With a camera that nobody has to allow."""
    browser = launch(playwright, [f"{DEVICE}=fps=10", ALLOW, f"--use-file-for-fake-video-capture={face_film}"])
    yield browser
    browser.close()


@pytest.fixture
def camera(browser: Browser, address: str, request: pytest.FixtureRequest) -> Iterator[Camera]:
    with browser.new_context(**getattr(request, "param", DESKTOP)) as context:
        visit = Visit(context, address)
        yield Camera(visit)
        wrong = list(visit.wrong)
    assert wrong == []


def test_face_is_translated_live_and_the_translation_switched(camera: Camera) -> None:
    camera.visit.screenshot("webcam-idle")
    expect(camera.button("Stop")).to_be_disabled()
    examples = camera.page.evaluate(CARDS)
    assert len(examples) == 6
    assert "To photo" in camera.page.locator(".webcam [name=then]").inner_text(), "a drawing before the camera is rare"
    camera.start()
    expect(camera.page.locator(".webcam-readout")).to_have_text(re.compile(r"^[\d.]+ frames/s · \d+ ms$"))
    assert float(camera.page.locator(".webcam-readout").inner_text().split()[0]) > 0
    expect(camera.page.locator(".webcam-said")).to_have_text("1 face", timeout=PATIENCE)
    camera.choice("None").click()
    camera.page.wait_for_timeout(1500)
    plain = np.array(camera.page.evaluate(COLOUR))
    camera.choice("To male").click()
    camera.settles(lambda colour: bool(colour[2] - colour[0] > plain[2] - plain[0] + 8))
    camera.choice("To female").click()
    camera.settles(lambda colour: bool(colour[0] - colour[1] > plain[0] - plain[1] + 8))
    camera.page.get_by_role("slider", name="Strength").fill("0")
    camera.settles(lambda colour: bool(abs(colour - plain).max() < 8))
    expect(camera.page.locator("[data-percent]")).to_have_text("0 %")
    # The cards show the face before the camera instead of the example's.
    own = f"(examples) => {CARDS}.every((address, i) => address !== examples[i])"
    camera.page.wait_for_function(own, arg=examples, timeout=PATIENCE)
    camera.visit.screenshot("webcam-live")

    camera.button("Stop").click()
    camera.says("See yourself translated, live")
    assert not camera.camera_is_on()
    camera.start()


def test_snapshot_and_clip_are_kept(camera: Camera, tmp_path: Path) -> None:
    camera.start()
    camera.page.locator(".webcam").get_by_label("Then").select_option("To male")
    camera.page.wait_for_timeout(1500)
    with camera.page.expect_download() as download:
        camera.button("Snapshot").click()
    assert download.value.suggested_filename == "webcam-older-to-male.png"
    with Image.open(download.value.path()) as saved:
        saved.load()
        assert saved.size == (640, 480)
        assert saved.text["Description"] == "AI-altered (age: older, then gender: to male)"  # type: ignore[attr-defined]
    expect(camera.page.locator(".webcam-said")).to_have_text("Snapshot saved.")

    with camera.page.expect_download() as download:
        camera.button("Record 5 s").click()
        expect(camera.button(re.compile("^Stop recording"))).to_be_visible()
        expect(camera.page.get_by_role("radio", name="Side by side")).to_be_disabled()
        camera.visit.screenshot("webcam-recording")
    name = download.value.suggested_filename
    assert re.fullmatch(r"webcam-older-to-male\.(mp4|webm)", name)
    clip = tmp_path / name
    download.value.save_as(clip)
    reader = cv2.VideoCapture(str(clip))
    seen, frame = reader.read()
    reader.release()
    assert seen
    assert frame.shape == (480, 640, 3)
    expect(camera.button("Record 5 s")).to_be_enabled()


def test_views_side_by_side_and_mirrored(camera: Camera) -> None:
    camera.start()
    camera.choice("None").click()
    camera.page.get_by_text("Side by side").click()
    expect(camera.page.locator(".webcam-tag").first).to_be_visible()
    camera.page.wait_for_function("document.querySelector('.webcam canvas').width === 1280")
    assert camera.canvas_size() == [1280, 480]
    for _ in range(20):  # until the last translated frame has faded
        mirrored = camera.snapshot()
        left, right = mirrored[:, :640], mirrored[:, 640:]
        if abs(left - right).mean() < 10:
            break
    assert abs(left - right).mean() < 10, "the frame and what came back of it"
    camera.visit.screenshot("webcam-both")
    camera.page.get_by_label("Mirror the picture").uncheck()
    camera.page.wait_for_timeout(1000)
    plain = camera.snapshot()[:, :640]
    assert abs(plain[:, ::-1] - left).mean() < abs(plain - left).mean() * 0.85, "though the face moves"


def test_camera_that_disappears_can_be_started_again(camera: Camera) -> None:
    camera.start()
    track = "document.querySelector('.webcam video').srcObject.getTracks()[0]"
    camera.page.evaluate(f"{track}.dispatchEvent(new Event('ended'))")
    camera.says("The camera was disconnected")
    assert not camera.camera_is_on()
    camera.visit.screenshot("webcam-unplugged")
    camera.button("Start again").click()
    camera.is_live()


def test_hidden_tab_pauses_and_goes_on(camera: Camera) -> None:
    camera.start()
    camera.visit.open_tab("Photo")
    camera.page.wait_for_selector('.webcam[data-state="paused"]', state="attached")
    camera.visit.open_tab("Webcam")
    camera.is_live()


def test_keyboard_is_enough(camera: Camera) -> None:
    camera.button("Start the camera").focus()
    camera.page.keyboard.press("Enter")
    camera.is_live()
    expect(camera.button("Stop")).to_be_focused()
    camera.page.keyboard.press("Tab")
    expect(camera.button("Snapshot")).to_be_focused()
    camera.page.keyboard.press("Shift+Tab")
    camera.page.keyboard.press("Enter")
    expect(camera.button("Start the camera")).to_be_focused()
    camera.page.get_by_role("radio", name="To female").focus()
    camera.page.keyboard.press("ArrowRight")
    expect(camera.page.get_by_role("radio", name="To male")).to_be_checked()


def test_lost_server_is_found_again(camera: Camera) -> None:
    camera.start()
    camera.page.route("**/component_server/**", lambda route: route.abort())
    camera.says("Connection lost")
    expect(camera.button("Use slow mode")).to_be_visible(timeout=PATIENCE)
    camera.visit.screenshot("webcam-lost")
    camera.page.unroute("**/component_server/**")
    camera.button("Try now").click()
    camera.is_live()
    camera.page.wait_for_timeout(500)  # the last of the refused requests are reported
    assert camera.visit.wrong != []
    camera.visit.wrong.clear()


def test_full_server_tells_the_place_in_line(camera: Camera, address: str) -> None:
    config = httpx.get(f"{address}/config").json()
    component = next(each["id"] for each in config["components"] if each["props"].get("elem_id") == "webcam-live")

    def call(function: str, data: dict[str, Any]) -> dict[str, Any]:
        body = {"data": data, "component_id": component, "fn_name": function, "session_hash": "x"}
        return httpx.post(f"{address}/gradio_api/component_server/", json=body, timeout=60).json()

    camera.button("Start the camera").focus()  # the page is ready: the places of the others last some seconds only
    others = [call("begin", {}) for _ in range(MOST_STREAMS)]
    camera.button("Start the camera").click()
    camera.says("All places are taken")
    expect(camera.page.get_by_text(re.compile(r"You are number \d+ in line\."))).to_be_visible()
    camera.visit.screenshot("webcam-waiting")
    for other in others:
        call("end", {"token": other.get("token") or other["ticket"]})
    camera.is_live()


def test_two_visitors_at_once(camera: Camera, browser: Browser, address: str) -> None:
    camera.start()
    with browser.new_context(**DESKTOP) as context:
        other = Camera(Visit(context, address))
        other.start()
        camera.is_live()
        assert other.visit.wrong == []


def test_slow_mode_works(camera: Camera) -> None:
    camera.page.get_by_role("button", name=re.compile("^Slow mode")).click()
    slow = camera.page.locator("#webcam-slow")
    slow.get_by_text("Click to Access Webcam").click()
    slow.get_by_text("Record", exact=True).click()
    expect(slow.get_by_alt_text("The camera's picture, translated")).to_be_visible(timeout=PATIENCE)
    camera.visit.screenshot("webcam-slow")


@pytest.mark.parametrize("camera", [PHONE | {"color_scheme": "dark"}], indirect=True)
def test_phone_needs_no_sideways_scrolling(camera: Camera) -> None:
    assert camera.visit.is_as_wide_as_the_screen()
    camera.visit.screenshot("webcam-phone-idle")
    camera.start()
    camera.page.get_by_text("Side by side").click()
    camera.page.wait_for_function("document.querySelector('.webcam canvas').height === 960")
    assert camera.canvas_size() == [640, 960], "one below the other"
    assert camera.visit.is_as_wide_as_the_screen()
    camera.visit.screenshot("webcam-phone")


@pytest.mark.parametrize(
    ("switches", "title"),
    [([DEVICE], "The camera is blocked"), ([f"{DEVICE}=device-count=0", ALLOW], "No camera found")],
    ids=["refused", "none"],
)
def test_camera_that_is_not_had_is_said(playwright: Playwright, address: str, switches: list[str], title: str) -> None:
    browser = launch(playwright, switches)
    with browser.new_context(**DESKTOP) as context:
        camera = Camera(Visit(context, address))
        camera.button("Start the camera").click()
        camera.says(title)
        camera.visit.screenshot(f"webcam-{title.split()[-1]}")
        expect(camera.button("Try again")).to_be_focused()
        camera.button("Try again").click()
        camera.says(title)
        assert camera.visit.wrong == []
    browser.close()


@pytest.mark.parametrize(
    ("script", "title"),
    [
        ("Object.defineProperty(navigator, 'mediaDevices', {value: undefined})", "The camera needs a secure page"),
        (
            "navigator.mediaDevices.getUserMedia = () => Promise.reject(new DOMException('', 'NotReadableError'))",
            "The camera is in use",
        ),
    ],
    ids=["insecure", "taken"],
)
def test_camera_that_cannot_be_had_is_said(browser: Browser, address: str, script: str, title: str) -> None:
    with browser.new_context(**DESKTOP) as context:
        context.add_init_script(script)
        camera = Camera(Visit(context, address))
        if "secure" not in title:
            camera.button("Start the camera").click()
        camera.says(title)
        camera.visit.screenshot(f"webcam-{title.split()[-1]}")
        assert camera.visit.wrong == []


def test_cameras_can_be_switched(playwright: Playwright, address: str) -> None:
    browser = launch(playwright, [f"{DEVICE}=device-count=2,fps=10", ALLOW])
    with browser.new_context(**PHONE) as context:
        camera = Camera(Visit(context, address))
        camera.start()
        chosen: Callable[[Page], str] = lambda page: page.locator("select[name=camera]").input_value()  # noqa: E731
        before = chosen(camera.page)
        camera.button("Switch camera").click()
        camera.is_live()
        assert chosen(camera.page) != before
        camera.page.locator("select[name=camera]").select_option(before)
        camera.is_live()
        assert camera.visit.wrong == []
    browser.close()
