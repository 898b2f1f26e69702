"""How pictures come in from visitors, and how what goes wrong is told them."""

import html
import sys
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import gradio as gr
import numpy as np
from gradio.data_classes import ImageData
from numpy.typing import NDArray

from cyclegan_core import images
from cyclegan_core.errors import CycleganError, PictureError

if TYPE_CHECKING:  # brings PyTorch, which the page does not wait for
    from cyclegan_core.faces.face import Face
    from cyclegan_core.inference.composition import GeneratedFace
    from cyclegan_core.inference.studio import Chain, Studio

# Larger ones are made smaller for a translation of whole pictures, and what it makes is enlarged again: with the
# network of the CycleGAN paper, 4 megapixels keep a small server busy for a minute, in which others wait.
WHOLE_PIXELS = 4_000_000
SHOWN_SIDE = 1600  # longest side, in pixels, of the pictures on the page; the download has the photo's own size


@dataclass(frozen=True, eq=False)
class Photo:
    """What a visitor chose: RGB uint8 (H, W, 3), and its file, whose folder is named by a hash of the content."""

    picture: NDArray[np.uint8]
    file: Path


class PhotoInput(gr.Image):
    """A gr.Image whose files come in by `images.load`, which knows more formats, and more traps, than gradio."""

    is_template = True  # the browser shows it as the gr.Image that it is

    def get_block_name(self) -> str:  # of a subclass, too
        return "image"

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
        words = html.escape(str(error), quote=False)
        raise gr.Error(words if words.endswith((".", "?")) else f"{words}.", print_exception=False) from error
    except Exception as error:
        # The owner's log gets the place, not the message: that may name a visitor's file.
        print(type(error).__name__, *traceback.format_tb(error.__traceback__), sep="\n", file=sys.stderr)
        sentence = "Something went wrong on this server. Try again, or try another photo."
        raise gr.Error(sentence, print_exception=False) from error


def generate(
    studio: "Studio", picture: NDArray[np.uint8], faces: "Sequence[Face]", chains: "Sequence[Chain]"
) -> "tuple[tuple[GeneratedFace, ...], ...]":
    """As `Studio.generate`, with steps on the whole picture at WHOLE_PIXELS at most."""
    return studio.generate(picture, faces, chains, whole_pixels=WHOLE_PIXELS)


def for_the_screen(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The picture, no larger than a page shows it."""
    return _reduced(picture, SHOWN_SIDE / max(picture.shape))


def _reduced(picture: NDArray[np.uint8], scale: float) -> NDArray[np.uint8]:
    return cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA) if scale < 1 else picture
