"""The Photo tab as people use it, in a real Chromium."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Browser, Locator, expect

from tests import ROOT
from tests.support.browser import DESKTOP, PATIENCE, PHONE, Visit

pytestmark = pytest.mark.browser

TWO = ROOT / "examples" / "two_people.jpg"
ONE = ROOT / "examples" / "astronaut.jpg"
# The lowest contrast of the texts of the tab with what is behind them, and the text that has it.
CONTRAST = """() => {
  const parse = (colour) => {
    const parts = colour.match(/[\\d.]+/g).map(Number);
    return { rgb: parts.slice(0, 3), a: parts[3] ?? 1 };
  };
  const light = (rgb) => rgb.map((v) => (v /= 255) <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
    .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
  const behind = (item) => {
    for (let at = item; at; at = at.parentElement) {
      const { rgb, a } = parse(getComputedStyle(at).backgroundColor);
      if (a === 1) return rgb;
    }
    return [255, 255, 255];
  };
  let worst = [99, ''];
  for (const item of document.querySelectorAll('#title *, [role=tab], .photo *, .page-privacy *')) {
    const text = [...item.childNodes].some((node) => node.nodeType === 3 && node.textContent.trim());
    if (!text || !item.offsetWidth || item.closest('.photo-frame, option, :disabled')) continue;
    const [a, b] = [light(parse(getComputedStyle(item).color).rgb), light(behind(item))].sort((x, y) => y - x);
    const ratio = (a + 0.05) / (b + 0.05);
    if (ratio < worst[0]) worst = [ratio, item.textContent.trim().slice(0, 40)];
  }
  return worst;
}"""
TARGETS = "[role=tab], .photo :is(button, select, summary, .photo-choose)"
SMALL_TARGETS = """(targets) => [...document.querySelectorAll(targets)]
  .filter((item) => item.offsetWidth && (item.offsetHeight < 44 || item.offsetWidth < 44))
  .map((item) => `${item.textContent.trim().slice(0, 20)} ${item.offsetWidth}x${item.offsetHeight}`)"""


class Tab:
    """The Photo tab of a page, once it shows the example."""

    def __init__(self, visit: Visit) -> None:
        self.visit, self.page = visit, visit.page
        self.status = self.page.locator(".photo-status")
        self.cards = self.page.get_by_role("group", name="Translations", exact=True).get_by_role("button")
        self.more = self.page.get_by_role("group", name="More translations")
        self.faces = self.page.get_by_role("group", name="Faces").get_by_role("button")
        self.before = self.page.get_by_alt_text("The original")
        self.after = self.page.get_by_alt_text("The translated photo")
        self.download = self.page.locator(".photo").get_by_role("button", name="Download")
        self.toast = self.page.get_by_test_id("toast-body")
        self.says("^This is an example")

    def choose(self, photo: Path) -> None:
        """Puts a photo into the page and waits until it is translated, or cannot be."""
        self.page.set_input_files(".photo-choose input", photo)
        self.says(r"translated in|^No face found")
        self.is_done()

    def says(self, pattern: str) -> None:
        expect(self.status).to_have_text(re.compile(pattern), timeout=PATIENCE)

    def is_done(self) -> None:
        expect(self.page.locator(".photo")).to_have_attribute("data-state", "photo", timeout=PATIENCE)

    def card(self, name: str) -> Locator:
        return self.cards.filter(has_text=name)

    def shown(self) -> str:
        """Address of the translated picture on the page."""
        return str(self.after.get_attribute("src"))

    def changes_from(self, address: str) -> None:
        expect(self.after).not_to_have_attribute("src", address, timeout=PATIENCE)
        expect(self.after).to_have_js_property("complete", True)

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


def test_example_is_translated_before_there_is_a_photo(tab: Tab) -> None:
    expect(tab.before).to_be_visible()
    expect(tab.after).to_be_visible()
    assert tab.cards.all_inner_texts() == ["To female", "To male", "Older", "Younger", "To anime"]
    for picture in tab.cards.locator("img").all():
        expect(picture).to_have_js_property("naturalWidth", 192)
    expect(tab.more).to_be_hidden()
    expect(tab.download).to_be_disabled()
    tab.page.locator("summary", has_text="More").click()
    expect(tab.more.get_by_role("button", name="To photo")).to_be_visible()
    tab.visit.screenshot("photo-example")
    tab.card("To male").click()
    tab.says("^1 face translated in")
    expect(tab.card("To male")).to_have_attribute("aria-pressed", "true")


def test_photo_is_translated_at_once_and_each_face_gets_its_own(tab: Tab) -> None:
    tab.choose(TWO)
    tab.says("^2 faces translated in")
    expect(tab.faces).to_have_count(3)
    expect(tab.card("Younger")).to_have_attribute("aria-pressed", "true")  # the larger face is old already
    shown, faces = tab.shown(), tab.card("To male").locator("img").get_attribute("src")
    tab.page.get_by_alt_text("Face 1").click()
    expect(tab.card("To male").locator("img")).not_to_have_attribute("src", str(faces), timeout=PATIENCE)
    tab.card("Original").focus()
    tab.page.keyboard.press("Enter")
    tab.says("^1 of 2 faces translated in")
    tab.changes_from(shown)
    expect(tab.card("Original")).to_be_focused()
    tab.visit.screenshot("photo")
    tab.page.get_by_alt_text("Face 2").click()
    tab.card("Older").click()
    tab.says("^Hardly anything changes: it looks like that already")
    tab.faces.first.click()
    tab.card("To male").click()
    tab.says("^2 faces translated in")


def test_strength_direction_and_chain_apply_at_once(tab: Tab) -> None:
    tab.choose(ONE)
    for act in (
        lambda: tab.page.get_by_role("slider", name="Strength").press("ArrowLeft"),
        lambda: tab.card("To female").click(),
        lambda: tab.page.get_by_label("Then").select_option("To male"),
    ):
        shown = tab.shown()
        act()
        tab.changes_from(shown)
    name, _ = tab.save()
    assert name == "astronaut-to-female-to-male.jpg"


def test_choices_made_in_quick_succession_all_count(tab: Tab) -> None:
    tab.choose(TWO)
    tab.page.evaluate("""() => {
      const press = (selector) => document.querySelector(selector).click();
      press('.photo-face:nth-child(2)');
      press('.photo-card[data-step=""]');
      press('.photo-face:nth-child(3)');
      press('.photo-card[data-step="gender:to_male"]');
    }""")
    tab.says("^1 of 2 faces translated in")
    expect(tab.card("To male")).to_have_attribute("aria-pressed", "true")
    tab.is_done()
    name, _ = tab.save()
    assert name == "two_people-to-male.jpg"


def test_before_and_after_are_compared_by_mouse_and_by_keyboard(tab: Tab) -> None:
    slide = tab.page.get_by_role("slider", name="Before and after")
    box = slide.bounding_box()
    assert box
    slide.click(position={"x": box["width"] * 0.9, "y": box["height"] / 2})
    assert float(slide.input_value()) > 80
    clip = tab.after.evaluate("image => getComputedStyle(image).clipPath")
    assert re.search(r"(8|9)\d(\.\d+)?%", clip)
    slide.press("Home")
    assert float(slide.input_value()) == 0


def test_download_is_of_full_size_and_says_that_it_is_altered(tab: Tab) -> None:
    tab.choose(TWO)
    tab.card("To female").click()
    tab.is_done()
    name, path = tab.save()
    assert name == "two_people-to-female.jpg"
    with Image.open(path) as saved, Image.open(TWO) as original:
        assert saved.size == original.size
    assert b"AI-altered (gender: to female)" in path.read_bytes()
    tab.page.get_by_label("As", exact=True).select_option("PNG")
    tab.page.get_by_label("Save", exact=True).select_option("Face 2 alone")
    name, path = tab.save()
    assert name == "two_people-face-2-to-female.png"
    with Image.open(path) as saved:
        assert saved.format == "PNG"
        assert saved.width == saved.height


def test_comparison_and_loop_are_saved_and_shared(tab: Tab) -> None:
    share = tab.page.locator(".photo-share")
    expect(share).to_be_hidden()  # this browser has no share sheet
    tab.choose(ONE)
    what, form = tab.page.get_by_label("Save", exact=True), tab.page.get_by_label("As", exact=True)
    what.select_option("Before and after")
    name, _ = tab.save()
    assert name == "astronaut-older-comparison.jpg"
    what.select_option("Moving picture")
    expect(form).to_be_hidden()
    name, path = tab.save()
    assert name == "astronaut-older-loop.webp"
    with Image.open(path) as loop:
        assert getattr(loop, "n_frames", 1) > 10


# A share sheet like that of a phone, which wants a click before each file and here refuses the first.
SHARE_SHEET = """
window.shared = [];
navigator.canShare = ({ files }) => files.length === 1;
navigator.share = async ({ files: [file] }) => {
  window.shared.push([file.name, file.type, file.size]);
  if (window.shared.length === 1) throw new DOMException('', 'NotAllowedError');
};
"""


def test_share_sheet_gets_the_file_where_the_browser_has_one(browser: Browser, address: str) -> None:
    with browser.new_context(**PHONE) as context:
        context.add_init_script(SHARE_SHEET)
        visit = Visit(context, address)
        tab = Tab(visit)
        share = tab.page.locator(".photo-share")
        expect(share).to_be_disabled()
        tab.choose(ONE)
        tab.page.get_by_label("Save", exact=True).select_option("Before and after")
        share.click()
        expect(share).to_have_text("Share now", timeout=PATIENCE)
        share.click()
        expect(share).to_have_text("Share")
        first, second = tab.page.evaluate("window.shared")
        assert first == second
        assert first[:2] == ["astronaut-older-comparison.jpg", "image/jpeg"]
        assert first[2] > 1000
        assert visit.is_as_wide_as_the_screen()
        visit.screenshot("photo-share")
        wrong = list(visit.wrong)
    assert wrong == []


def test_photo_is_dropped_anywhere(tab: Tab) -> None:
    transfer = tab.page.evaluate_handle(
        """async (address) => {
          const data = new DataTransfer();
          const answer = await fetch(address);
          data.items.add(new File([await answer.blob()], 'dropped.jpg', { type: 'image/jpeg' }));
          return data;
        }""",
        str(tab.before.get_attribute("src")),
    )
    tab.page.dispatch_event("#title", "dragover", {"dataTransfer": transfer})
    expect(tab.page.locator(".photo")).to_have_class(re.compile("photo-dragged"))
    tab.page.dispatch_event("#title", "drop", {"dataTransfer": transfer})
    tab.says("^1 face translated in")
    expect(tab.page.locator(".photo")).not_to_have_class(re.compile("photo-dragged"))


def test_photo_without_a_face_says_so(tab: Tab, faceless: Path) -> None:
    tab.choose(faceless)
    tab.says("^No face found. Try a photo")
    expect(tab.after).to_be_hidden()
    expect(tab.download).to_be_disabled()
    tab.visit.screenshot("photo-no-face")
    tab.choose(ONE)
    tab.says("^1 face translated in")
    expect(tab.after).to_be_visible()


def test_damaged_photo_is_refused_and_the_last_one_stays(tab: Tab, tmp_path: Path) -> None:
    tab.choose(ONE)
    damaged = tmp_path / "damaged.jpg"
    damaged.write_bytes(ONE.read_bytes()[:20_000])
    tab.page.set_input_files(".photo-choose input", damaged)
    expect(tab.toast).to_contain_text("damaged.jpg is damaged or cut short", timeout=PATIENCE)
    assert "/" not in tab.toast.inner_text()
    tab.is_done()
    tab.says("^1 face translated in")
    shown = tab.shown()
    tab.card("To male").click()
    tab.changes_from(shown)


def test_example_is_opened_at_a_click(tab: Tab) -> None:
    tab.page.get_by_role("button", name="Example 5").click()
    tab.says("^2 faces translated in")
    expect(tab.faces).to_have_count(3)


def test_nothing_jumps_while_the_page_loads(visit: Visit) -> None:
    place = "() => JSON.stringify(document.querySelector('.photo-stage').getBoundingClientRect())"
    visit.page.locator(".photo-stage").wait_for()
    first = visit.page.evaluate(place)
    tab = Tab(visit)
    assert visit.page.evaluate(place) == first
    tab.choose(TWO)
    assert visit.page.evaluate(place) == first


MODES: dict[str, dict[str, Any]] = {
    f"{name}-{mode}": device | {"color_scheme": mode}
    for name, device in (("desktop", DESKTOP), ("phone", PHONE))
    for mode in ("light", "dark")
}


@pytest.mark.parametrize("visit", MODES.values(), ids=MODES.keys(), indirect=True)
def test_text_is_legible(tab: Tab, request: pytest.FixtureRequest) -> None:
    tab.choose(TWO)
    tab.visit.screenshot(f"photo-{request.node.callspec.id}")
    contrast, text = tab.page.evaluate(CONTRAST)
    assert contrast >= 4.5, text


@pytest.mark.parametrize("visit", [PHONE], ids=["phone"], indirect=True)
def test_phone_shows_photo_and_cards_on_its_first_screen(tab: Tab) -> None:
    for photo in (None, TWO):
        if photo:
            tab.choose(photo)
        assert tab.visit.is_as_wide_as_the_screen()
        for part in (tab.after, tab.cards.first):
            expect(part).to_be_visible(timeout=PATIENCE)
            box = part.bounding_box()
            assert box
            assert box["y"] + box["height"] <= PHONE["viewport"]["height"]
        assert tab.page.evaluate(SMALL_TARGETS, TARGETS) == []
