"""The Photo tab as people use it, in a real Chromium."""

import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Locator, expect

from tests import ROOT
from tests.support.browser import PATIENCE, PHONE, Visit

pytestmark = pytest.mark.browser

TWO = ROOT / "examples" / "two_people.jpg"
ONE = ROOT / "examples" / "astronaut.jpg"


class Tab:
    """The Photo tab of a page."""

    def __init__(self, visit: Visit) -> None:
        self.visit, self.page = visit, visit.page
        self.button = self.page.get_by_role("button", name="Translate", exact=True)
        self.compare = self.page.get_by_role("button", name="Compare all")
        self.download = self.page.locator("#save").get_by_role("button", name="Download")
        self.status = self.page.locator("#status [role=status]")
        self.faces = self.page.get_by_role("list", name="Faces").get_by_role("listitem")
        self.pictures = self.page.locator("#result img")
        self.toast = self.page.get_by_test_id("toast-body")
        expect(self.button).to_be_visible(timeout=PATIENCE)

    def choose(self, photo: Path) -> None:
        """Puts a photo into the page and waits until its faces have been looked for."""
        self.page.set_input_files("#photo input[type=file]", photo)
        self.says(r"^(\d+ faces? found\.|No face found)")

    def says(self, pattern: str) -> None:
        expect(self.status).to_have_text(re.compile(pattern), timeout=PATIENCE)

    def translate(self) -> None:
        self.button.click()
        self.says("translated in")
        expect(self.pictures).to_have_count(2, timeout=PATIENCE)

    def after(self) -> str:
        """Address of the translated picture on the page."""
        return str(self.pictures.last.get_attribute("src"))

    def changes_from(self, address: str) -> None:
        expect(self.pictures.last).not_to_have_attribute("src", address, timeout=PATIENCE)

    def choice(self, face: int) -> Locator:
        return self.page.get_by_label(f"Translation of face {face}", exact=True)

    def save(self) -> tuple[str, Path]:
        with self.page.expect_download(timeout=PATIENCE) as download:
            self.download.click()
        return download.value.suggested_filename, download.value.path()


@pytest.fixture
def tab(visit: Visit) -> Tab:
    visit.open_tab("Photo")
    return Tab(visit)


@pytest.fixture
def faceless(tmp_path: Path) -> Path:
    ramp = np.linspace(40, 220, 320).astype(np.uint8)
    Image.fromarray(np.broadcast_to(ramp[None, :, None], (240, 320, 3)).copy()).save(tmp_path / "clouds.png")
    return tmp_path / "clouds.png"


def test_faces_are_found_at_once_and_each_gets_its_own(tab: Tab) -> None:
    tab.choose(TWO)
    expect(tab.faces).to_have_count(2)
    expect(tab.page.get_by_alt_text("Face 1, before")).to_be_visible()
    expect(tab.pictures).to_have_count(0)
    tab.choice(1).select_option("Leave as it is")
    tab.translate()
    tab.says("^1 of 2 faces translated in")
    expect(tab.page.get_by_alt_text("Face 2, after")).to_be_visible()
    tab.visit.screenshot("photo")

    shown = tab.after()
    tab.choice(1).focus()
    tab.page.keyboard.press("ArrowDown")  # to the first direction; a native select needs no mouse
    tab.changes_from(shown)
    tab.says("^2 faces translated in")
    expect(tab.choice(1)).to_have_value("gender:to_female")
    expect(tab.choice(2)).to_have_value("")


def test_strength_direction_and_chain_apply_at_once(tab: Tab) -> None:
    tab.page.get_by_label("To male").first.check()
    tab.choose(ONE)
    expect(tab.pictures).to_have_count(0)
    tab.translate()
    shown = tab.after()
    tab.page.get_by_role("slider", name="Strength").focus()
    tab.page.keyboard.press("ArrowLeft")
    tab.changes_from(shown)

    shown = tab.after()
    tab.page.get_by_label("To female").first.check()
    tab.changes_from(shown)

    shown = tab.after()
    tab.page.get_by_label("Then").click()
    tab.page.get_by_role("listbox").get_by_role("option", name="To male").click()
    tab.changes_from(shown)
    name, _ = tab.save()
    assert name == "astronaut-to-female-to-male.jpg"


