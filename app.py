"""The Space's page: a photo goes in, and the same photo with its faces translated comes out."""

import html
import os
import secrets
import signal
import socket
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

if not os.environ.get("GRADIO_SERVER_PORT", "7860").isdecimal():  # gradio reads it at its import, and would raise
    sys.exit("GRADIO_SERVER_PORT must be the number of a port, such as 7860.")
import cv2
import gradio as gr
import numpy as np
from gradio.data_classes import ImageData
from numpy.typing import NDArray

from cyclegan_core import catalog, images
from cyclegan_core.errors import CycleganError, PictureError

if TYPE_CHECKING:
    from cyclegan_core.translator import FaceTranslator, GeneratedFace, TranslatedFace

ROOT = Path(__file__).parent
TITLE = "Face translation"
PURPOSE = "See the people in a photo as another gender. Only the faces change; the rest of the photo stays as it is."
PRIVACY = (
    "Your photo is processed on this server and sent nowhere else. It and the result are deleted within ten minutes."
)
# gradio gives the pictures to choose from no names, which a screen reader needs.
NAME_EXAMPLES = "() => document.querySelectorAll('#examples button').forEach((b, i) => b.ariaLabel = `Example ${i+1}`)"
NO_FACE = "No face found. Try a photo in which the face is larger, upright and looks towards the camera."
KEPT_SECONDS = 9 * 60
SHOWN_SIDE = 1600  # longest side, in pixels, of the pictures on the page; the download has the photo's own size


@dataclass(frozen=True, eq=False)
class Photo:
    """What a visitor chose: RGB uint8 (H, W, 3), and its file, whose folder is named by a hash of the content."""

    picture: NDArray[np.uint8]
    file: Path


@dataclass(frozen=True, eq=False)
class Generated:
    """What the generator made of one photo in one direction: another strength needs no second run."""

    file: Path
    direction: str
    faces: "tuple[GeneratedFace, ...]"
    seconds: float


class PhotoInput(gr.Image):
    """A gr.Image whose files come in by `images.load`, which knows more formats, and more traps, than gradio."""

    is_template = True  # the browser shows it as the gr.Image that it is

    def preprocess(self, payload: ImageData | None) -> Photo | None:  # type: ignore[override]
        if payload is None or payload.path is None:
            return None
        with told():
            if not Path(payload.path).exists():
                raise PictureError("This photo has been deleted here in the meantime: choose it again.")
            return Photo(images.load(payload.path), Path(payload.path))

    async def async_move_resource_to_block_cache(self, url_or_file_path: str | Path | None) -> str | None:
        if str(url_or_file_path).lower().startswith(("http:", "https:")):  # gradio would fetch it, of any size
            raise gr.Error("Send the picture itself, not its address.", print_exception=False)
        return await super().async_move_resource_to_block_cache(url_or_file_path)

    def example_payload(self) -> Any:  # for the page on the API
        return {"path": "photo.jpg", "url": "photo.jpg", "meta": {"_type": "gradio.FileData"}}


@contextmanager
def told() -> Iterator[None]:
    """Turns every error into words for the visitor: no traceback, no path of the server."""
    try:
        yield
    except gr.Error:
        raise
    except (CycleganError, ValueError) as error:
        raise gr.Error(html.escape(str(error), quote=False), print_exception=False) from error
    except Exception as error:
        # The owner's log gets the place, not the message: that may name a visitor's file.
        print(type(error).__name__, *traceback.format_tb(error.__traceback__), sep="\n", file=sys.stderr)
        sentence = "Something went wrong on this server. Try again, or try another photo."
        raise gr.Error(sentence, print_exception=False) from error


