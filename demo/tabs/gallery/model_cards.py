"""The examples of each translation and the text of its model card."""

import html
import re
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import gradio as gr
import numpy as np
from numpy.typing import NDArray

from cyclegan_core import images
from cyclegan_core.images.shrinking import fitted
from cyclegan_core.translations import catalog
from demo.context import PageContext
from demo.errors import visitor_errors
from demo.languages.phrases import phrase, say, say_word
from demo.pictures import data_url

if TYPE_CHECKING:
    from cyclegan_core.inference.registry import Status

SHEET_FILE, PHOTOGRAPHS_FILE = "sheet.jpg", "photographs.jpg"  # which train/publishing/card.py writes beside a card
SHEET_SIDE = 1000  # pixels, at most, at which they are shown
SHEET_COLUMNS, SHEET_ROWS = 8, 16  # of train/evaluate.py: four rows of sources and results one way, four the other


def text_of(card: Path) -> str:
    """A model card as Markdown for the page, without front matter, pictures and tags, so that nothing is fetched."""
    text = card.read_text(encoding="utf-8", errors="replace")
    text = re.sub(r"\A---\s*\n.*?\n---\s*\n", "", text, flags=re.DOTALL)
    text = re.sub(r"!\[[^\]]*\]\([^)]*\)", "", text)  # the sheet stands above
    text = text.replace("![", "[")
    return text.replace("<", "&lt;").strip()  # tags might load pictures or styles


def head(status: "Status") -> str:
    """HTML with the title of a translation and one sentence on its quality."""
    quality = status.config.training.get("quality") if status.config else None
    words = quality if isinstance(quality, str) else say_word("about", status.entry, status.about)
    return f'<div class="example"><h3>{html.escape(_title(status))}</h3><p>{html.escape(words)}</p></div>'


def sheet_of(status: "Status") -> str:
    """HTML with the sheet of test faces that lies beside a model card, or an empty string."""
    return _figure(status, SHEET_FILE, "gallery.sheet", "gallery.sheet_of")


def photographs_of(status: "Status") -> str:
    """HTML with the sheet of whole photographs that lies beside a model card, or an empty string."""
    return _figure(status, PHOTOGRAPHS_FILE, "gallery.photographs", "gallery.photographs_of")


def _figure(status: "Status", file: str, caption: str, described: str) -> str:
    sheet = status.card and status.card.parent / file
    if not sheet or not sheet.is_file():
        return ""
    alt = say(described, title=html.escape(_title(status)))
    picture = f'<img src="{_sheet_url(sheet, sheet.stat().st_mtime)}" alt="{alt}">'
    return f'<figure class="sheet">{picture}<figcaption>{say(caption)}</figcaption></figure>'


def _title(status: "Status") -> str:
    return say_word("title", status.entry, status.title)


@lru_cache(maxsize=16)
def _sheet_url(sheet: Path, changed: float) -> str:
    """The sheet as a data URL: the URL of its file would tell where this program is installed. changed: its mtime."""
    return data_url(fitted(_half_of(images.load(sheet)), SHEET_SIDE), 82)


def _half_of(sheet: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The first rows of either direction, where there are as many as usual, so that its faces are seen larger."""
    height, width = sheet.shape[:2]
    if height * SHEET_COLUMNS != width * SHEET_ROWS:
        return sheet
    return np.concatenate([sheet[: height // 4], sheet[height // 2 : height // 4 * 3]])


def add_model_cards(context: PageContext) -> None:
    """Adds one section for each translation of the catalog; those that are not on offer stay hidden."""
    blocks: list[Any] = []
    names = [entry.name for entry in catalog.entries()]
    for _ in names:
        with gr.Column(visible=False, elem_classes="model-card") as column, gr.Row(equal_height=False):
            with gr.Column(scale=6, min_width=300):
                sheet = gr.HTML()
            with gr.Column(scale=5, min_width=300):
                title = gr.HTML()
                photographs = gr.HTML()
                with gr.Accordion(phrase("gallery.card"), open=False, visible=False) as whole:
                    text = gr.Markdown()
        blocks += [column, title, sheet, photographs, whole, text]

    def fill() -> list[Any]:
        with visitor_errors():
            offered = {status.entry: status for status in context.offered()}
            return [update for name in names for update in _updates(offered.get(name))]

    gr.on(None, fill, None, blocks, queue=False, api_visibility="private", show_progress="hidden")


def _updates(status: "Status | None") -> list[Any]:
    if status is None:
        return [gr.Column(visible=False), *[gr.skip()] * 5]
    card = text_of(status.card) if status.card and status.card.is_file() else ""
    return [
        gr.Column(visible=True),
        head(status),
        sheet_of(status),
        photographs_of(status),
        gr.Accordion(visible=bool(card)),
        card,
    ]