def test_download_is_of_full_size_and_says_that_it_is_altered(tab: Tab) -> None:
    tab.choose(TWO)
    expect(tab.download).to_be_hidden()
    tab.translate()
    name, path = tab.save()
    assert name == "two_people-to-female.jpg"
    with Image.open(path) as saved, Image.open(TWO) as original:
        assert saved.size == original.size
    assert b"AI-altered (gender: to female)" in path.read_bytes()

    tab.page.locator("#save").get_by_label("PNG").check()
    tab.page.locator("#save").get_by_label("Save").click()
    tab.page.get_by_role("listbox").get_by_role("option", name="Face 2 alone").click()
    name, path = tab.save()
    assert name == "two_people-face-2-to-female.png"
    with Image.open(path) as saved:
        assert saved.format == "PNG"
        assert saved.width == saved.height


def test_comparison_of_one_face_is_taken_over_at_a_click(tab: Tab) -> None:
    tab.choose(TWO)
    tab.page.get_by_label("Compare with face 1").check()
    tab.compare.click()
    shown = tab.page.locator("#comparison")
    expect(shown.get_by_role("heading")).to_have_text("Face 1 in every direction", timeout=PATIENCE)
    expect(shown.get_by_role("button", name="Original")).to_be_visible()
    tab.visit.screenshot("photo-comparison")
    shown.get_by_role("button", name="To male").press("Enter")
    tab.says("^2 faces translated in")
    expect(tab.choice(1)).to_have_value("gender:to_male")


def test_next_photo_clears_the_last(tab: Tab, faceless: Path) -> None:
    tab.choose(ONE)
    tab.translate()
    tab.compare.click()
    expect(tab.page.locator("#comparison li").first).to_be_visible(timeout=PATIENCE)
    tab.page.get_by_label("Remove Image").click()
    expect(tab.faces).to_have_count(0)
    expect(tab.pictures).to_have_count(0)
    expect(tab.download).to_be_hidden()
    expect(tab.page.locator("#comparison li")).to_have_count(0)
    tab.says("^The faces are found as soon as there is a photo")
    tab.choose(faceless)
    tab.says("^No face found. Try a photo")
    tab.compare.click()
    expect(tab.toast).to_contain_text("No face found", timeout=PATIENCE)
    tab.visit.screenshot("photo-no-face")


def test_damaged_photo_is_refused_and_the_next_one_works(tab: Tab, tmp_path: Path) -> None:
    tab.button.click()
    expect(tab.toast).to_contain_text("Choose a photo first.", timeout=PATIENCE)
    tab.page.get_by_test_id("toast-close").click()
    damaged = tmp_path / "damaged.jpg"
    damaged.write_bytes(ONE.read_bytes()[:20_000])
    tab.page.set_input_files("#photo input[type=file]", damaged)
    expect(tab.toast).to_contain_text("damaged.jpg is damaged or cut short", timeout=PATIENCE)
    assert "/" not in tab.toast.inner_text()
    tab.page.get_by_label("Remove Image").click()
    tab.choose(ONE)
    tab.translate()


def test_example_is_looked_at_at_a_click(tab: Tab) -> None:
    tab.page.get_by_role("button", name="Example 1").click()
    tab.says("^1 face found")
    expect(tab.faces).to_have_count(1)


@pytest.mark.parametrize("visit", [PHONE | {"color_scheme": "dark"}], indirect=True)
def test_phone_needs_no_sideways_scrolling(tab: Tab) -> None:
    assert tab.visit.is_as_wide_as_the_screen()
    tab.choose(TWO)
    tab.translate()
    tab.compare.click()
    expect(tab.page.locator("#comparison li").first).to_be_visible(timeout=PATIENCE)
    expect(tab.download).to_be_visible()
    assert tab.visit.is_as_wide_as_the_screen()
    tab.visit.screenshot("photo-phone")
