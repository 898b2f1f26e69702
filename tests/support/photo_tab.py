"""The Photo tab with two faces in every picture: what the browser sends and gets."""

from pathlib import Path
from typing import Any
from urllib.parse import unquote

import gradio as gr
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from cyclegan_core.faces.alignment import TIGHT_TEMPLATE
from cyclegan_core.faces.face import Face
from demo.tabs.photo.actions import PhotoActions
from demo.tabs.photo.photo_state import PhotoState
from demo.tabs.photo.view import PNG, WHOLE

LEFT, RIGHT = (20.0, 30.0, 120.0, 130.0), (220.0, 30.0, 340.0, 150.0)
FEMALE, MALE, STRIPES = "gender:to_female", "gender:to_male", "stripes:to_stripes"


class TwoFaces:
    """Finds a face at two known places, the right one larger, of every picture that is not grey all over."""

    name = "a detector for tests"

    def detect(self, picture: NDArray[np.uint8]) -> list[Face]:
        if picture.std() == 0:
            return []
        points = np.array(TIGHT_TEMPLATE)
        return [Face(b, 0.99, (points * (b[2] - b[0]) + b[:2]).astype(np.float32)) for b in (LEFT, RIGHT)]


def picture_of(path: Path, size: tuple[int, int] = (400, 200)) -> Path:
    Image.fromarray(np.random.default_rng(0).integers(60, 190, (*size[::-1], 3), dtype=np.uint8)).save(path)
    return path


def wall(folder: Path) -> Path:
    Image.new("RGB", (160, 120), "grey").save(folder / "wall.jpg")
    return folder / "wall.jpg"


def event(**data: Any) -> gr.EventData:
    """What the browser sends, by default at full strength."""
    return gr.EventData(None, {"strength": 1.0, "then": "", **data})


def opened(actions: PhotoActions, photo: Path, **data: Any) -> tuple[dict[str, Any], PhotoState]:
    shown, state, _ = actions.open_photo(event(path=str(photo), **data))
    return shown, state


def saved(actions: PhotoActions, state: PhotoState, what: str = WHOLE, form: str = PNG, strength: float = 1.0) -> Path:
    return Path(actions.save(event(what=what, form=form, strength=strength), state))


def steps_of(cards: list[dict[str, Any]]) -> list[str]:
    return [card["step"] for card in cards]


def file_of(address: str) -> Path:
    return Path(unquote(address.removeprefix("gradio_api/file=")))


def changed(before: NDArray[np.uint8], after: NDArray[np.uint8], box: tuple[float, ...]) -> float:
    """How far the middle of a box was changed."""
    x0, y0, x1, y1 = (int(edge) for edge in box)
    part = np.s_[(3 * y0 + y1) // 4 : (y0 + 3 * y1) // 4, (3 * x0 + x1) // 4 : (x0 + 3 * x1) // 4]
    return float(np.abs(np.asarray(after)[part].astype(int) - before[part]).mean())
