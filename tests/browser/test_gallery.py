"""The Gallery and Video tabs as people use them, in a real Chromium."""

import re
import zipfile
from pathlib import Path

import pytest
from playwright.sync_api import Locator, expect

from cyclegan_core import images
from tests import ROOT
from tests.support.browser import PATIENCE, PHONE, Visit
from tests.video.test_translate_video import make_video

pytestmark = pytest.mark.browser

ONE, OTHER = ROOT / "examples" / "astronaut.jpg", ROOT / "examples" / "grace_hopper.jpg"


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    """Two small photos, one of which is damaged, and what macOS puts beside them."""
    picture = images.load(OTHER)[::2, ::2].copy()
    images.save(picture, tmp_path / "small.jpg")
    with zipfile.ZipFile(tmp_path / "photos.zip", "w") as packed:
        packed.write(tmp_path / "small.jpg", "trip/small.jpg")
        packed.writestr("trip/cut.jpg", (tmp_path / "small.jpg").read_bytes()[:2000])
        packed.writestr("__MACOSX/trip/._small.jpg", b"x")
    return tmp_path / "photos.zip"


class Gallery:
    """The Gallery tab of a page."""

    def __init__(self, visit: Visit) -> None:
        self.page = visit.page
        visit.open_tab("Gallery")
        self.button = self.page.get_by_role("button", name="Translate all")
        self.status = self.page.locator("#batch-status")
        self.results = self.page.locator("#batch").get_by_role("listitem")
        self.history = self.page.locator("#history").get_by_role("listitem")
        self.female = self.page.locator("#steps").get_by_label("To female")
        expect(self.female).to_be_visible(timeout=PATIENCE)
        # The last part to be filled in.
        expect(self.page.get_by_role("heading", name="Gender")).to_be_visible(timeout=PATIENCE)

    def choose(self, *files: Path) -> None:
        self.page.set_input_files("#photos input[type=file]", files)
        for file in files:
            expect(self.page.locator("#photos")).to_contain_text(file.stem, timeout=PATIENCE)

    def translate(self) -> None:
        self.button.click()
        expect(self.status).to_contain_text("made.", timeout=PATIENCE)
        expect(self.button).to_be_enabled(timeout=PATIENCE)


@pytest.fixture
def gallery(visit: Visit) -> Gallery:
    return Gallery(visit)


def is_shown(picture: Locator) -> bool:
    return picture.evaluate("picture => picture.complete && picture.naturalWidth > 0") is True


def test_the_examples_are_translated_by_two_clicks_and_stay(gallery: Gallery, visit: Visit) -> None:
    gallery.page.get_by_role("button", name="Try the examples").click()
    expect(gallery.page.locator("#photos")).to_contain_text(OTHER.stem, timeout=PATIENCE)
    gallery.translate()
    expect(gallery.results).to_have_count(5)
    visit.screenshot("gallery-examples")
    gallery.page.get_by_role("button", name="Delete these").click()
    expect(gallery.status).to_contain_text("Deleted.", timeout=PATIENCE)
    assert OTHER.exists()


def test_photos_and_a_zip_are_translated_and_downloaded(gallery: Gallery, visit: Visit, archive: Path) -> None:
    visit.screenshot("gallery-empty")
    gallery.choose(ONE, archive)
    gallery.page.locator("#steps").get_by_label("To male").check()
    gallery.translate()
    expect(gallery.status).to_contain_text("4 pictures made.")
    expect(gallery.status).to_contain_text("1 file in the ZIP was skipped")
    expect(gallery.results).to_have_count(5)
    expect(gallery.results.nth(0)).to_contain_text("astronaut.jpg: older")
    expect(gallery.results.filter(has_text="cut.jpg is damaged or cut short")).to_have_count(1)
    gallery.results.first.scroll_into_view_if_needed()
    for picture in gallery.results.first.locator("img").all():
        expect(picture).to_have_js_property("complete", True, timeout=PATIENCE)
        assert is_shown(picture)
    visit.screenshot("gallery")
    with gallery.page.expect_download(timeout=PATIENCE) as download:
        gallery.page.get_by_role("button", name="Download all as ZIP").click()
    with zipfile.ZipFile(download.value.path()) as packed:
        assert packed.testzip() is None
        assert sorted(packed.namelist()) == [
            "astronaut-older.jpg",
            "astronaut-to-male.jpg",
            "faces.csv",
            "small-older.jpg",
            "small-to-male.jpg",
        ]
        assert images.load(packed.read("astronaut-to-male.jpg")).shape == images.load(ONE).shape


