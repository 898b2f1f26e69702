"""Every tab by axe-core, in light and dark, and the size of what a finger has to meet on a phone."""

from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe  # type: ignore[import-untyped]
from playwright.sync_api import expect

from tests.support.browser import DESKTOP, PATIENCE, PHONE, Visit

pytestmark = pytest.mark.browser

TABS = ("Photo", "Webcam", "Video", "Gallery")
GRAVE = ("serious", "critical")
SMALLEST_TARGET = 44  # pixels, by the Web Content Accessibility Guidelines 2.2, success criterion 2.5.5
MODES: dict[str, dict[str, Any]] = {
    "desktop-light": DESKTOP | {"color_scheme": "light"},
    "desktop-dark": DESKTOP | {"color_scheme": "dark"},
    "phone-light": PHONE | {"color_scheme": "light"},
    "phone-dark": PHONE | {"color_scheme": "dark"},
}
# What can be pressed and is smaller. A label counts in the place of the box or the file input that it belongs to; links
# within sentences and sliders, which are dragged, are exempt.
SMALL_TARGETS = """(least) => [...document.querySelectorAll('button, select, summary, [role=tab], label:has(input)')]
  .filter((item) => item.offsetWidth && !item.closest('.visually-hidden, footer'))
  .filter((item) => getComputedStyle(item).visibility !== 'hidden')
  .filter((item) => !item.querySelector('input[type=range], button, select'))
  .filter((item) => item.offsetHeight < least || item.offsetWidth < least)
  .map((item) => `${item.textContent.trim() || item.className} ${item.offsetWidth}x${item.offsetHeight}`)"""


def open_filled(visit: Visit, name: str) -> None:
    """Opens a tab and waits until the server has filled it."""
    expect(visit.page.locator(".photo-status")).to_contain_text("This is an example", timeout=PATIENCE)
    visit.open_tab(name)
    if name != "Photo":
        expect(visit.page.get_by_text("To female", exact=True).locator("visible=true").first).to_be_visible()
    visit.page.wait_for_timeout(500)


@pytest.mark.parametrize("visit", MODES.values(), ids=MODES.keys(), indirect=True)
def test_axe_finds_nothing_serious_in_any_tab(visit: Visit) -> None:
    found = []
    for name in TABS:
        open_filled(visit, name)
        for violation in Axe().run(visit.page).response["violations"]:
            if violation["impact"] in GRAVE:
                nodes = [f"{node['target']}: {node['failureSummary'][:300]}" for node in violation["nodes"]]
                found.append((name, violation["id"], nodes))
    assert found == []


@pytest.mark.parametrize("visit", [PHONE], ids=["phone"], indirect=True)
def test_fingers_meet_every_target_on_a_phone(visit: Visit) -> None:
    small = {}
    for name in TABS:
        open_filled(visit, name)
        small[name] = visit.page.evaluate(SMALL_TARGETS, SMALLEST_TARGET)
    assert small == {name: [] for name in TABS}
