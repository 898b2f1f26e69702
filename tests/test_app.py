"""The page's actions and its endpoint, by `gradio_client` and without a browser, and how it starts and cleans up."""

import io
import re
import signal
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import gradio as gr
import httpx
import numpy as np
import pytest
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError
from numpy.typing import NDArray
from PIL import Image

import app
from cyclegan_core import catalog, images
from cyclegan_core.errors import CycleganError, TranslationError
from cyclegan_core.faces.alignment import TIGHT_TEMPLATE
from cyclegan_core.faces.face import Face
from cyclegan_core.translation import Translation
from cyclegan_core.translator import FaceTranslator

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning:gradio")

FACE_BOX = (40.0, 30.0, 140.0, 130.0)


class OneFace:
    """Finds a face at a known place of every picture that is not grey all over."""

    name = "a detector for tests"

    def detect(self, picture: NDArray[np.uint8]) -> list[Face]:
        if picture.std() == 0:
            return []
        return [Face(FACE_BOX, 0.999, (np.array(TIGHT_TEMPLATE) * 100 + FACE_BOX[:2]).astype(np.float32))]


@pytest.fixture(scope="module")
def translator(tiny_translation: Path) -> FaceTranslator:
    return FaceTranslator(Translation.load(tiny_translation), detector=OneFace())


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("files")


@pytest.fixture(scope="module")
def actions(translator: FaceTranslator, folder: Path) -> app.Actions:
    return app.Actions(lambda: translator, folder)


@pytest.fixture(scope="module")
def page(actions: app.Actions, folder: Path) -> Iterator[gr.Blocks]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GRADIO_TEMP_DIR", str(folder))
        patch.setenv("GRADIO_IS_E2E_TEST", "1")  # a closed page is noticed in a quarter of a second, not in 15
        page = app.build_page(actions, catalog.entry("gender"))
        app.serve(page, "127.0.0.1", free_port())
        yield page
        page.close(verbose=False)


@pytest.fixture(scope="module")
def client(page: gr.Blocks) -> Client:
    return Client(page.local_url, verbose=False)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


def noise(size: tuple[int, int] = (200, 160)) -> Image.Image:
    return Image.fromarray(np.random.default_rng().integers(60, 190, (*size[::-1], 3), dtype=np.uint8))


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    """A PNG in which `OneFace` finds its face."""
    noise().save(tmp_path / "someone.png")
    return tmp_path / "someone.png"


@pytest.fixture
def photo(picture: Path) -> app.Photo:
    return app.Photo(images.load(picture), picture)