def test_original_is_seen_by_pointer_and_by_keyboard(gallery: Gallery) -> None:
    gallery.choose(ONE)
    gallery.translate()
    card, before = gallery.results.first, gallery.results.first.get_by_alt_text("The original")
    expect(before).to_have_css("opacity", "0")
    card.locator(".flip").hover()
    expect(before).to_have_css("opacity", "1")
    gallery.page.mouse.move(0, 0)
    expect(before).to_have_css("opacity", "0")
    card.get_by_role("checkbox", name="Show the original of astronaut.jpg: older").focus()
    gallery.page.keyboard.press("Space")
    expect(before).to_have_css("opacity", "1")


def test_results_are_leafed_through_by_arrows_and_keys(gallery: Gallery, visit: Visit) -> None:
    gallery.choose(ONE, OTHER)
    gallery.translate()
    viewer = gallery.page.get_by_role("dialog", name="One result, large")
    gallery.page.get_by_role("link", name="Open astronaut.jpg: older").click()
    expect(viewer).to_contain_text("astronaut.jpg: older (1 / 2)")
    for picture in viewer.locator("img").all():
        expect(picture).to_have_js_property("complete", True, timeout=PATIENCE)
        assert is_shown(picture)
    visit.screenshot("gallery-viewer")
    viewer.get_by_role("button", name="The next one").click()
    expect(viewer).to_contain_text("grace_hopper.jpg: older (2 / 2)")
    gallery.page.keyboard.press("ArrowRight")
    expect(viewer).to_contain_text("astronaut.jpg: older (1 / 2)")
    gallery.page.keyboard.press("ArrowLeft")
    expect(viewer).to_contain_text("(2 / 2)")
    gallery.page.keyboard.press("Escape")
    expect(viewer).to_be_hidden()
    gallery.page.get_by_role("link", name="Open grace_hopper.jpg: older").click()
    expect(viewer).to_contain_text("(2 / 2)")
    viewer.get_by_role("button", name="Close").click()
    expect(viewer).to_be_hidden()
    assert len(gallery.page.context.pages) == 1


def test_results_go_to_the_history_and_are_deleted(gallery: Gallery, visit: Visit) -> None:
    expect(gallery.page.locator("#history")).to_contain_text("Nothing yet")
    gallery.choose(ONE, OTHER)
    gallery.translate()
    first = str(gallery.results.first.locator("img").first.get_attribute("src"))
    gallery.page.locator("#photos").get_by_label("Remove this file").first.click()
    gallery.translate()
    expect(gallery.history).to_have_count(2, timeout=PATIENCE)
    expect(gallery.results).to_have_count(1)
    visit.screenshot("gallery-history")

    assert gallery.page.request.get(f"{gallery.page.url}{first}").ok
    gallery.page.get_by_role("button", name="Delete astronaut.jpg: older").click()
    expect(gallery.history).to_have_count(1, timeout=PATIENCE)
    assert not gallery.page.request.get(f"{gallery.page.url}{first}").ok
    gallery.page.get_by_role("button", name="Delete all of these").click()
    expect(gallery.page.locator("#history")).to_contain_text("Nothing yet", timeout=PATIENCE)

    gallery.page.get_by_role("button", name="Delete these").click()
    expect(gallery.status).to_contain_text("Deleted.", timeout=PATIENCE)
    expect(gallery.results).to_have_count(0)
    expect(gallery.page.get_by_role("button", name="Download all as ZIP")).to_be_hidden()


