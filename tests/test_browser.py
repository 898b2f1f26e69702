"""The page as people use it: a real Chromium, a real server, real photographs where this machine has some."""

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Browser, BrowserContext, Locator, Request, expect, sync_playwright

pytestmark = pytest.mark.browser

ROOT = Path(__file__).parents[1]
SCREENSHOTS = ROOT / "screenshots"
DESKTOP: dict[str, Any] = {"viewport": {"width": 1280, "height": 900}}
PHONE: dict[str, Any] = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}
SECONDS = 1000
PATIENCE = 60 * SECONDS  # a machine may have other work


@pytest.fixture(scope="module")
def address(tiny_translation: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Where the page is served; by app.py as it is started by hand, but with a tiny translation."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    temporary = tmp_path_factory.mktemp("tmp")
    settings = {
        "CYCLEGAN_GENDER_REPO": str(tiny_translation), "GRADIO_SERVER_PORT": str(port), "TMPDIR": str(temporary),
        "GRADIO_SERVER_NAME": "127.0.0.1",
    }
    command = [sys.executable, "app.py"]
    with subprocess.Popen(command, cwd=ROOT, env=os.environ | settings, stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout is not None
            line = server.stdout.readline()
            assert line == f"Open http://127.0.0.1:{port}\n"
            yield line.split()[1]
        finally:
            server.send_signal(signal.SIGTERM)
            code = server.wait(timeout=60)
    assert code == 0
    assert list(temporary.glob("cyclegan-*")) == [], "nothing of what visitors sent is left"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    names = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
    found = next(filter(None, map(shutil.which, names)), None)
    switches = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=switches)
        yield browser
        browser.close()


class Visit:
    """A page that is open, and what has gone wrong on it."""

    def __init__(self, context: BrowserContext, address: str) -> None:
        self.wrong: list[str] = []
        self.page = context.new_page()
        self.page.set_default_timeout(PATIENCE)
        self.page.on("console", lambda message: message.type == "error" and self.wrong.append(message.text))
        self.page.on("pageerror", lambda error: self.wrong.append(str(error)))
        self.page.on("response", lambda answer: answer.ok or self.wrong.append(f"{answer.status} {answer.url}"))
        self.page.on("requestfailed", self._note_failure)
        own = (f"{address}/", "data:", "blob:")
        self.page.on("request", lambda asked: asked.url.startswith(own) or self.wrong.append(f"asked {asked.url}"))
        self.page.goto(address)
        expect(self.button).to_be_visible(timeout=PATIENCE)

    def _note_failure(self, request: Request) -> None:
        # gradio itself breaks the stream of results off when it has all of them, and the browser stops loading a
        # picture that a newer one replaces.
        given_up = "/queue/data" in request.url or request.resource_type == "image"
        if not given_up or request.failure != "net::ERR_ABORTED":
            self.wrong.append(f"{request.failure} {request.url}")

    @property
    def button(self) -> Locator:
        return self.page.get_by_role("button", name="Translate")

    @property
    def status(self) -> Locator:
        return self.page.locator("#status p")

    @property
    def download(self) -> Locator:
        return self.page.get_by_role("button", name="Download the picture")

    def upload(self, path: Path) -> None:
        """Puts a file into the page and waits until the server has it."""
        with self.page.expect_response(re.compile("/upload")):
            self.page.set_input_files("input[type=file]", path)
        expect(self.page.locator("#photo img")).to_have_count(1, timeout=PATIENCE)

    def translate(self, path: Path) -> None:
        self.upload(path)
        self.button.click()
        expect(self.status).to_contain_text("found", timeout=PATIENCE)
        expect(self.page.locator("#result img")).to_have_count(2, timeout=PATIENCE)

    def after(self) -> str:
        """Address of the translated picture on the page."""
        return str(self.page.locator("#result img").last.get_attribute("src"))

    def changes_from(self, address: str) -> None:
        expect(self.page.locator("#result img").last).not_to_have_attribute("src", address, timeout=PATIENCE)

    def screenshot(self, name: str) -> None:
        self.page.wait_for_timeout(300)  # animations end
        self.page.screenshot(path=SCREENSHOTS / f"{name}.png", full_page=True)

    def is_as_wide_as_the_screen(self) -> bool:
        return bool(self.page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth"))


@pytest.fixture
def visit(browser: Browser, address: str, request: pytest.FixtureRequest) -> Iterator[Visit]:
    """A new visitor's page. Errors on the console and requests that fail, or go elsewhere, fail the test."""
    with browser.new_context(**getattr(request, "param", DESKTOP)) as context:
        visit = Visit(context, address)
        yield visit
        wrong = list(visit.wrong)  # what closing the page breaks off is no matter
    assert wrong == []


@pytest.fixture
def faceless_picture(tmp_path: Path) -> Path:
    path = tmp_path / "clouds.png"
    ramp = np.linspace(40, 220, 320).astype(np.uint8)
    Image.fromarray(np.broadcast_to(ramp[None, :, None], (240, 320, 3)).copy()).save(path)
    return path


def test_photo_is_translated_and_downloaded_in_its_own_size(visit: Visit, two_faces_picture: Path) -> None:
    visit.screenshot("desktop-empty")
    expect(visit.download).to_be_hidden()
    visit.translate(two_faces_picture)
    expect(visit.status).to_have_text(re.compile(r"^[23] faces found in \d+\.\d s$"))
    faces = visit.page.locator("#strip figure")
    assert faces.count() >= 2
    expect(faces.first.get_by_alt_text("Face 1, before")).to_be_visible()
    expect(faces.first.get_by_alt_text("Face 1, after")).to_be_visible()
    with visit.page.expect_download() as download:
        visit.download.click()
    assert download.value.suggested_filename == "obama_and_biden-to-female.jpg"
    with Image.open(download.value.path()) as saved, Image.open(two_faces_picture) as original:
        assert saved.size == original.size
        assert not saved.getexif()
    visit.screenshot("desktop")


def test_strength_and_direction_apply_at_once(visit: Visit, face_picture: Path) -> None:
    visit.page.get_by_label("To male").check()
    assert visit.page.locator("#result img").count() == 0, "not before it was asked for"
    visit.translate(face_picture)
    shown = visit.after()
    slider = visit.page.get_by_role("slider", name="Strength")
    slider.focus()
    visit.page.keyboard.press("ArrowLeft")
    visit.changes_from(shown)
    expect(visit.page.get_by_role("spinbutton")).to_have_value("0.99")

    shown = visit.after()
    visit.page.get_by_label("Reset to default value").click()
    visit.changes_from(shown)

    shown = visit.after()
    visit.page.get_by_label("To female").check()
    visit.changes_from(shown)
    expect(visit.status).to_contain_text("1 face found")


def test_page_says_that_no_face_was_found(visit: Visit, faceless_picture: Path) -> None:
    visit.translate(faceless_picture)
    expect(visit.status).to_have_text(re.compile("^No face found. Try a photo"))
    expect(visit.download).to_be_hidden()
    assert visit.page.locator("#strip img").count() == 0
    visit.screenshot("no-face")


def test_damaged_file_is_refused_and_the_next_one_works(
    visit: Visit, tmp_path: Path, faceless_picture: Path, face_picture: Path
) -> None:
    damaged = tmp_path / "damaged.jpg"
    damaged.write_bytes(face_picture.read_bytes()[:20_000])
    visit.upload(damaged)
    visit.button.click()
    toast = visit.page.get_by_test_id("toast-body")
    expect(toast).to_contain_text("damaged.jpg is damaged or cut short", timeout=PATIENCE)
    assert "/" not in toast.inner_text()
    visit.screenshot("damaged")
    visit.page.get_by_label("Remove Image").click()
    visit.translate(faceless_picture)


def test_photo_is_asked_for_first(visit: Visit) -> None:
    visit.button.click()
    expect(visit.page.get_by_test_id("toast-body")).to_contain_text("Choose a photo first.", timeout=PATIENCE)


def test_next_photo_clears_the_result_of_the_last(visit: Visit, faceless_picture: Path) -> None:
    visit.translate(faceless_picture)
    visit.page.get_by_label("Remove Image").click()
    expect(visit.page.locator("#result img")).to_have_count(0)
    expect(visit.status).to_have_count(0)


def test_example_is_translated_at_a_click(visit: Visit) -> None:
    visit.page.get_by_role("button", name="Example 1").click()
    expect(visit.status).to_contain_text("found in", timeout=PATIENCE)


@pytest.mark.parametrize("visit", [PHONE | {"color_scheme": "dark"}], indirect=True)
def test_phone_needs_no_sideways_scrolling(visit: Visit, two_faces_picture: Path) -> None:
    assert visit.is_as_wide_as_the_screen()
    visit.screenshot("phone-empty")
    visit.translate(two_faces_picture)
    expect(visit.download).to_be_visible()
    assert visit.is_as_wide_as_the_screen()
    visit.screenshot("phone")


def test_about_says_what_is_at_work(visit: Visit) -> None:
    expect(visit.page.get_by_text("deleted within ten minutes")).to_be_visible()
    visit.page.get_by_role("button", name="About").click()
    expect(visit.page.get_by_text(re.compile("found by (RetinaFace|Haar)"))).to_be_visible()
