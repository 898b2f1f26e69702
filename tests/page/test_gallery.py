"""The Gallery tab without a browser: many photos, what was made in this visit, and the model cards."""

import asyncio
import base64
import re
from itertools import pairwise
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import cv2
import gradio as gr
import numpy as np
import pytest
from gradio.data_classes import FileData, ListFiles

from cyclegan_core import images
from cyclegan_core.inference.registry import Status, TranslationRegistry
from cyclegan_core.translations.catalog import CATALOG, Entry
from demo.context import PageContext
from demo.file_input import MOST_FILES, FileInput
from demo.languages.phrases import say
from demo.server.files import Files
from demo.server.long_work import LongWork, time_left
from demo.tabs.gallery import history, model_cards
from demo.tabs.gallery.batch import Request
from demo.tabs.gallery.history import Item, card, delete, existing, merged, show
from demo.tabs.gallery.tab import GalleryActions, Outcome, add_gallery, empty_html, requests_for
from tests import ROOT
from tests.page.test_batch import FaceInBright
from tests.support.registries import offering_gender

FEMALE, MALE = "gender:to_female", "gender:to_male"
WEIGHTS = ROOT / "cyclegan_core" / "weights"


@pytest.fixture(scope="module")
def context(tiny_translation: Path, tmp_path_factory: pytest.TempPathFactory) -> PageContext:
    return PageContext(offering_gender(tiny_translation, FaceInBright()), Files(tmp_path_factory.mktemp("files")))


@pytest.fixture
def actions(context: PageContext) -> GalleryActions:
    return GalleryActions(context)


@pytest.fixture
def photos(tmp_path: Path) -> list[Path]:
    """Two with a face, and between them one that is no picture."""
    rng = np.random.default_rng(0)
    for name in ("a.jpg", "c.jpg"):
        images.save(rng.integers(90, 130, (140, 160, 3), np.uint8), tmp_path / name)
    (tmp_path / "b.jpg").write_text("no picture")
    return [tmp_path / name for name in ("a.jpg", "b.jpg", "c.jpg")]


def shown(html: str) -> list[Path]:
    """The files that the pictures and links of a page part are."""
    return [Path(unquote(found)) for found in re.findall(r'(?:src|href)="gradio_api/file=([^"]+)"', html)]


def test_results_come_one_after_the_other(actions: GalleryActions, photos: list[Path]) -> None:
    steps = list(actions.translate(photos, [FEMALE, MALE], "", 1.0, LongWork()))
    grids = [grid for _, grid, *_ in steps]
    assert all(later.startswith(earlier) for earlier, later in pairwise(grids)), "only added to"
    assert [grid.count("<li") for grid in grids] == [0, 1, 2, 3, 4, 5, 5]
    assert "1 of 6 results" in steps[1][0]
    assert "4 of 6 results" in steps[3][0], "a bad photo is one entry, and done for both translations"
    said, grid, download, button, outcome = steps[-1]
    assert "4 pictures made." in said
    assert "b.jpg is not a picture" in grid
    assert "a.jpg: to male" in grid
    assert all(file.is_file() for file in shown(grid))
    assert download.visible
    assert button.visible
    assert Path(download.value["path"] if isinstance(download.value, dict) else download.value).suffix == ".zip"
    assert len(outcome.made) == 4


def test_chosen_translations_are_each_followed_by_the_next(context: PageContext) -> None:
    assert requests_for(context, [FEMALE, MALE, FEMALE], "") == [
        Request("To female", FEMALE),
        Request("To male", MALE),
    ]
    assert requests_for(context, [FEMALE], MALE) == [Request("To female, then to male", f"{FEMALE}+{MALE}")]


def test_stop_ends_it_and_keeps_what_is_there(actions: GalleryActions, photos: list[Path]) -> None:
    work = LongWork()
    steps = actions.translate(photos, [FEMALE], "", 1.0, work)
    next(steps), next(steps)
    actions.stop(work)
    *_, last = steps
    assert "Stopped. 2 photos were not translated." in last[0]
    assert last[1].count("<li") == 1
    assert last[2].visible


def test_what_is_missing_is_asked_for(actions: GalleryActions, photos: list[Path]) -> None:
    for given, steps, sentence in ((([]), [FEMALE], say("gallery.first")), (photos, [], say("gallery.which"))):
        with pytest.raises(gr.Error) as refused:
            actions.begin(given, steps, None)
        assert refused.value.message == sentence
    assert isinstance(actions.begin(photos, [FEMALE], None)[0], LongWork)


