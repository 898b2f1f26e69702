"""Two copies of the page behind nginx, started by the script that people start."""

import http.client
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import numpy as np
import pytest
from gradio_client import Client, handle_file
from huggingface_hub import constants

from cyclegan_core import images
from cyclegan_core.translations.translation import Translation
from demo.server.request_limits import UPLOAD_BYTES
from examples import load
from examples.replicas.run import FRONT, REPLICAS, SEARCHED, TEMPLATE, nginx_config
from tests import ROOT
from tests.support.hub_server import COMMIT, serving
from tests.support.ports import free_port

PATIENCE = 120.0  # seconds; a machine may have other work
pytestmark = pytest.mark.process
PORTRAIT = ROOT / "examples" / "astronaut.jpg"


@dataclass(frozen=True)
class Site:
    """address: nginx's. temporary: above the folders that the copies keep uploads in. said: what run.py prints."""

    address: str
    temporary: Path
    said: Path
    process: subprocess.Popen[bytes]

    def pids(self, name: str) -> list[int]:
        """The processes of a copy, in the order in which they came up."""
        return [int(pid) for pid in re.findall(rf"replica {name}: port \d+, process (\d+)", self.said.read_text())]

    def app_id(self, name: str) -> str:
        """What the copy with this cookie says that it is, a number that it draws at its start."""
        answer = httpx.get(f"{self.address}/gradio_api/app_id", cookies={"replica": name}, timeout=PATIENCE)
        return str(answer.raise_for_status().json()["app_id"])


