"""The page as a whole, in a real Chromium: its tabs, its About section, on a screen and on a phone."""

import pytest
from playwright.sync_api import expect

from tests.support.browser import DESKTOP, PATIENCE, PHONE, Visit

pytestmark = pytest.mark.browser
TABS = ("Photo", "Webcam", "Video", "Gallery")


@pytest.mark.parametrize("visit", [DESKTOP, PHONE], ids=["desktop", "phone"], indirect=True)
def test_every_tab_opens_and_fits_the_screen(visit: Visit, request: pytest.FixtureRequest) -> None:
    for name in TABS:
        visit.open_tab(name)
        visit.page.wait_for_timeout(300)
        visit.screenshot(f"tab-{name.lower()}-{request.node.callspec.id}")
        assert visit.is_as_wide_as_the_screen(), name


def test_about_says_what_is_at_work(visit: Visit) -> None:
    visit.page.get_by_role("button", name="About").click()
    about = visit.page.locator("#about")
    expect(about).to_contain_text("finds the faces", timeout=PATIENCE)
    expect(about).to_contain_text("folder tiny")
    expect(about.get_by_role("button", name="Fetch new weights")).to_be_visible()
    visit.screenshot("about")


@pytest.mark.parametrize("visit", [DESKTOP | {"color_scheme": "dark"}], ids=["dark"], indirect=True)
def test_dark_mode_is_dark(visit: Visit) -> None:
    visit.page.wait_for_timeout(300)
    colour = visit.page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert max(int(part) for part in colour.strip("rgba()").split(",")[:3]) < 80
    visit.screenshot("dark")
