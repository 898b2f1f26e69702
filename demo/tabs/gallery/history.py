"""The results that a visitor made in this session, to look at again and to delete."""

import html
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import gradio as gr

from demo.errors import status_html, visitor_errors
from demo.languages.phrases import phrase, say
from demo.server.files import FILE_LIFETIME_SECONDS

MOST_ENTRIES = 400
GRID_SCRIPT = Path(__file__).with_name("grid.js").read_text(encoding="utf-8")


@dataclass(frozen=True)
class Item:
    """One result.

    before, after: paths of pictures in the size of the screen, each in a folder of its own. words: a caption such as
    `me.jpg: older`. view: the square part to show: left, top and side as fractions of the picture's width, or None to
    show all of it.
    """

    before: str
    after: str
    words: str
    view: tuple[float, float, float] | None = None

    @property
    def key(self) -> str:
        """A name that no other result of this visitor has."""
        return Path(self.after).parent.name

    @property
    def files(self) -> frozenset[str]:
        return frozenset((self.before, self.after))

    def is_there(self) -> bool:
        return Path(self.before).exists() and Path(self.after).exists()


def card(made: Item, buttons: str = "") -> str:
    """HTML of a list item with the result, which shows the original while it is pressed. buttons: HTML below it."""
    named = html.escape(made.words)
    look = 'loading="lazy"'
    if made.view:
        left, top, side = made.view
        look += f' style="width:{100 / side:.2f}%;left:{-100 * left / side:.2f}%;top:{-100 * top / side:.2f}%"'
    return (
        f'<li><figure><label class="flip {"close" if made.view else "whole"}">'
        f'<input type="checkbox" aria-label="{say("gallery.show_original", words=named)}">'
        f'<img src="{address(made.after)}" alt="{named}" {look}>'
        f'<img src="{address(made.before)}" alt="{say("original")}" class="before" {look}>'
        f'<span aria-hidden="true" data-before="{say("before")}" data-after="{say("after")}"></span></label>'
        f"<figcaption>{named}<span>{_opened(made)}{buttons}</span></figcaption>"
        "</figure></li>"
    )


def failed_card(words: str, problem: str, before: str | None) -> str:
    """HTML of a list item for a failed photo. problem: why it failed. before: path of the photo if it was read."""
    picture = f'<img src="{address(before)}" alt="" loading="lazy">' if before else ""
    return (
        f'<li class="failed"><figure>{picture}<figcaption>{html.escape(words)}<p>{html.escape(problem)}</p>'
        "</figcaption></figure></li>"
    )


def _opened(made: Item) -> str:
    label = say("gallery.open_this", words=html.escape(made.words))
    link = f'<a href="{address(made.after)}" target="_blank" rel="noopener" aria-label="{label}">'
    return f"{link}{say('gallery.open')}</a>"


def address(file: str) -> str:
    return html.escape(f"gradio_api/file={quote(file)}")


def merged(history: Sequence[Item], new: Iterable[Item]) -> list[Item]:
    """The history with new results in front, each once, at most MOST_ENTRIES."""
    entries = {made.key: made for made in history}
    for made in new:
        entries = {made.key: made} | entries
    return list(entries.values())[:MOST_ENTRIES]


def existing(history: Sequence[Item]) -> list[Item]:
    """The results whose files still exist."""
    return [made for made in history if made.is_there()]


def delete(doomed: Iterable[Item], rest: Iterable[Item]) -> None:
    """Deletes the files of the results in `doomed`, except files that a result in `rest` uses."""
    needed = frozenset[str]().union(*(made.files for made in rest))
    for file in frozenset[str]().union(*(made.files for made in doomed)) - needed:
        with suppress(OSError):
            Path(file).unlink(missing_ok=True)
            Path(file).parent.rmdir()


def show(history: Sequence[Item], *, gone: bool = False) -> str:
    """The history as HTML, each result with a button to delete it. gone: say that older results were deleted."""
    note = status_html(say("gallery.gone")) if gone else ""
    if not history:
        return note or status_html(say("gallery.nothing"))
    items = []
    for made in history:
        label = say("gallery.delete_this", words=html.escape(made.words))
        button = f'<button type="button" data-key="{html.escape(made.key)}" aria-label="{label}">'
        items.append(card(made, f"{button}{say('gallery.delete')}</button>"))
    return f'{note}<ol class="cards">{"".join(items)}</ol>'


class History:
    """The part of the page that shows results. entries: a gr.State with this visitor's list of Item."""

    def __init__(self) -> None:
        # No file is kept for longer, and the list shall not outlive them by much.
        self.entries = gr.State([], time_to_live=2 * FILE_LIFETIME_SECONDS)
        self.grid = gr.HTML(
            f'<div role="status"><p>{phrase("gallery.nothing")}</p></div>', elem_id="history", js_on_load=GRID_SCRIPT
        )
        self.delete_all = gr.Button(phrase("gallery.delete_all"), size="sm", visible=False, elem_id="delete-all")
        private: dict[str, Any] = {"queue": False, "api_visibility": "private", "show_progress": "hidden"}
        shown = [self.entries, self.grid, self.delete_all]
        self.grid.click(self._delete_one, self.entries, shown, **private)
        self.delete_all.click(self._delete_all, self.entries, shown, **private)

    @property
    def outputs(self) -> list[Any]:
        """The components that `shown` returns values for."""
        return [self.entries, self.grid, self.delete_all]

    def shown(self, history: Sequence[Item], new: Iterable[Item] = ()) -> tuple[list[Item], str, Any]:
        """Adds new results, drops those whose files are gone (with a note) and returns values for `outputs`."""
        there = existing(history)
        entries = merged(there, new)
        return entries, show(entries, gone=len(there) < len(history)), gr.Button(visible=bool(entries))

    def follow(self, made: gr.State) -> None:
        """Adds results of another tab. made: a gr.State with paths before and after and a caption, or None."""

        def append(latest: tuple[Path, Path, str] | None, history: list[Item]) -> tuple[list[Item], str, Any]:
            with visitor_errors():
                return self.shown(history, [Item(str(latest[0]), str(latest[1]), latest[2])] if latest else [])

        made.change(
            append, [made, self.entries], self.outputs, queue=False, api_visibility="private", show_progress="hidden"
        )

    def _delete_one(self, history: list[Item], event: gr.EventData) -> tuple[list[Item], str, Any]:
        with visitor_errors():
            key = event._data.get("key") if isinstance(event._data, dict) else None
            rest = [made for made in history if made.key != key]
            delete([made for made in history if made.key == key], rest)
            return self.shown(rest)

    def _delete_all(self, history: list[Item]) -> tuple[list[Item], str, Any]:
        with visitor_errors():
            delete(history, [])
            return self.shown([])
