"""A real Chromium and a real server for the tests of the page. What goes wrong on a page fails its test."""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Playwright,
    Request,
    Response,
    expect,
    sync_playwright,
)

from tests import ROOT
from tests.support.ports import free_port

SCREENSHOTS = ROOT / "screenshots"  # ignored by git
DESKTOP: dict[str, Any] = {"viewport": {"width": 1280, "height": 900}}
PHONE: dict[str, Any] = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}
PATIENCE = 60_000  # milliseconds; a machine may have other work
SWITCHES = ("--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update")


@contextmanager
def served(settings: dict[str, str], temporary: Path) -> Iterator[str]:
    """Address of the page, served by app.py as it is started by hand, with these settings in its environment."""
    port = free_port()
    own = {"GRADIO_SERVER_PORT": str(port), "TMPDIR": str(temporary), "GRADIO_SERVER_NAME": "127.0.0.1"}
    offline = {"HF_HUB_OFFLINE": "1"}  # a test must not fetch what the machine lacks
    command = [sys.executable, "app.py"]
    environment = os.environ | offline | own | settings
    with subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True) as server:
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


def launch(playwright: Playwright, switches: Sequence[str] = ()) -> Browser:
    """The Chromium of the system, or else Playwright's own."""
    names = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
    found = next(filter(None, map(shutil.which, names)), None)
    return playwright.chromium.launch(executable_path=found, args=[*SWITCHES, *switches])


class Visit:
    """A page that is open, and what has gone wrong on it: errors on the console, requests that fail or go elsewhere."""

    def __init__(self, context: BrowserContext, address: str) -> None:
        self.wrong: list[str] = []
        self.page = context.new_page()
        self.page.set_default_timeout(PATIENCE)
        self.page.on("console", self._note_message)
        self.page.on("pageerror", lambda error: self.wrong.append(str(error)))
        self.page.on("response", self._note_answer)
        self.page.on("requestfailed", self._note_failure)
        self._own = (f"{address}/", "data:", "blob:")
        self.page.on("request", self._note_request)
        self.page.goto(address)
        expect(self.page.get_by_role("tab").first).to_be_visible(timeout=PATIENCE)

    def _note_message(self, message: ConsoleMessage) -> None:
        if message.type == "error":
            self.wrong.append(message.text)

    def _note_answer(self, answer: Response) -> None:
        if not answer.ok:
            self.wrong.append(f"{answer.status} {answer.url}")

    def _note_request(self, asked: Request) -> None:
        if not asked.url.startswith(self._own):
            self.wrong.append(f"asked {asked.url}")

    def _note_failure(self, request: Request) -> None:
        # gradio itself breaks the streams of results and of progress off when it has all of them, and the browser
        # stops loading a picture that a newer one replaces.
        streams = "/queue/data" in request.url or "/upload_progress" in request.url
        given_up = streams or request.resource_type in ("image", "media")
        if not given_up or request.failure != "net::ERR_ABORTED":
            self.wrong.append(f"{request.failure} {request.url}")

    def open_tab(self, name: str) -> None:
        self.page.get_by_role("tab", name=name, exact=True).click()

    def screenshot(self, name: str) -> None:
        self.page.wait_for_timeout(300)  # animations end
        self.page.screenshot(path=SCREENSHOTS / f"{name}.png", full_page=True)

    def is_as_wide_as_the_screen(self) -> bool:
        return bool(self.page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth"))


@pytest.fixture(scope="session")
def address(tiny_translation: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Where the page is served, with a tiny translation in the place of `gender`."""
    settings = {"CYCLEGAN_GENDER_REPO": str(tiny_translation)}
    with served(settings, tmp_path_factory.mktemp("tmp")) as address:
        yield address


@pytest.fixture(scope="module")  # not longer: while it runs, no other test can have an event loop
def playwright() -> Iterator[Playwright]:
    with sync_playwright() as playwright:
        yield playwright


@pytest.fixture(scope="module")
def browser(playwright: Playwright) -> Iterator[Browser]:
    browser = launch(playwright)
    yield browser
    browser.close()


@pytest.fixture
def visit(browser: Browser, address: str, request: pytest.FixtureRequest) -> Iterator[Visit]:
    """A new visitor's page."""
    with browser.new_context(**getattr(request, "param", DESKTOP)) as context:
        visit = Visit(context, address)
        yield visit
        wrong = list(visit.wrong)  # what closing the page breaks off is no matter
    assert wrong == []
