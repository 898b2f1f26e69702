"""What all tabs and endpoints of the page work with: the loaded translations and the temporary files."""

import threading
from collections.abc import Sequence
from functools import reduce
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cyclegan_core import images
from cyclegan_core.errors import CycleganError
from cyclegan_core.translations import catalog
from demo.languages.phrases import inside_sentence, phrase_of_word, say, say_word

if TYPE_CHECKING:
    from cyclegan_core.inference.registry import Status, TranslationRegistry
    from cyclegan_core.inference.studio import Chain, Studio
    from demo.server.files import Files

FAVOURITES = ("age:older", "age:younger")  # which show something on most people, whatever their sex
LOADING_SECONDS = 120.0  # that a request waits for the translations to be loaded
# Networks run for this many visitors at a time, whatever tab they are on; the others see their place in the queue.
TRANSLATOR_QUEUE: dict[str, Any] = {"concurrency_id": "translator", "concurrency_limit": 2}

Choices = Sequence[tuple[str, str]]  # pairs of label and step


class PageContext:
    """The translations and the temporary files. The page is served before the translations are loaded.

    registry: one that is loaded already, or None where `use` will bring it.
    """

    def __init__(self, registry: "TranslationRegistry | None", files: "Files") -> None:
        self.files = files
        self._registry = registry
        self._loaded = threading.Event()
        if registry is not None:
            self._loaded.set()

    def use(self, registry: "TranslationRegistry") -> None:
        """Offers the translations of a registry that is loaded; requests that waited for them go on."""
        self._registry = registry
        self._loaded.set()

    @property
    def registry(self) -> "TranslationRegistry":
        """The registry of translations. Waits while it is being loaded; raises CycleganError after two minutes."""
        if not self._loaded.wait(LOADING_SECONDS) or self._registry is None:
            raise CycleganError(say("error.loading"))
        return self._registry

    def studio(self) -> "Studio":
        """The translators and the face detector. Waits like `registry`."""
        return self.registry.studio

    def read_photo(self, file: Path) -> images.Picture:
        """Reads a visitor's picture; of an animation, the first frame with a face. Raises PictureError."""
        return images.load_picture(file, wanted=lambda frame: bool(self.studio().find_faces(frame)))

    def offered(self) -> "list[Status]":
        """The translations that can be used now. Waits like `registry`."""
        translators = self.studio().translators
        return [status for status in self.registry.statuses() if status.entry in translators]

    def choices(self) -> list[tuple[str, str]]:
        """Every direction on offer, as pairs of its English label and the step as `Studio.chain` reads it.

        Never waits: until the translations are loaded these are the catalog's, and the page asks again afterwards.
        """
        if not self._loaded.is_set():
            return [
                (label, f"{entry.name}:{direction}")
                for entry in catalog.entries()
                for direction, label in entry.labels.items()
            ]
        return [
            (label, f"{status.entry}:{direction}")
            for status in self.offered()
            for direction, label in status.labels.items()
        ]

    def labelled(self) -> list[tuple[str, str]]:
        """As `choices`, in the language of the visitor whose event is being answered."""
        return [(say_word("direction", step.partition(":")[2], label), step) for label, step in self.choices()]

    def offered_at_start(self) -> list[tuple[Any, str]]:
        """As `choices`, for a component that is built once for everybody: its labels are filled in by the browser."""
        return [(phrase_of_word("direction", step.partition(":")[2], label), step) for label, step in self.choices()]

    def favourite(self) -> str | None:
        """The step that is chosen before the visitor has chosen one; None where there is none. Never waits."""
        offered = [step for _, step in self.choices()]
        return next((step for step in (*FAVOURITES, *offered) if step in offered), None)

    def words(self, chain: "Chain") -> str:
        """What a chain does, in the visitor's language: `To female, then older`."""
        labels = {step: label for label, step in self.labelled()}
        first, *others = (labels.get(str(step), step.direction) for step in chain)
        return reduce(lambda done, next: say("first_then", first=done, second=inside_sentence(next)), others, first)

    def english_words(self, chain: "Chain") -> str:
        """As `words`, in English: for pictures, whose font has no Chinese or Japanese, and which travel."""
        labels = {step: label for label, step in self.choices()}
        first, *others = (labels.get(str(step), step.direction) for step in chain)
        return ", then ".join([first, *map(inside_sentence, others)])
