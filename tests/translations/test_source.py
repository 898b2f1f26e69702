"""Where a translation is read from: what the environment, a command and the catalog name."""

from pathlib import Path

import pytest

from cyclegan_core.errors import TranslationError
from cyclegan_core.translations import catalog
from cyclegan_core.translations.source import EMBEDDED, Source


def test_names(tmp_path: Path) -> None:
    assert Source.named("gender") == Source("embedded", "gender")
    assert Source.named(str(tmp_path)) == Source("folder", str(tmp_path))
    assert Source.named("org/mine", "v1") == Source("hub", "org/mine", "v1")
    with pytest.raises(TranslationError, match="no translation 'zebra': give an embedded one"):
        Source.named("zebra")


def test_folders_and_words(tmp_path: Path) -> None:
    commit = "0123456789" * 4
    told = [(Source("embedded", "age"), "embedded", EMBEDDED / "age"),
            (Source("folder", str(tmp_path / "mine")), "folder mine", tmp_path / "mine"),
            (Source("hub", "org/never-fetched", commit), "org/never-fetched@0123456", None),
            (Source("hub", "org/never-fetched"), "org/never-fetched@main", None)]  # fmt: skip
    for source, words, folder in told:
        assert str(source) == words
        assert source.folder() == folder


def test_an_entry_without_weights_has_no_source() -> None:
    assert Source.of(catalog.Entry("zebra", "Zebra", {})) is None
    assert Source.of(catalog.Entry("zebra", "Zebra", {}, repository="org/zebra", revision="v2")) == Source(
        "hub", "org/zebra", "v2"
    )


@pytest.mark.parametrize(
    ("setting", "source"),
    [
        ("user/name", Source("hub", "user/name")),
        (" user/name@v1 ", Source("hub", "user/name", "v1")),
        ("user/name@refs/pr/7", Source("hub", "user/name", "refs/pr/7")),
        ("gender", Source("embedded", "gender")),
        ("", Source("embedded", "gender")),
    ],
)
def test_settings(setting: str, source: Source, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CYCLEGAN_GENDER_REPO", setting)
    assert Source.of(catalog.entry("gender")) == source


def test_a_folder_may_have_any_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "with a blank@home").mkdir()
    monkeypatch.setenv("CYCLEGAN_GENDER_REPO", str(tmp_path / "with a blank@home"))
    assert Source.of(catalog.entry("gender")) == Source("folder", str(tmp_path / "with a blank@home"))


@pytest.mark.parametrize(
    ("setting", "says"),
    [
        ("user/name@", "after the @"),
        ("user/name@v 1", "after the @"),
        ("user/name@../../secret", "after the @"),
        ("@v1", "must be a Hub repository"),
        ("gender@v1", "must be a Hub repository"),
        ("two words", "must be a Hub repository"),
        ("user/two words", "must be a Hub repository"),
        ("secret/b/c", "must be a Hub repository"),
        ("https://user:secret@huggingface.co/user/name", "must be a Hub repository"),
        ("/secret/folder", "a folder that is not there"),
        ("../secret", "a folder that is not there"),
        ("x" * 5000, "what does not come with this program"),
    ],
)
def test_a_malformed_setting_is_a_sentence_that_does_not_repeat_it(
    setting: str, says: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CYCLEGAN_GENDER_REPO", setting)
    with pytest.raises(TranslationError, match=says) as caught:
        Source.of(catalog.entry("gender"))
    assert str(caught.value).startswith("CYCLEGAN_GENDER_REPO")
    assert "secret" not in str(caught.value)
