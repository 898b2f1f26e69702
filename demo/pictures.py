"""How pictures come in from visitors, and the sizes at which they are processed and shown."""

import base64
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import gradio as gr
import numpy as np
from gradio.data_classes import ImageData
from numpy.typing import NDArray

from cyclegan_core import images
from cyclegan_core.errors import PictureError
from cyclegan_core.images.shrinking import fitted
from demo.errors import visitor_errors
from demo.languages.phrases import say
from demo.server.gradio_patches import UploadsOnly

if TYPE_CHECKING:  # brings PyTorch, which the page does not wait for
    from cyclegan_core.faces.face import Face
    from cyclegan_core.inference.composition import Layer
    from cyclegan_core.inference.studio import Chain, Studio

# Larger pictures are reduced for a translation of whole pictures, and its result is enlarged again: with the network of
# the CycleGAN paper, 4 megapixels keep a small server busy for a minute, in which others wait.
WHOLE_PIXELS = 4_000_000
SHOWN_SIDE = 1600  # longest side, in pixels, of the pictures on the page; the download has the photo's own size


@dataclass(frozen=True, eq=False)
class Photo:
    """A visitor's photo, and its file, whose folder is named by a hash of the content."""

    picture: images.Picture
    file: Path


class PhotoInput(UploadsOnly, gr.Image):
    """A gr.Image whose files are read by `read`, which knows more formats, and more traps, than gradio."""

    read: Callable[[Path], images.Picture] = staticmethod(images.load_picture)

    is_template = True  # the browser shows it as the gr.Image that it is
    refused_schemes = ("http:", "https:")  # MCP clients send pictures as data URLs

    def preprocess(self, payload: ImageData | None) -> Photo | None:  # type: ignore[override]
        if payload is None or payload.path is None:
            return None
        with visitor_errors():
            if not Path(payload.path).exists():
                raise PictureError(say("error.photo_gone"))
            return Photo(self.read(Path(payload.path)), Path(payload.path))

    def example_payload(self) -> Any:  # for the page on the API
        return {"path": "photo.jpg", "url": "photo.jpg", "meta": {"_type": "gradio.FileData"}}


def result_suffix(picture: images.Picture, file: Path) -> str:
    """The suffix of a translated picture: .png where a PNG or transparency came in, .jpg otherwise."""
    return ".png" if picture.alpha is not None or file.suffix.lower() == ".png" else ".jpg"


def generate(
    studio: "Studio", picture: NDArray[np.uint8], faces: "Sequence[Face]", chains: "Sequence[Chain]"
) -> "tuple[tuple[Layer, ...], ...]":
    """As `Studio.generate`, with steps on the whole picture at WHOLE_PIXELS at most."""
    return studio.generate(picture, faces, chains, whole_pixels=WHOLE_PIXELS)


def data_url(picture: NDArray[np.uint8], quality: int = 85) -> str:
    """An RGB uint8 (H, W, 3) picture as a JPEG data URL."""
    bgr = cv2.cvtColor(picture, cv2.COLOR_RGB2BGR)
    _, content = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, quality])
    return f"data:image/jpeg;base64,{base64.b64encode(content.data).decode()}"


def for_the_screen(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The RGB uint8 (H, W, 3) picture, reduced to at most SHOWN_SIDE pixels on its longest side."""
    return fitted(picture, SHOWN_SIDE)