def test_stop_keeps_what_is_made(gallery: Gallery) -> None:
    gallery.choose(*[ONE, OTHER] * 24)
    gallery.button.click()
    expect(gallery.results).not_to_have_count(0, timeout=PATIENCE)
    gallery.page.get_by_role("button", name="Stop").click()
    expect(gallery.status).to_contain_text("Stopped.", timeout=PATIENCE)
    expect(gallery.page.get_by_role("button", name="Download all as ZIP")).to_be_visible()
    expect(gallery.button).to_be_enabled(timeout=PATIENCE)


def test_photos_are_asked_for_first(gallery: Gallery) -> None:
    gallery.button.click()
    expect(gallery.page.get_by_test_id("toast-body")).to_contain_text("Choose photos", timeout=PATIENCE)
    expect(gallery.button).to_be_enabled()


def test_what_the_photo_tab_makes_is_in_the_history(visit: Visit) -> None:
    status = visit.page.locator(".photo-status")
    expect(status).to_contain_text("This is an example", timeout=PATIENCE)
    visit.page.set_input_files(".photo-choose input", ONE)
    expect(status).to_contain_text("1 face translated", timeout=PATIENCE)
    gallery = Gallery(visit)
    expect(gallery.history).to_have_count(1, timeout=PATIENCE)
    expect(gallery.history).to_contain_text("older")


@pytest.mark.parametrize("visit", [PHONE | {"color_scheme": "dark"}], indirect=True)
def test_phone_needs_no_sideways_scrolling(gallery: Gallery, visit: Visit) -> None:
    gallery.choose(ONE)
    gallery.translate()
    assert visit.is_as_wide_as_the_screen()
    before = gallery.results.first.get_by_alt_text("The original")
    gallery.results.first.locator("label").tap()
    expect(before).to_have_css("opacity", "1")
    visit.screenshot("gallery-phone")
    visit.open_tab("Video")
    expect(visit.page.locator("#video-file")).to_be_visible()
    assert visit.is_as_wide_as_the_screen()
    visit.screenshot("video-phone")


def test_video_is_translated_and_cancelled(visit: Visit, tmp_path: Path) -> None:
    visit.open_tab("Video")
    page = visit.page
    button = page.get_by_role("button", name="Translate", exact=True)
    status, result = page.locator("#video-status"), page.locator("#video-result video")
    page.set_input_files("#video-file input[type=file]", make_video(tmp_path / "long.mp4", 1400))
    expect(page.locator("#video-file")).to_contain_text("long", timeout=PATIENCE)
    button.click()
    expect(status).to_contain_text(re.compile(r"\d%, .* left"), timeout=PATIENCE)
    page.get_by_role("button", name="Cancel").click()
    expect(status).to_contain_text("Cancelled. Nothing was kept.", timeout=PATIENCE)

    page.locator("#video-file").get_by_label("Clear").click()
    page.set_input_files("#video-file input[type=file]", make_video(tmp_path / "short.mp4"))
    expect(page.locator("#video-file")).to_contain_text("short", timeout=PATIENCE)
    preview = page.get_by_role("img", name="A frame of the video before and after: Older")
    expect(preview).to_be_visible(timeout=PATIENCE)
    page.locator("#video-steps").get_by_label("To male").check()
    expect(page.get_by_role("img", name="A frame of the video before and after: To male")).to_be_visible(
        timeout=PATIENCE
    )
    face = page.locator("#video-steps span", has_text="To male")
    assert "data:image/jpeg" in face.evaluate("item => getComputedStyle(item, '::before').backgroundImage")
    visit.screenshot("video-preview")
    button.click()
    expect(status).to_contain_text("Done: 0 s of video", timeout=PATIENCE)
    expect(result).to_have_js_property("videoWidth", 160, timeout=PATIENCE)
    visit.screenshot("video")
