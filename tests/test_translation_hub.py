"""Translations from the Hub, with the real client: against a server on loopback, and without a network."""

import hashlib
import http.server
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from cyclegan_core.errors import TranslationError
from cyclegan_core.translation import Translation

COMMIT = "0123456789abcdef0123456789abcdef01234567"


class Hub(http.server.BaseHTTPRequestHandler):
    """As much of the Hub's protocol as a download of one file speaks."""

    folder: Path
    asked: list[str]

    def do_HEAD(self) -> None:
        self._answer(with_body=False)

    def do_GET(self) -> None:
        self._answer(with_body=True)

    def _answer(self, *, with_body: bool) -> None:
        self.asked.append(self.path)
        parts = self.path.strip("/").split("/")  # org / name / resolve / revision / file
        if parts[:2] != ["org", "mine"]:
            return self._refuse(404, "RepoNotFound")
        if parts[3] not in ("main", COMMIT):
            return self._refuse(404, "RevisionNotFound")
        path = self.folder / parts[4]
        if not path.is_file():
            return self._refuse(404, "EntryNotFound")
        body = path.read_bytes()
        self.send_response(200)
        self.send_header("ETag", f'"{hashlib.sha256(body).hexdigest()}"')
        self.send_header("X-Repo-Commit", COMMIT)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if with_body:
            self.wfile.write(body)

    def _refuse(self, status: int, code: str) -> None:
        self.send_response(status)
        self.send_header("X-Error-Code", code)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def hub(tiny_translation: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[type[Hub]]:
    handler = type("Served", (Hub,), {"folder": tiny_translation, "asked": []})
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    endpoint = f"http://127.0.0.1:{server.server_port}"
    _point_client(endpoint, tmp_path / "cache", monkeypatch)
    yield handler
    server.shutdown()
    server.server_close()


def _point_client(endpoint: str, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The client reads its environment once, at import; the names it keeps are set here."""
    from huggingface_hub import constants, file_download

    monkeypatch.setattr(constants, "ENDPOINT", endpoint)
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", endpoint + "/{repo_id}/resolve/{revision}/{filename}")
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(cache))
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
    assert file_download.constants is constants


def test_a_repository_is_read_at_a_pinned_revision(hub: type[Hub]) -> None:
    translation = Translation.from_pretrained("org/mine", revision=COMMIT)
    assert translation.config.name == "tiny"
    assert COMMIT in translation.source
    files = [path for path in hub.asked if path.startswith("/org/")]
    assert files
    assert all(f"/resolve/{COMMIT}/" in path for path in files)


def test_a_pinned_revision_that_is_cached_needs_no_network(hub: type[Hub]) -> None:
    Translation.from_pretrained("org/mine", revision=COMMIT)
    hub.asked.clear()
    Translation.from_pretrained("org/mine", revision=COMMIT)
    assert not [path for path in hub.asked if path.startswith("/org/")]


@pytest.mark.parametrize(
    ("name", "revision", "says"),
    [
        ("org/other", None, "no repository org/other"),
        ("org/mine", "v9", "no revision 'v9'"),
        ("org/bad name", None, "not a name of a Hub repository"),
    ],
)
def test_what_the_hub_does_not_have_is_a_sentence(
    hub: type[Hub], name: str, revision: str | None, says: str
) -> None:
    with pytest.raises(TranslationError, match=says):
        Translation.from_pretrained(name, revision=revision)


def test_a_repository_without_weights_is_a_sentence(hub: type[Hub], tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    hub.folder = tmp_path / "empty"
    with pytest.raises(TranslationError, match=r"lacks config\.json"):
        Translation.from_pretrained("org/mine")


def test_without_a_network_it_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from huggingface_hub import constants

    _point_client("http://127.0.0.1:9", tmp_path / "cache", monkeypatch)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(TranslationError, match="cannot be reached"):
        Translation.from_pretrained("org/mine")
