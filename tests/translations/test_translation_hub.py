"""Translations from the Hub, with the real client: against a server on loopback, and without a network."""

import logging
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from cyclegan_core.errors import TranslationError
from cyclegan_core.translations import hub as hub_module
from cyclegan_core.translations.source import Source
from cyclegan_core.translations.translation import Translation
from tests.support.hub_server import COMMIT, NEXT_COMMIT, Hub, point_client, serving


@pytest.fixture
def hub(tiny_translation: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[type[Hub]]:
    shutil.copytree(tiny_translation, tmp_path / "repository")
    with serving(tmp_path / "repository", tmp_path / "cache", monkeypatch) as served:
        yield served


def questions(hub: type[Hub]) -> list[str]:
    return [path for path in hub.asked if path.startswith(("/org/", "/blobs/"))]


def test_a_repository_is_read_at_a_pinned_revision(hub: type[Hub]) -> None:
    (hub.folder / "README.md").write_text("# Tiny")
    translation = Translation.from_pretrained("org/mine", revision=COMMIT)
    assert translation.config.name == "tiny"
    assert COMMIT in translation.source
    assert translation.snapshot is not None
    assert (translation.snapshot.commit, translation.snapshot.stale) == (COMMIT, False)
    assert translation.card is not None
    assert translation.card.read_text() == "# Tiny"
    files = [path for path in hub.asked if path.startswith("/org/")]
    assert files
    assert all(f"/resolve/{COMMIT}/" in path for path in files)


def test_a_pinned_revision_that_is_cached_needs_no_network(hub: type[Hub]) -> None:
    Translation.from_pretrained("org/mine", revision=COMMIT)
    hub.asked.clear()
    Translation.from_pretrained("org/mine", revision=COMMIT)
    assert not questions(hub)


def test_a_branch_tells_its_commit_and_moves_with_it(hub: type[Hub]) -> None:
    first = Translation.from_pretrained("org/mine")
    hub.commit = NEXT_COMMIT
    second = Translation.from_pretrained("org/mine")
    assert [found.snapshot and found.snapshot.commit for found in (first, second)] == [COMMIT, NEXT_COMMIT]


def test_a_branch_that_the_hub_is_silent_about_is_read_from_the_cache(hub: type[Hub]) -> None:
    Translation.from_pretrained("org/mine")
    hub.refusal = 503, ""
    again = Translation.from_pretrained("org/mine")
    assert again.snapshot is not None
    assert (again.snapshot.commit, again.snapshot.stale) == (COMMIT, True)


@pytest.mark.parametrize(
    ("name", "revision", "says"),
    [
        ("org/other", None, "no repository org/other"),
        ("org/mine", "v9", "no revision 'v9'"),
        ("org/bad name", None, "not a name of a Hub repository"),
    ],
)
def test_what_the_hub_does_not_have_is_a_sentence(hub: type[Hub], name: str, revision: str | None, says: str) -> None:
    with pytest.raises(TranslationError, match=says):
        Translation.from_pretrained(name, revision=revision)


@pytest.mark.parametrize(
    ("refusal", "says"),
    [
        ((401, "RepoNotFound"), "no repository org/mine on the Hub, or it is private"),
        ((401, ""), "no access to org/mine"),
        ((403, "GatedRepo"), "is gated: accept its terms"),
        ((403, ""), "no access to org/mine"),
        ((429, ""), "status 429"),
        ((500, ""), "status 500"),
    ],
)
def test_what_the_hub_refuses_is_a_sentence(hub: type[Hub], refusal: tuple[int, str], says: str) -> None:
    hub.refusal = refusal
    with pytest.raises(TranslationError, match=says) as caught:
        Translation.from_pretrained("org/mine")
    assert "http" not in str(caught.value)


def test_a_repository_without_weights_is_a_sentence(hub: type[Hub], tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    hub.folder = tmp_path / "empty"
    with pytest.raises(TranslationError, match=r"lacks config\.json"):
        Translation.from_pretrained("org/mine")


def test_a_file_that_is_announced_too_large_is_not_fetched(hub: type[Hub]) -> None:
    hub.announced = 10**12
    with pytest.raises(TranslationError, match=r"model\.safetensors of org/mine .* is over 512 MB"):
        Translation.from_pretrained("org/mine")
    assert not [path for path in hub.asked if path.startswith("/blobs/")]


def test_a_file_of_another_size_than_announced_is_a_sentence(hub: type[Hub]) -> None:
    hub.announced = 5
    with pytest.raises(TranslationError, match="could not be downloaded whole"):
        Translation.from_pretrained("org/mine")


def test_a_file_that_grows_over_the_limit_is_given_up(hub: type[Hub], tmp_path: Path) -> None:
    size = (hub.folder / "model.safetensors").stat().st_size
    hub.announced = 5
    with pytest.raises(TranslationError, match="is over"):
        hub_module.fetch("org/mine", ("config.json", "model.safetensors"), largest=size - 1)


def test_damaged_weights_are_not_kept(hub: type[Hub], tmp_path: Path) -> None:
    hub.damaged = True
    with pytest.raises(TranslationError, match="damaged on its way"):
        Translation.from_pretrained("org/mine", revision=COMMIT)
    hub.damaged = False
    assert Translation.from_pretrained("org/mine", revision=COMMIT).config.name == "tiny"


def test_weights_that_are_damaged_in_the_cache_are_fetched_again(hub: type[Hub]) -> None:
    path = hub_module.fetch("org/mine", ("config.json", "model.safetensors"), revision=COMMIT).folder
    blob = (path / "model.safetensors").resolve()
    content = blob.read_bytes()
    blob.write_bytes(content[:-4] + b"\0\0\0\0")
    Translation.from_pretrained("org/mine", revision=COMMIT)
    assert (path / "model.safetensors").read_bytes() == content


def test_a_hub_that_hangs_is_given_up_soon(hub: type[Hub], monkeypatch: pytest.MonkeyPatch) -> None:
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_ETAG_TIMEOUT", 0.5)
    hub.hangs = threading.Event()
    with pytest.raises(TranslationError, match="cannot be reached"):
        Translation.from_pretrained("org/mine")
    assert len(questions(hub)) == 1  # by itself the client asks again and again, for minutes


@pytest.mark.medium
def test_the_deadline_ends_what_no_time_limit_of_the_client_does(hub: type[Hub]) -> None:
    hub.hangs = threading.Event()
    with pytest.raises(TranslationError, match="did not come within 1 s"):
        Translation.read(Source("hub", "org/mine"), seconds=1)


def test_what_answers_is_not_the_hub(hub: type[Hub]) -> None:
    hub.nameless = True
    with pytest.raises(TranslationError, match="is not the Hub"):
        Translation.from_pretrained("org/mine")


def test_without_a_network_it_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from huggingface_hub import constants

    point_client("http://127.0.0.1:9", tmp_path / "cache", monkeypatch)
    with pytest.raises(TranslationError, match="cannot be reached"):
        Translation.from_pretrained("org/mine")
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(TranslationError, match="cannot be reached"):
        Translation.from_pretrained("org/mine")


@pytest.mark.medium
@pytest.mark.parametrize("token", ["hf_secret", "hf_secret\nX: y", "hf_secret\udcff"])
def test_the_token_goes_to_the_hub_only_and_into_no_message(
    hub: type[Hub],
    token: str,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr("huggingface_hub.utils._headers.get_token", lambda: token)
    hub.cut = True
    caplog.set_level(logging.DEBUG, "cyclegan_core")
    with pytest.raises(TranslationError) as caught:
        Translation.from_pretrained("org/mine")
    out, err = capfd.readouterr()
    for words in (str(caught.value), caplog.text, out, err):
        assert "secret" not in words
        assert "/blobs/" not in words
    assert not [path for path, sent in hub.tokens if path.startswith("/blobs/") and sent]
    if token.isalnum():
        assert any(sent == f"Bearer {token}" for path, sent in hub.tokens if path.startswith("/org/"))