@pytest.fixture
def runs(translator: FaceTranslator, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What the translator is asked to do during a test: to find faces, or the direction to generate in."""
    runs: list[str] = []
    generate, find = translator.generate, translator.find_faces
    monkeypatch.setattr(translator, "find_faces", lambda picture: runs.append("find") or find(picture))
    monkeypatch.setattr(translator, "generate", lambda *args: runs.append(args[1]) or generate(*args))
    return runs


def test_endpoint_returns_the_picture_and_the_faces(client: Client, picture: Path) -> None:
    translated, found = client.predict(handle_file(picture), "to_female", 1.0, api_name="/translate")
    assert Path(translated).name == "someone-to-female.png"
    before, after = images.load(picture).astype(int), images.load(translated).astype(int)
    change = np.abs(after - before).max(2)
    assert change[70:90, 80:100].mean() > 10, "the face is of another colour"
    x0, y0, x1, y1 = map(int, FACE_BOX)
    change[y0 - 2 : y1 + 2, x0 - 2 : x1 + 2] = 0
    assert change.max() == 0, "and nothing else is"
    (face,) = found["faces"]
    assert face["box"] == list(FACE_BOX)
    assert np.shape(face["landmarks"]) == (5, 2)


def test_endpoint_knows_its_defaults_and_is_the_only_public_one(client: Client, picture: Path) -> None:
    named = client.view_api(return_format="dict", print_info=False)["named_endpoints"]
    assert list(named) == ["/translate"]
    assert "Translates every face" in named["/translate"]["description"]
    by_default, _ = client.predict(image=handle_file(picture), api_name="/translate")
    plainly, _ = client.predict(handle_file(picture), "to_female", 1, api_name="/translate")
    assert np.array_equal(images.load(by_default), images.load(plainly))


@pytest.mark.parametrize("strength", [0, 1])
def test_endpoint_leaves_a_picture_without_a_face_or_strength_alone(
    client: Client, tmp_path: Path, picture: Path, strength: float
) -> None:
    if strength:
        Image.new("RGB", (64, 48), "grey").save(picture)
    translated, found = client.predict(handle_file(picture), "to_male", strength, api_name="/translate")
    assert np.array_equal(images.load(translated), images.load(picture))
    assert len(found["faces"]) == (strength == 0)


def test_result_is_upright_and_without_the_metadata_of_the_photo(client: Client, tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # lies on its side
    exif.get_ifd(0x8825)[1] = "N"  # GPS
    noise((200, 300)).save(tmp_path / "phone.jpeg", exif=exif)
    translated, _ = client.predict(handle_file(tmp_path / "phone.jpeg"), "to_female", 1, api_name="/translate")
    assert Path(translated).name == "phone-to-female.jpg"
    with Image.open(translated) as result:
        assert result.size == (300, 200)
        assert not result.getexif()


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("broken.jpg", "to_female", 1), "broken.jpg is damaged or cut short"),
        (("text.png", "to_female", 1), "text.png is not a picture"),
        ((None, "to_female", 1), "Send a picture."),
        (("someone.png", "to_dog", 1), "to_dog"),
        (("someone.png", "to_female", 1.5), "1.5"),
        (("someone.png", "to_female", -1), "-1"),
    ],
)
def test_endpoint_refuses_in_a_sentence(
    client: Client, picture: Path, arguments: tuple[str | None, str, float], sentence: str
) -> None:
    jpeg = io.BytesIO()
    noise().save(jpeg, "jpeg")
    (picture.parent / "broken.jpg").write_bytes(jpeg.getvalue()[:2000])
    (picture.parent / "text.png").write_text("no picture")
    name, *others = arguments
    with pytest.raises(AppError, match=sentence) as refused:
        client.predict(name and handle_file(picture.parent / name), *others, api_name="/translate")
    assert str(picture.parent) not in str(refused.value)
    assert "Traceback" not in str(refused.value)


def test_server_fetches_no_addresses(client: Client) -> None:
    address = {"path": "http://127.0.0.1:9/a.png", "meta": {"_type": "gradio.FileData"}}
    with pytest.raises(AppError, match="not its address"):
        client.predict(address, "to_female", 1, api_name="/translate")


def test_files_of_the_server_cannot_be_read(client: Client, page: gr.Blocks) -> None:
    path = str(Path(app.__file__))
    with pytest.raises(AppError):
        client.predict({"path": path, "meta": {"_type": "gradio.FileData"}}, "to_female", 1, api_name="/translate")
    assert httpx.get(f"{page.local_url}gradio_api/file={path}").status_code == 403


def test_oversized_upload_is_refused(page: gr.Blocks, monkeypatch: pytest.MonkeyPatch) -> None:
    assert page.max_file_size == images.MAX_FILE_BYTES
    monkeypatch.setattr(page, "max_file_size", 1000)  # not to move 64 MB here
    upload = {"files": ("large.png", bytes(1001))}
    assert httpx.post(f"{page.local_url}gradio_api/upload", files=upload).status_code == 413


def test_only_what_is_new_is_worked_on(actions: app.Actions, photo: app.Photo, runs: list[str]) -> None:
    _, said, strip, full, made = actions.show(photo, "to_female", 1.0, None)
    assert "1 face found in" in said
    assert strip.count("<img") == 2
    assert full.value["orig_name"] == "someone-to-female.png"
    assert runs == ["to_female", "find"]

    runs.clear()
    *_, half, made_again = actions.show_again(photo, "to_female", 0.5, made)
    assert runs == [], "another strength is no work for the generator"
    assert made_again is made
    by_full, by_half = (np.abs(images.load(made.value["path"]) - photo.picture.astype(int)) for made in (full, half))
    assert by_half.mean() == pytest.approx(by_full.mean() / 2, rel=0.2)

    actions.show_again(photo, "to_male", 0.5, made)
    assert runs == ["to_male"], "the faces are known"
    runs.clear()
    actions.show(app.Photo(photo.picture, Path("another.png")), "to_female", 1.0, made)
    assert runs == ["to_female", "find"]


def test_nothing_is_translated_before_it_was_asked_for(actions: app.Actions, photo: app.Photo, runs: list[str]) -> None:
    actions.show_again(photo, "to_male", 0.5, None)
    with pytest.raises(gr.Error, match="Choose a photo first"):
        actions.show(None, "to_male", 0.5, None)
    assert runs == []


def test_page_says_when_there_is_no_face(actions: app.Actions) -> None:
    grey = app.Photo(np.full((50, 60, 3), 128, np.uint8), Path("wall.jpg"))
    (before, after), said, strip, download, _ = actions.show(grey, "to_female", 1.0, None)
    assert np.array_equal(images.load(before), images.load(after))
    assert app.NO_FACE in said
    assert strip == ""
    assert not download.visible


def test_large_photo_is_small_on_the_page_and_large_in_the_download(actions: app.Actions) -> None:
    large = app.Photo(np.asarray(noise((2000, 1000))), Path("large.jpg"))
    (before, after), _, _, download, _ = actions.show(large, "to_female", 1.0, None)
    assert images.load(before).shape == images.load(after).shape == (800, 1600, 3)
    assert images.load(download.value["path"]).shape == (1000, 2000, 3)


def test_about_says_what_is_at_work(actions: app.Actions, translator: FaceTranslator) -> None:
    about = actions.about()
    for part in (OneFace.name, translator.engine_name, translator.source, "ten minutes"):
        assert part in about


def test_unexpected_errors_show_neither_the_visitor_nor_the_log_a_file_name(capsys: pytest.CaptureFixture[str]) -> None:
    name = "/somewhere/" + "-".join(["my", "holiday.jpg"])  # the log may show this line, but not its result
    with pytest.raises(gr.Error) as shown, app.told():
        raise RuntimeError(name)
    assert "Something went wrong" in shown.value.message
    log = capsys.readouterr().err
    assert "RuntimeError" in log
    assert "my-holiday" not in log + shown.value.message


def test_file_names_are_no_html() -> None:
    with pytest.raises(gr.Error) as shown, app.told():
        raise CycleganError("<img src=x>.jpg is damaged")
    assert "<" not in shown.value.message


def test_photo_that_was_deleted_meanwhile_is_asked_for_again(page: gr.Blocks, tmp_path: Path) -> None:
    (photo,) = (block for block in page.blocks.values() if isinstance(block, app.PhotoInput))
    with pytest.raises(gr.Error, match="choose it again"):
        photo.preprocess(app.ImageData(path=str(tmp_path / "gone.jpg")))


def test_old_files_and_folders_are_swept_away(tmp_path: Path) -> None:
    for name in ("a/photo.jpg", "unfinished"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"x")
    app.sweep(tmp_path, age=60)
    assert len(list(tmp_path.rglob("*"))) == 3
    for left in (["a"], []):  # a folder is as old as its emptiness: something may be about to be written to it
        time.sleep(0.1)
        app.sweep(tmp_path, age=0.05)
        assert [path.name for path in tmp_path.iterdir()] == left


def test_session_of_a_closed_page_is_forgotten(page: gr.Blocks, picture: Path) -> None:
    visitor = Client(page.local_url, verbose=False)
    visitor.predict(handle_file(picture), "to_female", 1, api_name="/translate")
    sessions = page.state_holder.session_data
    assert visitor.session_hash in sessions
    visitor.close()
    deadline = time.monotonic() + 20
    while visitor.session_hash in sessions and time.monotonic() < deadline:
        time.sleep(0.05)
    assert visitor.session_hash not in sessions


def test_settings_of_a_space_choose_the_weights(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    entry = catalog.Entry("gender", "Gender", {}, "someone/gender", "abc")
    assert catalog.source_of(entry) == ("someone/gender", "abc")
    assert catalog.source_of(catalog.entry("gender")) == ("gender", None)
    for setting, source in {
        "other/repo": ("other/repo", None),
        "other/repo@v2 ": ("other/repo", "v2"),
        str(tmp_path): (str(tmp_path), None),
        "": ("someone/gender", "abc"),
    }.items():
        monkeypatch.setenv("CYCLEGAN_GENDER_REPO", setting)
        assert catalog.source_of(entry) == source


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

    @pytest.fixture
    def broken_translation(self, tiny_translation: Path, tmp_path: Path) -> Path:
        for name, missing in (("config.json", 0), ("model.safetensors", 9)):
            content = (tiny_translation / name).read_bytes()
            (tmp_path / name).write_bytes(content[: len(content) - missing])
        return tmp_path

    def test_broken_weights(
        self, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, broken_translation: Path
    ) -> None:
        monkeypatch.setenv("CYCLEGAN_GENDER_REPO", str(broken_translation))
        assert app.main() == 1
        out, err = capsys.readouterr()
        assert "Open" not in out
        (sentence,) = err.splitlines()
        assert "model.safetensors is damaged" in sentence

    def test_direction_that_the_weights_lack(self) -> None:
        offer = catalog.Entry("gender", "Gender", {"to_anime": "To anime"})
        with pytest.raises(TranslationError, match="to_anime"):
            app.load_translator(offer)
