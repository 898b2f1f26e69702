"""The words of the page: one JSON file for each language in this folder, all with the same keys.

The visitor's browser chooses: its first language where there is a file for it, and otherwise English. `phrase` is for
what is built once for everybody, and filled in by the browser. `say` is for what an event answers. `phrase.js` gives
the same phrases to the JavaScript of this project. The API, MCP and files that visitors save stay English.
"""

import json
from pathlib import Path

import gradio as gr
from gradio.context import LocalContext
from gradio.i18n import I18nData

HERE = Path(__file__).parent
ENGLISH = "en"
SCRIPT = HERE / "phrase.js"
PHRASES: dict[str, dict[str, str]] = {
    path.stem: json.loads(path.read_text(encoding="utf-8")) for path in sorted(HERE.glob("*.json"))
}
I18N = gr.I18n(**PHRASES)
GROUPED_FROM = 10_000  # smaller whole numbers are written without a mark between thousands


def phrase(key: str) -> I18nData:
    """A phrase without values that the browser fills in, for text that is built once for everybody."""
    return I18N(key)


def say(key: str, **values: str | int | float) -> str:
    """The phrase in the language of the visitor whose event is being answered; outside of an event, in English.

    values: for the placeholders. A float is written with one decimal, as the language writes it.
    """
    phrases = PHRASES[_language()]
    return phrases[key].format(**{name: _written(value, phrases) for name, value in values.items()})


def say_count(key: str, count: int, **values: str | int | float) -> str:
    """As `say`, with one phrase for the count 1 and another for all others."""
    return say(f"{key}.one" if count == 1 else f"{key}.many", count=count, **values)


def say_word(section: str, name: str, english: str) -> str:
    """What a file names in English: a direction, title or sentence of the catalog in the visitor's language.

    section: of the keys, such as `direction`. english: the words of the file, which stay where they are others than
    the catalog's.
    """
    key = f"{section}.{name}"
    return say(key) if PHRASES[ENGLISH].get(key) == english else english


def inside_sentence(words: str) -> str:
    """Words that can stand alone, such as a label, as they are written within a sentence."""
    return words[:1].lower() + words[1:]


def phrase_of_word(section: str, name: str, english: str) -> I18nData | str:
    """As `say_word`, for what is built once for everybody."""
    key = f"{section}.{name}"
    return phrase(key) if PHRASES[ENGLISH].get(key) == english else english


def language_of(accepted: str) -> str:
    """The language for an Accept-Language header: for its first entry, as gradio has it in the browser."""
    first = accepted.split(",")[0].split(";")[0].strip()
    return next((name for name in (first, first.split("-")[0]) if name in PHRASES), ENGLISH)


def _language() -> str:
    request = LocalContext.request.get(None)
    headers = getattr(request, "headers", None)
    return language_of(headers.get("accept-language") or "") if headers else ENGLISH


def _written(value: str | int | float, phrases: dict[str, str]) -> str:
    if isinstance(value, float):
        return f"{value:.1f}".replace(".", phrases["decimal_mark"])
    if isinstance(value, int) and value >= GROUPED_FROM:
        return f"{value:,}".replace(",", phrases["thousands_mark"])
    return str(value)