class Actions:
    """What the page does when it is asked to.

    ready: gives the translator, and waits for it while it is still being loaded. folder: for the files that the page
    shows; gradio's own, which it serves and whose old files are deleted.
    """

    def __init__(self, ready: "Callable[[], FaceTranslator]", folder: Path) -> None:
        self._ready = ready
        self._folder = folder

    def show(self, photo: Photo | None, direction: str, strength: float, last: Generated | None) -> Any:
        """For the page: before and after, the status, the faces, the download, and what the generator made."""
        with told():
            if photo is None:
                raise PictureError("Choose a photo first.")
            translator = self._ready()
            if last is None or (last.file, last.direction) != (photo.file, direction):
                found = [item.face for item in last.faces] if last and last.file == photo.file else None
                began = time.perf_counter()
                faces = translator.generate(photo.picture, direction, found)
                last = Generated(photo.file, direction, faces, time.perf_counter() - began)
            result = translator.blend(photo.picture, last.faces, strength)
            before_and_after = (
                self._write(for_the_screen(photo.picture), "before.jpg"),
                self._write(for_the_screen(result), "after.jpg"),
            )
            download = self._write_result(result, photo.file, direction) if last.faces else None
            button = gr.DownloadButton(value=download, visible=download is not None)
            return before_and_after, status(last), self._strip(result.faces), button, last

    def show_again(self, photo: Photo | None, direction: str, strength: float, last: Generated | None) -> Any:
        """As `show`, once something has been translated."""
        return self.show(photo, direction, strength, last) if last else (gr.skip(),) * 5

    def translate(self, image: Photo | None, direction: str, strength: float) -> tuple[str, dict[str, Any]]:
        """Translates every face of a picture.

        Args:
            image: a picture file (JPEG, PNG, WebP, HEIC, AVIF, GIF, BMP or TIFF) of at most 64 MB.
            direction: to_female or to_male.
            strength: from 0, the picture as it is, to 1, the full translation.

        Returns:
            The picture in its own size, as PNG where a PNG came in and as JPEG otherwise. Then its faces from left to
            right, in pixels: box (left, top, right, bottom), score (0 to 1) and five landmarks (x, y).
        """
        with told():
            if image is None:
                raise PictureError("Send a picture.")
            result = self._ready()(image.picture, direction, strength)
            faces = [
                {"box": face.box, "score": face.score, "landmarks": face.landmarks.tolist()}
                for face in (translated.face for translated in result.faces)
            ]
            return self._write_result(result, image.file, direction), {"faces": faces}

    def about(self) -> str:
        """What is at work here, in Markdown."""
        with told():
            translator = self._ready()
            config = translator.config
            lines = [
                f"**Faces** are found by {translator.detector.name}.",
                f"**They are translated** by a CycleGAN ({translator.source}), run by {translator.engine_name}.",
            ]
            if {"pictures", "minutes", "device"} <= config.training.keys():
                lines.append(
                    f"**It was trained** for {config.training['minutes']} minutes on {config.training['device']}, and "
                    f"was shown {config.training['pictures']:,} pictures. Data: {config.data_licence}."
                )
            if "quality" in config.training:
                lines.append(f"**How good it is**: {config.training['quality']}")
            lines.append(
                "**What happens to a photo**: it and its result lie in a temporary folder of this server, for ten "
                "minutes at most. They are in no log, and nobody else is sent anything."
            )
            return "\n\n".join(lines)

    def _write(self, picture: NDArray[np.uint8], name: str) -> str:
        folder = self._folder / secrets.token_hex(20)  # nobody can guess another visitor's
        folder.mkdir(parents=True)
        images.save(picture, folder / name)
        return str(folder / name)

    def _write_result(self, picture: NDArray[np.uint8], source: Path, direction: str) -> str:
        suffix = ".png" if source.suffix.lower() == ".png" else ".jpg"
        return self._write(picture, f"{source.stem}-{direction.replace('_', '-')}{suffix}")

    def _strip(self, faces: "tuple[TranslatedFace, ...]") -> str:
        figures = []
        for number, face in enumerate(faces, 1):
            crops = "".join(
                f'<img src="gradio_api/file={quote(self._write(crop, f"{name}.jpg"))}" alt="Face {number}, {name}">'
                for name, crop in (("before", face.before), ("after", face.after))
            )
            figures.append(f"<li><figure><div>{crops}</div><figcaption>Face {number}</figcaption></figure></li>")
        return f"<ol>{''.join(figures)}</ol>" if figures else ""


def status(generated: Generated) -> str:
    count = len(generated.faces)
    found = f"{count} face{'s' if count > 1 else ''} found in {generated.seconds:.1f} s" if count else NO_FACE
    return f'<p role="status">{found}</p>'


def for_the_screen(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    scale = SHOWN_SIDE / max(picture.shape)
    return cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA) if scale < 1 else picture


def build_page(actions: Actions, offer: catalog.Entry) -> gr.Blocks:
    """The page for one translation, to be served by `serve`."""

    def forget(request: gr.Request) -> None:  # gradio would keep the session of a closed page for an hour
        page.state_holder.session_data.pop(request.session_hash, None)

    with gr.Blocks(title=TITLE, delete_cache=(30, KEPT_SECONDS), analytics_enabled=False) as page:
        gr.HTML(f'<h1>{TITLE}</h1><p>{PURPOSE}</p><p class="privacy">{PRIVACY}</p>', elem_id="title")
        add_upload(actions, offer)
        with gr.Accordion("About", open=False):
            about = gr.Markdown()
        page.load(actions.about, None, about, js=NAME_EXAMPLES, queue=False, api_visibility="private")
        page.unload(forget)
        page.queue(max_size=32, api_open=False)
    return page