@pytest.fixture(scope="module")
def site(tiny_translation: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Both copies fetch the weights of `gender` from a Hub on loopback, after they have started."""
    if not shutil.which("nginx", path=SEARCHED):
        pytest.skip("nginx is not installed")
    folder = tmp_path_factory.mktemp("site")
    repository, temporary, said = folder / "repository", folder / "temporary", folder / "said.txt"
    temporary.mkdir()
    Translation.load(tiny_translation).save(repository)
    port = free_port()
    with pytest.MonkeyPatch.context() as patch, serving(repository, folder / "unused", patch):
        own = {
            "TMPDIR": str(temporary),
            "CYCLEGAN_GENDER_REPO": "org/mine",
            "HF_ENDPOINT": constants.ENDPOINT,
            "HF_HOME": str(folder / "hub"),
            "HF_HUB_DISABLE_XET": "1",
            "HF_HUB_OFFLINE": "0",
            "CYCLEGAN_DETECTOR_URL": f"{constants.ENDPOINT}/nothing",
        }
        command = [sys.executable, "examples/replicas/run.py", "--port", str(port)]
        with (
            said.open("wb") as log,
            subprocess.Popen(command, cwd=ROOT, env=os.environ | own, stdout=log, stderr=log) as process,
        ):
            made = Site(f"http://127.0.0.1:{port}", temporary, said, process)
            try:
                until(lambda: "Open http" in said.read_text() or process.poll() is not None)
                assert process.poll() is None, said.read_text()
                yield made
            finally:
                process.send_signal(signal.SIGTERM)
                process.wait(timeout=PATIENCE)
    assert list(temporary.iterdir()) == [], "nothing of what visitors sent is left"


def until(true: Callable[[], object]) -> None:
    ends = time.monotonic() + PATIENCE
    while not true():
        assert time.monotonic() < ends, "waited for too long"
        time.sleep(0.1)


def translate(client: Client, direction: str = "older") -> np.ndarray:
    picture, details = client.predict(
        image=handle_file(PORTRAIT), direction=direction, strength=1.0, faces="all", api_name="/translate"
    )
    assert details["translated"] == [1]
    return images.load(picture)


def test_the_configuration() -> None:
    made = nginx_config(1234, {"a": 2345, "b": 3456})
    code = "\n".join(line.partition("# ")[0] for line in made.splitlines())
    assert not re.search("|".join([FRONT, *REPLICAS.values()]), code)
    assert len(re.findall("server 127.0.0.1:2345", code)) == len(re.findall("server 127.0.0.1:3456", code)) == 4
    assert f"client_max_body_size {UPLOAD_BYTES // 2**20}m;" in TEMPLATE.read_text()


@pytest.mark.slow
def test_visitors_stay_with_one_copy_and_are_spread_over_both(site: Site) -> None:
    before = images.load(PORTRAIT)
    clients = [Client(site.address, verbose=False) for _ in range(4)]
    assert sorted(client.cookies["replica"] for client in clients) == ["a", "a", "b", "b"]
    assert site.app_id("a") != site.app_id("b")
    for client in clients:
        assert np.abs(translate(client).astype(int) - before).max() > 10
        again = httpx.get(f"{site.address}/gradio_api/app_id", cookies=client.cookies, timeout=PATIENCE)
        assert "set-cookie" not in again.headers
        assert str(again.json()["app_id"]) == site.app_id(client.cookies["replica"])
    for name in REPLICAS:
        (folder,) = site.temporary.glob(f"*/page-{name}")
        assert len([*folder.rglob(PORTRAIT.name)]) >= 1, "each copy has the uploads of its own visitors"


def test_a_browser_gets_a_cookie_and_addresses_of_the_site(site: Site) -> None:
    with httpx.Client(base_url=site.address, timeout=PATIENCE) as browser:
        answer = browser.get("/")
        assert re.fullmatch("replica=[ab]; Path=/; HttpOnly; SameSite=Lax", answer.headers["set-cookie"])
        assert browser.get("/config").json()["root"] == site.address
        strange = httpx.get(f"{site.address}/config", cookies={"replica": "c; a"}, timeout=PATIENCE)
        assert strange.headers["set-cookie"][:9] in ("replica=a", "replica=b")


def test_the_queue_and_the_webcam_of_programs_without_cookies(site: Site) -> None:
    uploads = load.run(site.address, load.Uploader, 8, 16)
    assert (uploads.errors, uploads.foreign, sum(uploads.done.values())) == ({}, 0, 16)
    assert max(uploads.places) > 1, "people are told their place while they wait"
    frames = load.run(site.address, load.Camera, 2, 6)
    assert (frames.errors, frames.foreign, sum(frames.done.values())) == ({}, 0, 6)


def test_both_copies_fetch_the_weights_in_the_background(site: Site) -> None:
    def revision(name: str) -> str:
        client = Client(site.address, verbose=False, httpx_kwargs={"cookies": {"replica": name}})
        (gender,) = [told for told in client.predict(api_name="/info")["translations"] if told["name"] == "gender"]
        return str(gender["revision"])

    for name in REPLICAS:
        until(lambda name=name: revision(name) == COMMIT)  # type: ignore[misc]


def test_too_large_a_body_is_refused_in_a_sentence(site: Site) -> None:
    connection = http.client.HTTPConnection(site.address.removeprefix("http://"), timeout=PATIENCE)
    connection.putrequest("POST", "/gradio_api/upload")
    connection.putheader("Content-Length", str(UPLOAD_BYTES + 1))
    connection.endheaders()
    answer = connection.getresponse()
    assert answer.status == 413
    assert json.loads(answer.read())["detail"] == "This is more than the 1024 MiB allowed: send less at once."


@pytest.mark.slow
def test_visitors_of_a_dead_copy_go_on_with_the_other(site: Site) -> None:
    client = Client(site.address, verbose=False, httpx_kwargs={"cookies": {"replica": "a"}})
    translate(client)
    (sent,) = site.temporary.glob("*/page-a/cyclegan-*")
    with httpx.Client(base_url=site.address, timeout=PATIENCE, cookies={"replica": "a"}) as browser:
        os.kill(site.pids("a")[-1], signal.SIGKILL)
        answer = browser.get("/gradio_api/app_id")
        assert str(answer.json()["app_id"]) == site.app_id("b")
        assert answer.headers["set-cookie"].startswith("replica=b;"), "and stays there when the first one is back"
        translate(client)

        os.kill(site.pids("b")[-1], signal.SIGKILL)
        refused = browser.get("/config")
        assert (refused.status_code, refused.headers["retry-after"]) == (503, "10")
        assert refused.json()["detail"] == "The page cannot answer at this moment: try again in ten seconds."
    until(lambda: all(len(site.pids(name)) > 1 for name in REPLICAS))
    assert not sent.exists(), "what visitors had sent to the dead copy"
    config, cookies = f"{site.address}/config", {"replica": "a"}  # nginx does not ask a dead copy for ten seconds
    until(lambda: httpx.get(config, cookies=cookies, timeout=PATIENCE).status_code == 200)
    translate(client)
