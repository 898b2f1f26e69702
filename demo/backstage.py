"""What every tab of the page works with."""

import threading
from typing import TYPE_CHECKING, Any

from cyclegan_core.errors import CycleganError
from cyclegan_core.translations import catalog
from demo.server.files import Files

if TYPE_CHECKING:
    from cyclegan_core.inference.studio import Studio
    from cyclegan_core.translations.registry import Shelf, Status

WAIT_SECONDS = 120.0
# Networks run for this many visitors at a time, whatever tab they are on; the others see their place in the queue.
TAKING_TURNS: dict[str, Any] = {"concurrency_id": "translator", "concurrency_limit": 2}


class Backstage:
    """The translations and the folder for files. The page is served before the translations are loaded.

    shelf: None where `open` is to make and load it, or one that is loaded already.
    """

    def __init__(self, shelf: "Shelf | None", files: Files) -> None:
        self.files = files
        self._shelf = shelf
        self._opened = threading.Event()
        if shelf is not None:
            self._opened.set()

    def open(self) -> None:
        """Loads the translations, for seconds. Raises CycleganError where none can be offered."""
        from cyclegan_core.translations.registry import (
            Shelf,  # here, as PyTorch takes seconds to import: the page is served first
        )

        shelf = Shelf()
        shelf.load()
        self._shelf = shelf
        self._opened.set()

    @property
    def shelf(self) -> "Shelf":
        """Waits while the translations are still being loaded. Raises CycleganError when that takes too long."""
        if not self._opened.wait(WAIT_SECONDS) or self._shelf is None:
            raise CycleganError("The translations are still being loaded. Try again in a minute.")
        return self._shelf

    def studio(self) -> "Studio":
        """As `shelf`, of the translations that are at work."""
        return self.shelf.studio

    def offered(self) -> "list[Status]":
        """The translations that are at work; waits for them."""
        at_work = self.studio().translators
        return [status for status in self.shelf.statuses() if status.entry in at_work]

    def choices(self) -> list[tuple[str, str]]:
        """Every direction on offer: the words for people, and the step as `Studio.chain` reads it.

        Never waits: before the translations are loaded these are the catalog's, and to be asked for again.
        """
        if not self._opened.is_set():
            return [
                (words, f"{entry.name}:{direction}")
                for entry in catalog.entries()
                for direction, words in entry.labels.items()
            ]
        return [
            (words, f"{status.entry}:{direction}")
            for status in self.offered()
            for direction, words in status.labels.items()
        ]