def add_upload(actions: Actions, offer: catalog.Entry) -> None:
    choices = [(label, name) for name, label in offer.labels.items()]
    with gr.Row():
        with gr.Column(scale=4, min_width=300):
            photo = PhotoInput(
                label="Photo", alt_text="Your photo", placeholder="# Drop a photo here\nor click to choose one",
                height=320, buttons=[], elem_id="photo",
            )
            direction = gr.Radio(choices, value=choices[0][1], label="Direction")
            strength = gr.Slider(0, 1, value=1, step=0.01, label="Strength")
            button = gr.Button("Translate", variant="primary")
            pictures = sorted((ROOT / "examples").glob("*.jpg"))
            gr.set_static_paths(pictures)
            examples = pictures and gr.Examples(
                list(map(str, pictures)), photo, label="Or try one of these", cache_examples=False, elem_id="examples",
                api_visibility="private",
            )
        with gr.Column(scale=7, min_width=300):
            before_and_after = gr.ImageSlider(
                label="Before and after", interactive=False, buttons=["fullscreen"], max_height=560, elem_id="result"
            )
            said = gr.HTML(elem_id="status")
            strip = gr.HTML(elem_id="strip")
            download = gr.DownloadButton("Download the picture", visible=False)
    last = gr.State(time_to_live=KEPT_SECONDS)

    inputs: list[Any] = [photo, direction, strength, last]
    outputs: list[Any] = [before_and_after, said, strip, download, last]
    taking_turns: dict[str, Any] = {"concurrency_id": "translator", "concurrency_limit": 2}
    translating: dict[str, Any] = {
        "fn": actions.show, "inputs": inputs, "outputs": outputs, "api_visibility": "private",
        "show_progress_on": before_and_after, "scroll_to_output": True, **taking_turns,
    }
    button.click(**translating)
    if examples:
        examples.load_input_event.then(**translating)
    gr.on(
        [direction.change, strength.change], actions.show_again, inputs, outputs, api_visibility="private",
        trigger_mode="always_last", show_progress="hidden", **taking_turns,
    )
    gr.on(
        [photo.upload, photo.clear], lambda: (None, "", "", gr.DownloadButton(visible=False), None), None, outputs,
        queue=False, api_visibility="private",
    )
    with gr.Column(visible=False):
        gr.Button().click(
            actions.translate, [photo, direction, strength], [gr.Image(label="picture"), gr.JSON(label="faces")],
            api_name="translate", **taking_turns,
        )


def serve(page: gr.Blocks, host: str, port: int) -> None:
    """Serves the page from now on, in threads of its own. Raises CycleganError where it cannot have the port."""
    try:
        socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET).close()
    except OSError as error:
        reason = error.strerror or error
        raise CycleganError(f"{host}:{port} cannot be had ({reason}): set GRADIO_SERVER_PORT to another.") from error
    fonts: dict[str, Any] = {"font": ["system-ui", "sans-serif"], "font_mono": ["ui-monospace", "monospace"]}
    theme = gr.themes.Default(primary_hue="indigo", neutral_hue="slate", radius_size="lg", **fonts)
    page.launch(
        server_name=host, server_port=port, prevent_thread_lock=True, quiet=True,
        theme=theme.set(body_text_color_subdued="*neutral_500"), css_paths=ROOT / "page.css", footer_links=["api"],
        max_file_size=images.MAX_FILE_BYTES, run_history=False, enable_monitoring=False,
        share=False, ssr_mode=False, pwa=False, mcp_server=False,
    )


def load_translator(offer: catalog.Entry) -> "FaceTranslator":
    from cyclegan_core.translator import FaceTranslator  # here, as PyTorch takes seconds: the page is served first

    name, revision = catalog.source_of(offer)
    translator = FaceTranslator.from_pretrained(name, revision=revision)
    for direction in offer.labels:
        translator.config.direction(direction)  # raises where the page would offer what there is not
    return translator


def sweep(folder: Path, age: float) -> None:
    """Deletes what is older than `age` seconds. gradio's `delete_cache` misses aborted uploads, and leaves folders."""
    oldest = time.time() - age
    for path in sorted(folder.rglob("*"), reverse=True):
        with suppress(OSError):  # a folder that is not empty, or what gradio has just deleted itself
            if path.stat().st_ctime < oldest:
                delete = path.rmdir if path.is_dir() else path.unlink
                delete()


def sweep_forever(folder: Path) -> None:
    while True:
        time.sleep(15)
        with suppress(OSError):
            sweep(folder, KEPT_SECONDS + 30)


def main() -> int:
    """Serves the page until it is stopped, and returns the exit code."""
    host, port = os.environ.get("GRADIO_SERVER_NAME", "127.0.0.1"), int(os.environ.get("GRADIO_SERVER_PORT", "7860"))
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))  # so that the temporary folder goes then, too
    loaded: Future[FaceTranslator] = Future()
    with tempfile.TemporaryDirectory(prefix="cyclegan-", ignore_cleanup_errors=True) as folder:
        os.environ["GRADIO_TEMP_DIR"] = folder
        threading.Thread(target=sweep_forever, args=[Path(folder)], daemon=True).start()
        try:
            offer = catalog.entry("gender")
            serve(build_page(Actions(loaded.result, Path(folder)), offer), host, port)
            loaded.set_result(load_translator(offer))
            print(f"Open http://{'127.0.0.1' if host == '0.0.0.0' else host}:{port}", flush=True)
            threading.Event().wait()
        except KeyboardInterrupt:
            return 0
        except CycleganError as error:
            print(error, file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
