"""Takes the README's pictures of the page anew: the photo tab in motion, the webcam and the gallery.

    python examples/screenshots.py     # a minute; needs what `make test` installs

Starts a page of its own in a real Chromium. The people shown are those of the examples.
"""

import io
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from PIL import Image
from playwright.sync_api import Locator, Page, expect, sync_playwright

from examples.benchmark_webcam import CAMERA, film
from examples.load_page import ROOT, own_page

FOLDER = ROOT / "examples" / "screenshots"
WIDTH, HEIGHT = 1180, 900
PATIENCE = 120_000  # milliseconds
MOTION_WIDTH, MOTION_QUALITY, MOST_BYTES = 760, 70, 3_000_000
SHOWN = ("gender:to_male", "age:older", "anime:to_anime")  # cards that the moving picture clicks
PORTRAIT = "barack_obama.jpg"
ON_CAMERA, LIVE = "joe_biden.jpg", "Younger"
IN_GALLERY = ("To female", "Older", "To anime")


class Motion:
    """Frames of a page, each with how long it is shown."""

    def __init__(self, page: Page) -> None:
        self._page = page
        self._frames: list[Image.Image] = []
        self._durations: list[int] = []

    def take(self, milliseconds: int) -> None:
        shot = Image.open(io.BytesIO(self._page.screenshot())).convert("RGB")
        self._frames.append(
            shot.resize((MOTION_WIDTH, MOTION_WIDTH * shot.height // shot.width), Image.Resampling.LANCZOS)
        )
        self._durations.append(milliseconds)

    def save(self, file: Path) -> None:
        first, *others = self._frames
        first.save(
            file,
            save_all=True,
            append_images=others,
            duration=self._durations,
            loop=0,
            quality=MOTION_QUALITY,
            method=6,
        )
        if file.stat().st_size > MOST_BYTES:
            raise SystemExit(f"{file.name} has {file.stat().st_size / 1e6:.1f} MB; lower MOTION_QUALITY")


@contextmanager
def opened() -> Iterator[Page]:
    names = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
    found = next(filter(None, map(shutil.which, names)), None)
    with tempfile.TemporaryDirectory() as folder, own_page(None) as served, sync_playwright() as playwright:
        film(shown := Path(folder) / "face.mjpeg", ROOT / "examples" / ON_CAMERA)
        camera = (*CAMERA, f"--use-file-for-fake-video-capture={shown}")
        browser = playwright.chromium.launch(executable_path=found, args=["--no-sandbox", "--disable-gpu", *camera])
        page = browser.new_page(viewport={"width": WIDTH, "height": HEIGHT}, color_scheme="light", locale="en-US")
        page.set_default_timeout(PATIENCE)
        page.goto(served.address)
        yield page
        browser.close()


def is_done(page: Page) -> None:
    """Waits until the photo tab shows what was asked for."""
    expect(page.locator('.photo[data-state="photo"]')).to_be_visible(timeout=PATIENCE)
    page.wait_for_timeout(700)


def slide(page: Page, motion: Motion, slider: Locator) -> None:
    for value in (50, 35, 20, 35, 50, 65, 80, 65, 50):
        slider.fill(str(value))
        page.wait_for_timeout(60)
        motion.take(90)


def photo_tab(page: Page) -> None:
    expect(page.locator(".photo-status")).to_contain_text("This is an example", timeout=PATIENCE)
    page.wait_for_timeout(700)
    motion = Motion(page)
    motion.take(1200)
    page.set_input_files(".photo-choose input", ROOT / "examples" / PORTRAIT)
    is_done(page)
    expect(page.locator(".photo-card img").first).to_be_visible()
    motion.take(900)
    for step in SHOWN:
        page.locator(f'.photo-card[data-step="{step}"]').click()
        is_done(page)
        motion.take(700)
        slide(page, motion, page.locator(".photo-slide"))
        motion.take(500)
    motion.save(FOLDER / "page.webp")


def webcam_tab(page: Page) -> None:
    page.get_by_role("tab", name="Webcam").click()
    page.get_by_role("radio", name=LIVE, exact=True).check(force=True)
    page.get_by_role("button", name="Start the camera").click()
    expect(page.locator('.webcam[data-state="live"]')).to_be_visible(timeout=PATIENCE)
    page.wait_for_timeout(6000)
    page.screenshot(path=FOLDER / "webcam.jpg", type="jpeg", quality=88)
    page.get_by_role("button", name="Stop", exact=True).click()


def gallery_tab(page: Page) -> None:
    page.get_by_role("tab", name="Gallery").click()
    page.get_by_role("button", name="Try the examples").click()
    for direction in IN_GALLERY:
        page.locator("#steps").get_by_label(direction).check()
    expect(page.locator("#photos")).to_contain_text(PORTRAIT.partition(".")[0], timeout=PATIENCE)
    page.get_by_role("button", name="Translate all").click()
    expect(page.locator("#batch-status")).to_contain_text("made.", timeout=PATIENCE)
    page.wait_for_timeout(1500)
    page.evaluate("window.scrollTo(0, 0)")
    page.screenshot(path=FOLDER / "gallery.jpg", type="jpeg", quality=88)


def main() -> None:
    with opened() as page:
        for tab in (photo_tab, webcam_tab, gallery_tab):
            tab(page)


if __name__ == "__main__":
    main()
