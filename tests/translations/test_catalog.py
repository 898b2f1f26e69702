"""What is offered: the catalog itself, and what the environment (a Space's settings) makes of it."""

import pytest

from cyclegan_core.errors import TranslationError
from cyclegan_core.translations import catalog
from cyclegan_core.translations.source import Source


@pytest.fixture(autouse=True)
def no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("GENDER", "AGE", "ANIME"):
        monkeypatch.delenv(f"CYCLEGAN_{name}_REPO", raising=False)


def test_the_catalog() -> None:
    labels = {entry.name: entry.labels for entry in catalog.entries()}
    assert labels == {
        "gender": {"to_female": "To female", "to_male": "To male"},
        "age": {"older": "Older", "younger": "Younger"},
        "anime": {"to_anime": "To anime", "to_photo": "To photo"},
    }
    assert all(entry.about.endswith(".") for entry in catalog.entries())


def test_the_environment_names_further_entries(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CYCLEGAN_ZEBRA_REPO", "user/zebra")
    monkeypatch.setenv("CYCLEGAN_DAY_TO_NIGHT_REPO", "user/night@v1")
    monkeypatch.setenv("CYCLEGAN_GENDER_REPO", "user/gender")
    for ignored, value in (("CYCLEGAN_EMPTY_REPO", " "), ("CYCLEGAN__REPO", "a/b"), ("MY_CYCLEGAN_X_REPO", "a/b")):
        monkeypatch.setenv(ignored, value)

    offered = catalog.entries()

    assert [entry.name for entry in offered] == ["gender", "age", "anime", "day_to_night", "zebra"]
    assert offered[3].title == "Day to night"
    assert Source.of(offered[3]) == Source("hub", "user/night", "v1")
    assert catalog.entry("zebra") == offered[4]


def test_an_unknown_entry_is_a_sentence() -> None:
    with pytest.raises(TranslationError, match="no translation 'zebra'; it offers gender, age, anime"):
        catalog.entry("zebra")


@pytest.mark.parametrize(
    ("name", "words"), [("to_zebra", "To zebra"), ("older", "Older"), ("day-to_night", "Day to night"), ("", "")]
)
def test_words(name: str, words: str) -> None:
    assert catalog.display_name(name) == words


def test_labels_of_other_directions() -> None:
    labels = catalog.entry("gender").labels_of(["to_female", "to_neutral_face"])
    assert labels == {"to_female": "To female", "to_neutral_face": "To neutral face"}
