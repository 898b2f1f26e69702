"""The words of the page: every language has all of them, and every one is used."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import gradio as gr
import pytest
from gradio.context import LocalContext

from cyclegan_core.inference.descriptions import NO_FACE
from cyclegan_core.translations.catalog import CATALOG
from demo.languages.phrases import ENGLISH, PHRASES, language_of, phrase, say, say_count, say_word
from demo.tabs.gallery.batch import MOST_PHOTOS
from demo.tabs.video.limits import LONGEST_SECONDS
from tests import ROOT

DEMO = ROOT / "demo"
LANGUAGES = ("de", "en", "es", "fr", "ja", "zh-CN")
CALL = re.compile(r"""\b(phrase|phraseOf|say|say_count)\(\s*\\?["']([\w.]+)\\?["']""")
QUOTED = re.compile(r"""["']([a-z_]+(?:\.[a-z_]+)*)\\?["']""")
FROM_THE_CATALOG = ("direction.", "title.", "about.gender", "about.age", "about.anime")
OF_GRADIO = ("errors.",)  # what gradio has not translated into every language
MARKS = ("decimal_mark", "thousands_mark")


def sources() -> Iterator[str]:
    for path in sorted(DEMO.rglob("*")):
        if path.suffix in (".py", ".js", ".html"):
            yield path.read_text(encoding="utf-8")


def placeholders(words: str) -> list[str]:
    return sorted(re.findall(r"\{(\w*)\}", words))


def asked_in(accepted: str) -> gr.Request:
    return gr.Request(headers={"accept-language": accepted})


@pytest.fixture
def german() -> Iterator[None]:
    token = LocalContext.request.set(asked_in("de-AT,en;q=0.7"))
    yield
    LocalContext.request.reset(token)


def test_the_languages_are_those_that_were_promised() -> None:
    assert tuple(PHRASES) == LANGUAGES


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_language_has_every_phrase_with_its_placeholders(language: str) -> None:
    english, phrases = PHRASES[ENGLISH], PHRASES[language]
    assert list(phrases) == list(english), "the same keys in the same order"
    assert {key: placeholders(words) for key, words in phrases.items()} == {
        key: placeholders(words) for key, words in english.items()
    }
    assert [key for key, words in phrases.items() if not words.strip() and key not in MARKS] == []
    assert [key for key, words in phrases.items() if re.search(r'[<>"`$\\]', words)] == [], "they stand within HTML"


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_key_is_given_twice(language: str) -> None:
    keys: list[str] = []
    json.loads(
        (DEMO / "languages" / f"{language}.json").read_text(encoding="utf-8"),
        object_pairs_hook=lambda pairs: keys.extend(key for key, _ in pairs),
    )
    assert len(keys) == len(set(keys))


@pytest.mark.parametrize("language", [language for language in LANGUAGES if language != ENGLISH])
def test_translations_are_translated(language: str) -> None:
    english, phrases = PHRASES[ENGLISH], PHRASES[language]
    same = [key for key, words in phrases.items() if words == english[key] and re.search(r"[a-z]{3} [a-z]{2}", words)]
    assert same == [], "whole sentences in English"


def test_every_key_that_is_used_exists() -> None:
    used = {(function, key) for source in sources() for function, key in CALL.findall(source)}
    messages = (DEMO / "tabs" / "webcam" / "messages.js").read_text(encoding="utf-8")
    used |= {("phrase", key) for key in re.findall(r"'(webcam\.[\w.]+)'", messages)}
    assert len(used) > 150
    counted = {
        (f"{key}.{form}") for function, key in used for form in ("one", "many") if function in ("phraseOf", "say_count")
    }
    plain = {key for function, key in used if function in ("phrase", "say")}
    assert (plain | counted) - set(PHRASES[ENGLISH]) == set()


def test_every_key_is_used() -> None:
    quoted = {text for source in sources() for text in QUOTED.findall(source)}
    unused = [
        key
        for key in PHRASES[ENGLISH]
        if not {key, re.sub(r"\.(one|many)$", "", key)} & quoted and not key.startswith((*FROM_THE_CATALOG, *OF_GRADIO))
    ]
    assert unused == []


def test_the_catalog_is_in_the_phrases() -> None:
    english = PHRASES[ENGLISH]
    of_catalog = {
        key: words for key, words in english.items() if key.startswith(FROM_THE_CATALOG) and key != "about.title"
    }
    expected = {f"direction.{name}": label for entry in CATALOG for name, label in entry.labels.items()}
    expected |= {f"title.{entry.name}": entry.title for entry in CATALOG}
    expected |= {f"about.{entry.name}": entry.about for entry in CATALOG}
    assert of_catalog == expected
    assert english["no_face"] == NO_FACE


@pytest.mark.parametrize("language", LANGUAGES)
def test_limits_in_words_are_those_that_hold(language: str) -> None:
    assert f"{LONGEST_SECONDS:.0f}" in PHRASES[language]["video.file"]
    assert str(MOST_PHOTOS) in PHRASES[language]["gallery.files"]


@pytest.mark.parametrize(
    ("accepted", "language"),
    [
        ("de-DE,de;q=0.9,en;q=0.8", "de"),
        ("fr", "fr"),
        ("zh-CN,zh;q=0.9", "zh-CN"),
        ("zh-TW", "en"),
        ("sv-SE,de;q=0.9", "en"),
        ("*", "en"),
        ("", "en"),
        (";;,,-", "en"),
    ],
)
def test_the_first_language_counts_as_in_the_browser(accepted: str, language: str) -> None:
    assert language_of(accepted) == language


def test_without_a_visitor_it_is_english() -> None:
    assert say("photo.share") == "Share"
    assert say_word("direction", "older", "Older") == "Older"


@pytest.mark.usefixtures("german")
def test_an_event_is_answered_in_the_language_of_its_visitor() -> None:
    assert say("photo.share") == "Teilen"
    assert say_count("photo.done", 1, seconds=1.25) == "1 Gesicht in 1,2 s verwandelt."
    assert say_count("photo.done", 2, seconds=3.0) == "2 Gesichter in 3,0 s verwandelt."
    assert "1.234.567 Bildern" in say("about.trained", minutes="42.5", count=1234567, licence="")


@pytest.mark.usefixtures("german")
def test_words_of_other_weights_stay_as_they_are() -> None:
    assert say_word("direction", "older", "Older") == "Älter"
    assert say_word("direction", "older", "Much older") == "Much older"
    assert say_word("direction", "to_zebra", "To zebra") == "To zebra"


def test_values_of_visitors_are_not_filled_in_again() -> None:
    assert say("error.file_gone", name="{limit}.jpg").startswith("{limit}.jpg ")


def test_a_phrase_is_left_to_the_browser() -> None:
    assert phrase("photo.share").to_dict() == {"__type__": "translation_metadata", "key": "photo.share"}


def test_each_file_lies_beside_the_others() -> None:
    assert sorted(path.stem for path in Path(DEMO / "languages").glob("*.json")) == list(LANGUAGES)
