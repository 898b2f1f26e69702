"""From what a command line names to a studio and a chain, for every command that translates."""

import argparse
import re
from typing import TYPE_CHECKING

from cyclegan_core.errors import TranslationError

if TYPE_CHECKING:
    from cyclegan_core.inference.studio import Chain, Studio


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments that `open_studio` reads."""
    add = parser.add_argument
    about = "such as to_female, or several one after the other as older+to_anime; `info` lists them"
    add("--direction", required=True, metavar="NAME", help=about)
    about = "only this one: embedded, a folder, or a Hub repository as org/name (default: those of the page)"
    add("--translation", metavar="NAME", help=about)
    add("--revision", metavar="REV", help="branch, tag or commit, where --translation is a Hub repository")
    add("--strength", type=strength, default=1.0, metavar="0..1.5", help="from 0, no change, over 1 (default) to 1.5")


def strength(text: str) -> float:
    """A strength from 0 to STRONGEST."""
    from cyclegan_core.inference.composition import STRONGEST

    return number(text, 0, STRONGEST, f"must be a number from 0 to {STRONGEST}")


def number(text: str, low: float, high: float, rule: str) -> float:
    """An argument's text as a number from `low` to `high`; argparse shows the `rule` where it is none."""
    try:
        value = float(text)
    except ValueError:
        value = float("nan")
    if not low <= value <= high:
        raise argparse.ArgumentTypeError(f"{rule}, not {text!r}")
    return value


def open_studio(options: argparse.Namespace) -> "tuple[Studio, Chain]":
    """A studio of the translations that the direction asks for, and no others: each takes a moment to load."""
    from cyclegan_core.faces.detection import find_detector
    from cyclegan_core.inference.studio import Studio
    from cyclegan_core.inference.translator import FaceTranslator
    from cyclegan_core.translations.catalog import entries
    from cyclegan_core.translations.source import Source
    from cyclegan_core.translations.translation import Translation

    detector = find_detector()
    if options.translation is not None:
        only = FaceTranslator.from_pretrained(options.translation, revision=options.revision, detector=detector)
        studio = Studio({only.config.name: only}, detector)
    else:
        if options.revision:
            raise TranslationError("--revision belongs to a Hub repository: name it with --translation")
        wanted = [part.rpartition(":")[::2] for part in re.split(r"[+,\s]+", options.direction) if part]
        fitting = {part: {e.name for e in entries() if part[0] == e.name or part[1] in e.labels} for part in wanted}
        known = all(fitting.values())
        translators = {}
        for entry in entries():
            if known and not any(entry.name in names for names in fitting.values()):
                continue
            try:
                source = Source.of(entry) or Source.named(entry.name)
                translators[entry.name] = FaceTranslator(Translation.read(source), detector=detector)
            except TranslationError:
                if known:
                    raise  # else it may be another that has the direction, or none, which `chain` says
        studio = Studio(translators, detector)
    chain = studio.chain(options.direction)
    if not chain:
        raise TranslationError("--direction names none: give one such as to_female")
    return studio, chain
