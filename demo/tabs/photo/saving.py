"""What is saved of a translated photo, under which name, and what the file says of its making."""

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cyclegan_core.errors import PictureError
from cyclegan_core.inference.descriptions import describe
from demo.languages.phrases import say
from demo.tabs.photo.photo_state import PhotoState, draw_face
from demo.tabs.photo.view import WHOLE

if TYPE_CHECKING:
    from cyclegan_core.inference.studio import Chain, Studio  # brings PyTorch, which the page does not wait for

LONGEST_NAME = 60  # characters that a file's name gets from its directions


def save_picture(
    studio: "Studio", state: PhotoState, picture: NDArray[np.uint8], what: Any, strength: float
) -> "tuple[NDArray[np.uint8], str, Sequence[Chain]]":
    """Draws what is saved, in the photo's own size.

    picture: the photo, RGB uint8 (H, W, 3). what: WHOLE, or the index of a face as text. Returns the result, a file
    name without its ending, and the chains that made it. Raises PictureError for a face that there is not.
    """
    chains: Sequence[Chain] = state.chains
    name = ""
    if what == WHOLE:
        result = studio.blend(picture, state.layers, strength).picture
    elif isinstance(what, str) and re.fullmatch("[0-9]{1,4}", what) and int(what) < len(state.faces):
        index = int(what)
        of_whole = [item for items in state.layers[len(state.faces) :] for item in items]
        result = draw_face(picture, state.faces[index], (*state.layers[index], *of_whole), strength)
        chains, name = chains[index : index + 1], f"face-{index + 1}-"
    else:
        raise PictureError(say("error.no_face_to_save"))
    return result, f"{state.file.stem}-{name}{file_words(chains)}", chains


def file_words(chains: "Sequence[Chain]") -> str:
    """The directions of some chains as part of a file's name, such as `to-female-older`; `original` for none."""
    directions = "-".join(dict.fromkeys(step.direction for chain in chains for step in chain))
    return re.sub(r"[^a-z0-9]+", "-", directions.lower())[:LONGEST_NAME].strip("-") or "original"


def made_by(chains: "Sequence[Chain]", strength: float) -> str | None:
    """What a file says of its making, such as `age: older, anime: to anime`; None where nothing was altered."""
    words = describe(*chains)
    return words if words and strength > 0 else None
