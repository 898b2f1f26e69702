"""How the page starts, what it says of itself, and that nothing of what visitors send stays or gets out."""

import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import gradio as gr
import httpx
import pytest
from fastapi import Request as FastAPIRequest
from gradio.data_classes import ImageData

import app
from cyclegan_core import images
from cyclegan_core.errors import CycleganError
from cyclegan_core.inference.composition import STRONGEST
from demo.context import PageContext
from demo.errors import visitor_errors
from demo.page import build_page
from demo.pictures import PhotoInput
from demo.server.files import Files
from demo.server.serve import serve
from demo.tabs.about import OWNER_KEY, about, came_from_here, plain
from demo.tabs.strength_slider import strength_slider
from tests import ROOT
from tests.support.registries import offering_gender

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning:gradio")


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


@pytest.fixture(scope="module")
def context(tiny_translation: Path, tmp_path_factory: pytest.TempPathFactory) -> PageContext:
    return PageContext(offering_gender(tiny_translation), Files(tmp_path_factory.mktemp("files")))


@pytest.fixture(scope="module")
def page(context: PageContext) -> Iterator[gr.Blocks]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GRADIO_TEMP_DIR", str(context.files.folder))
        page = build_page(context)
        serve(page, "127.0.0.1", free_port())
        yield page
        page.close(verbose=False)


def test_about_says_what_is_at_work(context: PageContext) -> None:
    said = about(context)
    for part in (context.studio().detector.name, "folder tiny", "1,234,567", "ten minutes", "identifies anybody"):
        assert part in said, part


def test_what_comes_from_the_hub_is_no_markup() -> None:
    assert plain("[x](javascript:1) <b> *a*") == "\\[x\\](javascript:1) \\<b\\> \\*a\\*"


def test_only_the_owner_fetches_new_weights(context: PageContext, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(OWNER_KEY, "open sesame")
    page = build_page(context, local=False)
    (reload,) = (function.fn for function in page.fns.values() if getattr(function.fn, "__name__", "") == "reload")
    assert reload is not None
    near = gr.Request(FastAPIRequest({"type": "http", "headers": [], "client": ("127.0.0.1", 50_000)}))
    with pytest.raises(gr.Error, match="not the owner's key"):
        reload("wrong", near)
    answer, said = reload("open sesame", near)
    assert "again" in answer
    assert "Gender" in said
    monkeypatch.delenv(OWNER_KEY)
    with pytest.raises(gr.Error, match="not the owner's key"):
        reload("", near)


@pytest.mark.parametrize(
    ("client", "headers", "here"),
    [
        ("127.0.0.1", {}, True),
        ("::1", {}, True),
        ("203.0.113.5", {}, False),
        ("127.0.0.1", {"X-Forwarded-For": "203.0.113.5"}, False),
        ("127.0.0.1", {"X-Real-IP": "203.0.113.5"}, False),
    ],
)
def test_a_visitor_through_a_proxy_is_not_taken_for_the_owner(client: str, headers: dict[str, str], here: bool) -> None:
    raw = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
    request = gr.Request(FastAPIRequest({"type": "http", "headers": raw, "client": (client, 50_000)}))
    assert came_from_here(request) is here


def test_unexpected_errors_show_neither_the_visitor_nor_the_log_a_file_name(capsys: pytest.CaptureFixture[str]) -> None:
    name = "/somewhere/" + "-".join(["my", "holiday.jpg"])  # the log may show this line, but not its result
    with pytest.raises(gr.Error) as shown, visitor_errors():
        raise RuntimeError(name)
    assert "Something went wrong" in shown.value.message
    log = capsys.readouterr().err
    assert "RuntimeError" in log
    assert "my-holiday" not in log + shown.value.message


def test_file_names_are_no_html() -> None:
    with pytest.raises(gr.Error) as shown, visitor_errors():
        raise CycleganError("<img src=x>.jpg is damaged")
    assert "<" not in shown.value.message


def test_photo_that_was_deleted_meanwhile_is_asked_for_again(page: gr.Blocks, tmp_path: Path) -> None:
    photo = next(block for block in page.blocks.values() if isinstance(block, PhotoInput))
    with pytest.raises(gr.Error, match="choose it again"):
        photo.preprocess(ImageData(path=str(tmp_path / "gone.jpg")))


def test_files_of_the_server_cannot_be_read(page: gr.Blocks) -> None:
    for path in (Path(app.__file__), Path(__file__), Path("/etc/passwd")):
        assert httpx.get(f"{page.local_url}gradio_api/file={path}").status_code == 403


def test_oversized_upload_is_refused(page: gr.Blocks, monkeypatch: pytest.MonkeyPatch) -> None:
    assert page.max_file_size is not None
    assert page.max_file_size >= images.MAX_FILE_BYTES
    monkeypatch.setattr(page, "max_file_size", 1000)  # not to move so many bytes here
    upload = {"files": ("large.png", bytes(1001))}
    assert httpx.post(f"{page.local_url}gradio_api/upload", files=upload).status_code == 413


class TestStart:
    @pytest.fixture(autouse=True)
    def settings(self, monkeypatch: pytest.MonkeyPatch, tiny_translation: Path) -> Iterator[None]:
        monkeypatch.setenv("GRADIO_SERVER_PORT", str(free_port()))
        monkeypatch.setenv("GRADIO_TEMP_DIR", "replaced by main")
        monkeypatch.setenv("CYCLEGAN_GENDER_REPO", str(tiny_translation))
        handler = signal.getsignal(signal.SIGTERM)
        yield
        signal.signal(signal.SIGTERM, handler)
        gr.close_all(verbose=False)

    def test_port_in_use(self, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
        with socket.create_server(("127.0.0.1", 0)) as server:
            port = str(server.getsockname()[1])
            monkeypatch.setenv("GRADIO_SERVER_PORT", port)
            assert app.main() == 1
        (sentence,) = capsys.readouterr().err.splitlines()
        assert re.search(f"{port} cannot be had .*in use.*GRADIO_SERVER_PORT", sentence)


def test_page_is_served_before_pytorch_is_loaded() -> None:
    check = "import sys, demo.page, demo.server.serve; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", check], cwd=Path(app.__file__).parent, check=False).returncode == 0


def test_a_strength_in_per_cent_is_a_share_for_event_functions() -> None:
    with gr.Blocks():
        slider = strength_slider()
    assert (slider.minimum, slider.value, slider.maximum) == (0, 100, 100 * STRONGEST)
    assert [slider.preprocess(per_cent) for per_cent in (0, 100, 150)] == [0, 1, STRONGEST]
    with pytest.raises(gr.Error):
        slider.preprocess(151)


@pytest.mark.parametrize("markup", ["photo/view.html", "webcam/webcam.html"])
def test_sliders_end_at_the_greatest_strength(markup: str) -> None:
    assert f'name="strength" min="0" max="{STRONGEST}"' in (ROOT / "demo" / "tabs" / markup).read_text(encoding="utf-8")
