"""The page as a programmer meets it: app.py in a process of its own, with what it says on stderr, and plain HTTP."""

import atexit
import dataclasses
import functools
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from cyclegan_core.translations.config import Direction
from cyclegan_core.translations.translation import Translation
from tests import ROOT
from tests.support.ports import free_port

SECRET = "hf_secretsecret"  # the owner's token, which nobody else may see
PATIENCE = 60.0  # seconds; a machine may have other work


@dataclass(frozen=True)
class ServedPage:
    """address: of the page, without a slash at its end. log: what it says on stderr. folder: its temporary files."""

    address: str
    pid: int
    log: Path
    folder: Path

    @property
    def api(self) -> str:
        return f"{self.address}/gradio_api"

    def upload(self, content: bytes, name: str = "someone.png") -> dict[str, Any]:
        """What an endpoint takes for a picture."""
        (path,) = httpx.post(f"{self.api}/upload", files={"files": (name, content)}, timeout=PATIENCE).json()
        return {"path": path, "meta": {"_type": "gradio.FileData"}}

    def call(self, endpoint: str, *data: Any) -> tuple[str, Any]:
        """The event that an endpoint ends with, `complete` or `error`, and its data."""
        joined = httpx.post(f"{self.api}/call/{endpoint}", json={"data": data}, timeout=PATIENCE)
        return self.result(endpoint, joined.raise_for_status().json()["event_id"])

    def result(self, endpoint: str, event_id: str) -> tuple[str, Any]:
        answer = httpx.get(f"{self.api}/call/{endpoint}/{event_id}", timeout=PATIENCE).raise_for_status()
        *_, last = answer.text.strip().split("\n\n")
        event, data = (line.partition(": ")[2] for line in last.split("\n"))
        return event, json.loads(data)

    def fetch(self, file: dict[str, Any]) -> bytes:
        return httpx.get(file["url"], timeout=PATIENCE).raise_for_status().content

    def memory(self) -> float:
        """MB that the server has in memory."""
        (pages,) = Path(f"/proc/{self.pid}/statm").read_text().split()[1:2]
        return int(pages) * os.sysconf("SC_PAGE_SIZE") / 1e6


@contextmanager
def serve_page(translation: Path, temporary: Path, **settings: str) -> Iterator[ServedPage]:
    """Serves app.py, as it is started by hand, with `translation` for gender and a whole-picture one beside it."""
    port = free_port()
    own = {
        "GRADIO_SERVER_PORT": str(port),
        "GRADIO_SERVER_NAME": "127.0.0.1",
        "TMPDIR": str(temporary),
        "CYCLEGAN_GENDER_REPO": str(translation),
        "CYCLEGAN_STRIPES_REPO": str(whole_picture(translation, temporary)),
        "HF_TOKEN": SECRET,
        "HF_HUB_OFFLINE": "1",
        "HF_HUB_DISABLE_TELEMETRY": "1",
    }
    log = temporary / "stderr.txt"
    with (
        log.open("wb") as errors,
        subprocess.Popen(
            [sys.executable, "app.py"], cwd=ROOT, env=os.environ | own | settings, stdout=subprocess.PIPE, stderr=errors
        ) as server,
    ):
        try:
            assert server.stdout is not None
            assert server.stdout.readline() == f"Open http://127.0.0.1:{port}\n".encode(), log.read_text()
            (folder,) = temporary.glob("cyclegan-*")
            yield ServedPage(f"http://127.0.0.1:{port}", server.pid, log, folder)
        finally:
            server.send_signal(signal.SIGTERM)
            server.wait(timeout=PATIENCE)


def whole_picture(translation: Path, folder: Path) -> Path:
    """A translation that takes whole pictures, to_stripes and to_plain, made of one that takes faces."""
    loaded = Translation.load(translation)
    directions = {Direction.A_TO_B: "to_stripes", Direction.B_TO_A: "to_plain"}
    config = dataclasses.replace(loaded.config, name="stripes", directions=directions, crop=None)
    Translation(config, loaded.generators).save(folder / "stripes")
    return folder / "stripes"


@functools.cache
def shared_page(translation: Path, temporary: Path) -> ServedPage:
    """One server for all test files of a run: it takes seconds to start."""
    stack = ExitStack()
    atexit.register(stack.close)
    temporary.mkdir()
    return stack.enter_context(serve_page(translation, temporary))


@pytest.fixture(scope="session")
def page(tiny_translation: Path, tmp_path_factory: pytest.TempPathFactory) -> ServedPage:
    """Served once, in the test files that import this."""
    return shared_page(tiny_translation, tmp_path_factory.getbasetemp() / "served-page")
