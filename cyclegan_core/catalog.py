"""Which translations the demo offers, and how people see them. Plain data."""

import os
from dataclasses import dataclass
from pathlib import Path

from cyclegan_core.errors import TranslationError


@dataclass(frozen=True)
class Entry:
    """A translation on offer: where it is read from and what its directions are called on the page."""

    name: str
    title: str
    labels: dict[str, str]  # name of a direction in the config -> words on the page
    repository: str | None = None  # on the Hub; None: the embedded weights
    revision: str | None = None  # the commit that was checked


CATALOG: tuple[Entry, ...] = (Entry("gender", "Gender", {"to_female": "To female", "to_male": "To male"}),)


def entry(name: str) -> Entry:
    """The entry of that name. Raises TranslationError."""
    for candidate in CATALOG:
        if candidate.name == name:
            return candidate
    known = ", ".join(candidate.name for candidate in CATALOG)
    raise TranslationError(f"the demo offers no translation {name!r}; it offers {known}")


def source_of(entry: Entry) -> tuple[str, str | None]:
    """Where a translation is read from, and the revision: what `Translation.from_pretrained` takes.

    The environment variable CYCLEGAN_<NAME>_REPO (a Space's setting) overrides the entry. It holds the name of an
    embedded translation, a folder, or a Hub repository as `org/name` or `org/name@revision`.
    """
    named = os.environ.get(f"CYCLEGAN_{entry.name.upper()}_REPO", "").strip()
    if not named:
        return entry.repository or entry.name, entry.revision
    if Path(named).is_dir():  # whose name may hold an @
        return named, None
    repository, _, revision = named.partition("@")
    return repository, revision or None
