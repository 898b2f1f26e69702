"""Where a translation is read from: the weights in this package, a folder, or a repository on the Hugging Face Hub."""

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from cyclegan_core.errors import TranslationError
from cyclegan_core.translations import hub
from cyclegan_core.translations.catalog import Entry

CONFIG_FILE, WEIGHTS_FILE, CARD_FILE = "config.json", "model.safetensors", "README.md"
EMBEDDED = Path(__file__).parents[1] / "weights"
NAME_ON_HUB = re.compile(r"\w[\w.-]{0,95}/\w[\w.-]{0,95}", re.ASCII)
REVISION = re.compile(r"\w[\w./-]{0,199}", re.ASCII)


@dataclass(frozen=True)
class Source:
    """One place that a translation is read from.

    name: of an embedded translation, a folder, or a repository as `org/name`. revision: branch, tag or commit of a
    repository; None is its main branch. As text it is what people are told: `embedded`, the folder's last name, or
    `org/name@abc1234`; no path.
    """

    kind: Literal["embedded", "folder", "hub"]
    name: str
    revision: str | None = None

    @classmethod
    def named(cls, name: str, revision: str | None = None) -> "Source":
        """What a user names: an embedded translation, a folder that exists, or `org/name`. Raises TranslationError."""
        if name in embedded_names():
            return cls("embedded", name)
        if name and os.path.isdir(name):  # unlike Path.is_dir, False for a name that no file system takes
            return cls("folder", name)
        if name.count("/") == 1 and not name.startswith((".", "/", "~")):
            return cls("hub", name, revision)
        known = ", ".join(embedded_names()) or "none"
        raise TranslationError(
            f"there is no translation {name!r}: give an embedded one ({known}), a folder, or a Hub repository "
            "(org/name)"
        )

    @classmethod
    def of(cls, entry: Entry) -> "Source | None":
        """What an entry of the catalog asks for; None where it names nothing and no weights of its name are embedded.

        The environment variable CYCLEGAN_<NAME>_REPO (a Space's setting) overrides the entry. It holds the name of an
        embedded translation, a folder, or a Hub repository as `org/name` or `org/name@revision`. Raises
        TranslationError where it holds something else; what it holds is not in the message, as it may be a path or an
        address with a password.
        """
        named = os.environ.get(entry.variable, "").strip()
        if named:
            return _of_setting(named, entry.variable)
        if entry.repository:
            return cls("hub", entry.repository, entry.revision)
        return cls("embedded", entry.name) if entry.name in embedded_names() else None

    def folder(self) -> Path | None:
        """Where its files lie on this machine; None where they have yet to be fetched. Fetches nothing."""
        if self.kind == "hub":
            return hub.cached(self.name, (CONFIG_FILE, WEIGHTS_FILE), self.revision)
        return EMBEDDED / self.name if self.kind == "embedded" else Path(self.name)

    def __str__(self) -> str:
        if self.kind == "hub":
            return f"{self.name}@{hub.short(self.revision or 'main')}"
        return f"folder {Path(self.name).name}" if self.kind == "folder" else self.kind


def embedded_names() -> list[str]:
    """Names of the translations that come inside this package."""
    return sorted(path.parent.name for path in EMBEDDED.glob(f"*/{CONFIG_FILE}"))


def _of_setting(named: str, variable: str) -> Source:
    if os.path.isdir(named):  # whose name may hold an @
        return Source("folder", named)
    repository, at, revision = named.partition("@")
    if "/" not in named and not at and re.fullmatch(r"\w+", named, re.ASCII):
        if named in embedded_names():
            return Source("embedded", named)
        raise TranslationError(f"{variable} names what does not come with this program; correct or unset it")
    if repository.startswith((".", "/", "~")):
        raise TranslationError(f"{variable} names a folder that is not there; correct or unset it")
    if not NAME_ON_HUB.fullmatch(repository):
        raise TranslationError(
            f"{variable} must be a Hub repository as org/name or org/name@revision, a folder, or the name of an "
            "embedded translation; correct or unset it"
        )
    if at and (not REVISION.fullmatch(revision) or ".." in revision):
        raise TranslationError(f"{variable} must name a commit, tag or branch after the @; correct it")
    return Source("hub", repository, revision or None)
