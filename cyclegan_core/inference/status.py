"""Where the translations on offer come from and how they stand, in sentences for people."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from cyclegan_core.errors import CycleganError
from cyclegan_core.translations.config import TranslationConfig

State = Literal["embedded", "pulling", "pulled", "kept", "missing"]
LONGEST_REASON = 300  # characters; a message may quote a config
EMBEDDED = "embedded"


@dataclass(frozen=True)
class Status:
    """Where one translation comes from and how it stands.

    labels: words for each of its directions. source: of what is at work, `embedded`, `folder NAME` or
    `org/name@abc1234`. revision: its whole commit, where it came from the Hub. state: `embedded` or `pulled` is at work
    as asked, `kept` is at work in place of what could not be had, `missing` is not offered; while `pulling`, what was
    at work stays so. sentence: for people, without path or address. config: None where nothing is at work.
    """

    entry: str
    title: str
    about: str
    labels: dict[str, str]
    source: str = EMBEDDED
    revision: str | None = None
    state: State = "missing"
    sentence: str = ""
    engine: str | None = None
    config: TranslationConfig | None = None
    card: Path | None = None


def at_work(source: str, *, fetched: bool = False, stale: bool = False) -> str:
    """Says that this source is what translates. stale: the Hub gave no answer, so that a newer one may be there."""
    if stale:
        return f"{source}, fetched earlier, is at work: the Hub does not answer."
    if fetched:
        return f"{source} has been fetched and checked, and is at work."
    return f"{_capital(_subject(source))} {_are(source)} at work."


def kept(status: Status, problem: str) -> str:
    """Says that what is at work stays so, and why; or that nothing is offered."""
    if status.config is None:
        return f"Not offered: {problem}."
    stays = "stay" if status.source == EMBEDDED else "stays"
    return f"{_capital(_subject(status.source))} {stays} at work: {problem}."


def until(status: Status, wanted: str, doing: str) -> str:
    """Says what is at work until `wanted` has come. doing: what happens to it, such as `is being fetched`."""
    if status.config is None:
        return f"{wanted} {doing}; until then it is not offered."
    return f"{wanted} {doing}; until then {_subject(status.source)} {_are(status.source)} at work."


def reason(error: Exception) -> str:
    """An error in words without path or address: only those of this program are known to have none."""
    if not isinstance(error, CycleganError):
        return f"it does not run here ({type(error).__name__})"
    words = " ".join(str(error).split()).rstrip(".")
    return words if len(words) <= LONGEST_REASON else words[:LONGEST_REASON] + "…"


def _subject(source: str) -> str:
    return {EMBEDDED: "the embedded weights"}.get(source, f"the {source}" if source.startswith("folder ") else source)


def _are(source: str) -> str:
    return "are" if source == EMBEDDED else "is"


def _capital(words: str) -> str:
    return "The" + words[3:] if words.startswith("the ") else words
