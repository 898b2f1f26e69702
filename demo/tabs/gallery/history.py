"""What a visitor made in this visit: to look at again, and to delete."""

import html
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import gradio as gr

from demo.pictures import told
from demo.server.files import KEPT_SECONDS
from demo.server.long_work import said

MOST_ENTRIES = 400
NOTHING = "Nothing yet. What you make in this visit comes here, for ten minutes."
GONE = "What was older than ten minutes has been deleted."
# One listener for all buttons, as they come and go. A picture that is gone on the server is shown no more.
LISTEN = """
element.addEventListener('click', (event) => {
    const button = event.target.closest('button[data-key]');
    if (button) trigger('click', {key: button.dataset.key});
});
element.addEventListener('error', (event) => {
    const item = event.target.closest && event.target.closest('li');
    if (item) item.classList.add('gone');
}, true);
"""


@dataclass(frozen=True)
class Made:
    """A result.

    before, after: files for the screen, each in a folder of its own. words: such as `me.jpg: older`. view: the square
    part to be shown: left, top and side as fractions of the picture's width; None for all of it.
    """

    before: str
    after: str
    words: str
    view: tuple[float, float, float] | None = None

    @property
    def key(self) -> str:
        """Its name among those of this visitor."""
        return Path(self.after).parent.name

    @property
    def files(self) -> frozenset[str]:
        return frozenset((self.before, self.after))

    def is_there(self) -> bool:
        return Path(self.before).exists() and Path(self.after).exists()


def card(made: Made, buttons: str = "") -> str:
    """A picture that shows what it was before while it is pressed: HTML for a list. buttons: HTML below the words."""
    named = html.escape(made.words)
    look = 'loading="lazy"'
    if made.view:
        left, top, side = made.view
        look += f' style="width:{100 / side:.2f}%;left:{-100 * left / side:.2f}%;top:{-100 * top / side:.2f}%"'
    return (
        f'<li><figure><label class="flip {"close" if made.view else "whole"}">'
        f'<input type="checkbox" aria-label="Show the original of {named}">'
        f'<img src="{address(made.after)}" alt="{named}" {look}>'
        f'<img src="{address(made.before)}" alt="The original" class="before" {look}>'
        f'<span aria-hidden="true"></span></label><figcaption>{named}<span>{_opened(made)}{buttons}</span></figcaption>'
        "</figure></li>"
    )


def failed_card(words: str, problem: str, before: str | None) -> str:
    """What could not be made and why: HTML for a list. before: the photo, where it could be read."""
    picture = f'<img src="{address(before)}" alt="" loading="lazy">' if before else ""
    return (
        f'<li class="failed"><figure>{picture}<figcaption>{html.escape(words)}<p>{html.escape(problem)}</p>'
        "</figcaption></figure></li>"
    )


def _opened(made: Made) -> str:
    label = f"Open {html.escape(made.words)}"
    return f'<a href="{address(made.after)}" target="_blank" rel="noopener" aria-label="{label}">Open</a>'


def address(file: str) -> str:
    return html.escape(f"gradio_api/file={quote(file)}")


def added(history: Sequence[Made], new: Iterable[Made]) -> list[Made]:
    """The newest first, each once."""
    entries = {made.key: made for made in history}
    for made in new:
        entries = {made.key: made} | entries
    return list(entries.values())[:MOST_ENTRIES]


def kept(history: Sequence[Made]) -> list[Made]:
    """Those whose files are still there."""
    return [made for made in history if made.is_there()]


def delete(doomed: Iterable[Made], rest: Iterable[Made]) -> None:
    """Deletes the files of the doomed at once, but for those that the rest needs."""
    needed = frozenset[str]().union(*(made.files for made in rest))
    for file in frozenset[str]().union(*(made.files for made in doomed)) - needed:
        with suppress(OSError):
            Path(file).unlink(missing_ok=True)
            Path(file).parent.rmdir()


def show(history: Sequence[Made], *, gone: bool = False) -> str:
    """The entries as HTML, each with a button that deletes it."""
    note = said(GONE) if gone else ""
    if not history:
        return note or said(NOTHING)
    items = []
    for made in history:
        label = f"Delete {html.escape(made.words)}"
        button = f'<button type="button" data-key="{html.escape(made.key)}" aria-label="{label}">Delete</button>'
        items.append(card(made, button))
    return f'{note}<ol class="cards">{"".join(items)}</ol>'


class History:
    """The part of the page with what was made. entries: the gr.State that holds this visitor's list of `Made`."""

    def __init__(self) -> None:
        # No file is kept for longer, and the list shall not outlive them by much.
        self.entries = gr.State([], time_to_live=2 * KEPT_SECONDS)
        self.grid = gr.HTML(show([]), elem_id="history", js_on_load=LISTEN)
        self.delete_all = gr.Button("Delete all of these", size="sm", visible=False, elem_id="delete-all")
        private: dict[str, Any] = {"queue": False, "api_visibility": "private", "show_progress": "hidden"}
        shown = [self.entries, self.grid, self.delete_all]
        self.grid.click(self._delete_one, self.entries, shown, **private)
        self.delete_all.click(self._delete_all, self.entries, shown, **private)

    @property
    def outputs(self) -> list[Any]:
        """What `shown` and `refreshed` are for."""
        return [self.entries, self.grid, self.delete_all]

    def shown(self, history: Sequence[Made], new: Iterable[Made] = ()) -> tuple[list[Made], str, Any]:
        """With what is new: values of `outputs`. What has been deleted meanwhile is left out, with a note."""
        there = kept(history)
        entries = added(there, new)
        return entries, show(entries, gone=len(there) < len(history)), gr.Button(visible=bool(entries))

    def follow(self, made: gr.State) -> None:
        """Takes up what another tab makes: a gr.State with the files and the words of the latest, or None."""

        def append(latest: tuple[Path, Path, str] | None, history: list[Made]) -> tuple[list[Made], str, Any]:
            with told():
                return self.shown(history, [Made(str(latest[0]), str(latest[1]), latest[2])] if latest else [])

        made.change(
            append, [made, self.entries], self.outputs, queue=False, api_visibility="private", show_progress="hidden"
        )

    def _delete_one(self, history: list[Made], event: gr.EventData) -> tuple[list[Made], str, Any]:
        with told():
            key = event._data.get("key") if isinstance(event._data, dict) else None
            rest = [made for made in history if made.key != key]
            delete([made for made in history if made.key == key], rest)
            return self.shown(rest)

    def _delete_all(self, history: list[Made]) -> tuple[list[Made], str, Any]:
        with told():
            delete(history, [])
            return self.shown([])