def test_one_go_at_a_time(actions: GalleryActions, photos: list[Path]) -> None:
    work = LongWork()
    first = iter(actions.translate(photos, [FEMALE], "", 1.0, work))
    next(first)
    with pytest.raises(gr.Error) as refused:
        actions.begin(photos, [FEMALE], work)
    assert refused.value.message == say("gallery.busy")
    ((said, *_),) = actions.translate(photos, [FEMALE], "", 1.0, work)
    assert say("gallery.busy") in said
    assert work.running, "the second has not ended the first"
    del first
    assert not work.running


def test_what_goes_wrong_is_said_beside_what_is_made(
    actions: GalleryActions, photos: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(self: Any) -> None:
        raise OSError(28, "No space left on device", "/secret/place")

    monkeypatch.setattr("demo.tabs.gallery.batch.Batch.finish", fail)
    *_, (said, grid, *_rest) = actions.translate(photos, [FEMALE], "", 1.0, LongWork())
    assert "Something went wrong on this server" in said
    assert "secret" not in said
    assert grid.count("<li") == 3


def test_unknown_translation_is_said_to_be(actions: GalleryActions, photos: list[Path]) -> None:
    *_, (said, grid, *_rest) = actions.translate(photos, ["<b>"], "", 1.0, LongWork())
    assert "there is no direction" in said
    assert "<b>" not in said
    assert grid == ""


def test_deleting_the_results_deletes_their_files(actions: GalleryActions, photos: list[Path]) -> None:
    *_, (_, grid, _, _, outcome) = actions.translate(photos, [FEMALE, MALE], "", 1.0, LongWork())
    files = [Path(file) for made in outcome.made for file in made.files]
    assert outcome.archive.is_file()
    said, grid, *_, left = actions.delete(outcome, [])
    assert "Deleted." in said
    assert (grid, left) == (empty_html(), None)
    assert not any(file.exists() or file.parent.exists() for file in [*files, outcome.archive])
    assert actions.delete(None, [])[1] == empty_html()


def made_here(files: Files, words: str, before: str | None = None) -> Item:
    picture = np.zeros((20, 20, 3), np.uint8)
    return Item(before or files.write(picture, "before.jpg"), files.write(picture, "after.jpg"), words)


@pytest.fixture
def entries(tmp_path: Path) -> list[Item]:
    """Three, of which the first two have the same photo."""
    files = Files(tmp_path / "files")
    first = made_here(files, "one")
    return [first, made_here(files, "two", first.before), made_here(files, "three")]


def test_history_shows_the_newest_first_and_each_once(entries: list[Item]) -> None:
    assert merged(entries[:1], entries[1:]) == entries[::-1]
    assert merged(entries, [entries[0]]) == entries
    page = show(entries)
    assert page.index("one") < page.index("three")
    assert page.count('aria-label="Delete ') == 3
    assert say("gallery.nothing") in show([])


def test_deleting_one_leaves_what_others_need(entries: list[Item]) -> None:
    one, two, three = entries
    delete([one], [two, three])
    assert not Path(one.after).exists()
    assert two.is_there()
    assert three.is_there()
    delete([two], [three])
    assert not Path(two.before).exists()
    assert three.is_there()


def test_deleted_files_are_left_out_with_a_note(entries: list[Item]) -> None:
    with gr.Blocks():
        part = history.History()
    Path(entries[1].after).unlink()
    left, page, button = part.shown(entries)
    assert left == [entries[0], entries[2]] == existing(entries)
    assert say("gallery.gone") in page
    assert "two" not in page
    assert button.visible
    left, page, _ = part.shown(left)
    assert say("gallery.gone") not in page


def test_visitor_deletes_only_what_is_their_own(entries: list[Item], tmp_path: Path) -> None:
    with gr.Blocks():
        part = history.History()
    other = made_here(Files(tmp_path / "files"), "another visitor's")
    for key in (other.key, "", None, 7, ["x"], f"../{other.key}"):
        left, *_ = part._delete_one(entries, gr.EventData(None, {"key": key}))
        assert left == entries
    part._delete_one(entries, gr.EventData(None, None))
    assert other.is_there()
    left, *_ = part._delete_one(entries, gr.EventData(None, {"key": entries[2].key}))
    assert left == entries[:2]
    left, page, _ = part._delete_all(left)
    assert left == []
    assert say("gallery.nothing") in page
    assert not any(Path(file).exists() for made in entries for file in made.files)


def test_words_are_no_markup() -> None:
    page = card(Item('a"b<i>.jpg', "x/after.jpg", '<script>alert("1")</script>'))
    assert "<script" not in page
    assert '"1"' not in page
    assert "<i>" not in page


def test_files_come_in_by_upload_alone(tmp_path: Path) -> None:
    with gr.Blocks():
        part = FileInput(file_count="multiple")
    for address in ("http://127.0.0.1/x.zip", "HTTPS://example.com/x", "data:image/png;base64,AAAA"):
        with pytest.raises(gr.Error, match="not its address"):
            asyncio.run(part.async_move_resource_to_block_cache(address))
    sent = ListFiles([FileData(path=str(tmp_path / "a.jpg"))])
    assert part.preprocess(sent) == [tmp_path / "a.jpg"]
    assert part.preprocess(FileData(path="b.zip")) == [Path("b.zip")]
    assert part.preprocess(None) == []
    with pytest.raises(gr.Error, match="choose fewer"):
        part.preprocess(ListFiles([FileData(path="a.jpg")] * (MOST_FILES + 1)))


@pytest.fixture
def gender() -> Status:
    registry = TranslationRegistry([Entry("gender", "Gender", {"to_female": "To female", "to_male": "To male"})])
    registry.load()
    (status,) = registry.statuses()
    return status


def test_model_card_is_shown_without_its_front_matter(gender: Status) -> None:
    assert gender.card is not None
    text = model_cards.text_of(gender.card)
    assert text.startswith("# gender")
    assert "license_name" not in text
    assert "![" not in text


def test_example_shows_verdict_and_sheet(gender: Status) -> None:
    assert gender.config is not None
    assert gender.config.training["quality"] in model_cards.head(gender)
    figure = model_cards.sheet_of(gender)
    encoded = figure.partition("base64,")[2].partition('"')[0]
    sheet = images.load(WEIGHTS / "gender" / "sheet.jpg")
    small = images.load(base64.b64decode(encoded))
    assert small.shape[0] == small.shape[1], "half of the rows"
    shown = cv2.resize(np.concatenate([sheet[:1024], sheet[2048:3072]]), (64, 64), interpolation=cv2.INTER_AREA)
    assert np.abs(cv2.resize(small, (64, 64), interpolation=cv2.INTER_AREA).astype(int) - shown).mean() < 3
    assert str(WEIGHTS.parent) not in figure, "where this program is installed is nobody's business"


def test_whole_photographs_are_shown_beside(gender: Status) -> None:
    figure = model_cards.photographs_of(gender)
    assert 'alt="Gender: whole photographs before and after"' in figure
    shown = images.load(base64.b64decode(figure.partition("base64,")[2].partition('"')[0]))
    sheet = images.load(WEIGHTS / "gender" / "photographs.jpg")
    assert shown.shape[1] / shown.shape[0] == pytest.approx(sheet.shape[1] / sheet.shape[0], rel=0.01)


def test_card_of_a_stranger_loads_nothing(tmp_path: Path) -> None:
    hostile = tmp_path / "README.md"
    hostile.write_text(
        "---\ntags: [x]\n---\n# x\n![a](https://evil.example/a.png) ![b][ref] <img src=https://evil.example/b.png>\n\n"
        "[ref]: https://evil.example/c.png\n<script>alert(1)</script>\n"
    )
    text = model_cards.text_of(hostile)
    assert text.startswith("# x")
    assert "a.png" not in text
    assert not re.search(r"<\w|!\[", text)


def test_translation_without_sheet_or_card_has_words(context: PageContext) -> None:
    (status,) = context.offered()
    assert model_cards.sheet_of(status) == ""
    assert CATALOG[0].about in model_cards.head(status)
    updates = model_cards._updates(status)
    assert updates[0].visible
    assert updates[3] == ""
    assert not updates[4].visible
    assert not model_cards._updates(None)[0].visible


def test_no_event_is_part_of_the_api(context: PageContext) -> None:
    with gr.Blocks() as page:
        add_gallery(context, gr.State())
    assert page.fns
    assert {fn.api_visibility for fn in page.fns.values()} == {"private"}


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0.4, "a few seconds left"),
        (12, "about 10 s left"),
        (54, "about 50 s left"),
        (57, "about 1 min left"),
        (200, "about 3 min left"),
    ],
)
def test_time_left_is_no_more_exact_than_it_can_be(seconds: float, words: str) -> None:
    assert time_left(seconds) == words


def test_progress_says_how_far_it_is() -> None:
    work = LongWork()
    with work.turn():
        assert ">0 of 0 results<" in work.progress(0, 0, results=True)
        assert ">7 of 50 results, " in work.progress(7, 50, results=True)
        assert ">50 of 50 results<" in work.progress(50, 50, results=True)
        assert ">25%, " in work.progress(0.25, 1)


def test_leaving_ends_the_work(actions: GalleryActions, photos: list[Path]) -> None:
    work = LongWork()
    steps = actions.translate(photos, [FEMALE], "", 1.0, work)
    next(steps)
    del steps
    assert work.stopped()


def test_outcome_is_compared_by_what_came_of_it(tmp_path: Path) -> None:
    assert hash(Outcome((), None)) == hash(Outcome((), None)), "gr.State tells changes by it"
