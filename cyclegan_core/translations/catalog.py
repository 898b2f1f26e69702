"""Which translations the demo offers, and how people see them. Plain data."""

import os
import re
from collections.abc import Iterable
from dataclasses import dataclass

from cyclegan_core.errors import TranslationError

VARIABLE = re.compile(r"CYCLEGAN_([A-Z0-9]\w{0,39})_REPO", re.ASCII)


@dataclass(frozen=True)
class Entry:
    """A translation on offer: where it is read from and what its directions are called on the page."""

    name: str
    title: str
    labels: dict[str, str]  # name of a direction in the config -> words on the page
    repository: str | None = None  # on the Hub; None: the embedded weights
    revision: str | None = None  # the commit that was checked
    about: str = ""  # one sentence for people

    @property
    def variable(self) -> str:
        """The environment variable (a Space's setting) that overrides where it is read from."""
        return f"CYCLEGAN_{self.name.upper()}_REPO"

    def labels_of(self, directions: Iterable[str]) -> dict[str, str]:
        """Words for the directions of a config, which those of other weights may name as they like."""
        return {direction: self.labels.get(direction) or display_name(direction) for direction in directions}


CATALOG: tuple[Entry, ...] = (
    Entry(
        "gender",
        "Gender",
        {"to_female": "To female", "to_male": "To male"},
        about="Shows a face as one of another gender.",
    ),
    Entry("age", "Age", {"older": "Older", "younger": "Younger"}, about="Shows a face at another age."),
    Entry(
        "anime",
        "Anime",
        {"to_anime": "To anime", "to_photo": "To photo"},
        about="Shows a face as an anime character, or an anime character as a photo.",
    ),
)


def entries() -> tuple[Entry, ...]:
    """The catalog, and one entry more for every other environment variable of the form CYCLEGAN_<NAME>_REPO."""
    known = {entry.variable for entry in CATALOG}
    named = {
        found[1].lower()
        for variable, value in os.environ.items()
        if value.strip() and variable not in known and (found := VARIABLE.fullmatch(variable))
    }
    return CATALOG + tuple(Entry(name, display_name(name), {}) for name in sorted(named))


def entry(name: str) -> Entry:
    """The entry of that name. Raises TranslationError."""
    offered = entries()
    for candidate in offered:
        if candidate.name == name:
            return candidate
    known = ", ".join(candidate.name for candidate in offered)
    raise TranslationError(f"the demo offers no translation {name!r}; it offers {known}")


def display_name(name: str) -> str:
    """The name of a direction or a translation for people: "to_zebra" is "To zebra"."""
    spaced = re.sub(r"[_\s-]+", " ", name).strip()
    return spaced[:1].upper() + spaced[1:]
