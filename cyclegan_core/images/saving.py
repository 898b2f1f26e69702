"""Writing a picture whole or not at all."""

import contextlib
import io
import os
import secrets
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from cyclegan_core import provenance
from cyclegan_core.errors import PictureError
from cyclegan_core.images.files import display_name, fault
from cyclegan_core.images.formats import SAVE_SUFFIXES




def save(picture: NDArray[np.uint8], path: str | Path, *, quality: int = 95, made_by: str | None = None) -> None:
    """Write RGB uint8 (H, W, 3), or RGBA (H, W, 4), in the format that the path's suffix (one of `SAVE_SUFFIXES`) names.

    The file appears whole or not at all: one that was there before stays as it was when writing fails.
    Alpha is kept in PNG, WebP and TIFF; in the other formats the picture is laid on white. `quality` (1..100) is for JPEG and WebP. `made_by` names the translation that made the picture: the file then says
    that it is AI-altered, see `provenance` (not in a BMP). No other metadata is written.

    Raises PictureError for an unknown suffix, a full or read-only disk, a missing folder, a picture too large for the
    format; ValueError for an array or a quality that is not as said.
    """
    if picture.ndim != 3 or picture.shape[2] not in (3, 4) or picture.dtype != np.uint8 or not picture.size:
        raise ValueError(f"a picture is RGB uint8 (H, W, 3) or RGBA (H, W, 4), not {picture.dtype} {picture.shape}")
    if not 1 <= quality <= 100:
        raise ValueError(f"quality is 1..100, not {quality}")
    path = Path(path)
    name = display_name(path)
    suffix = path.suffix.lower()
    if suffix not in SAVE_SUFFIXES:
        raise PictureError(f"{name} cannot be written: end its name in {', '.join(sorted(SAVE_SUFFIXES))}.")

    encoded = io.BytesIO()
    form = {".jpg": "jpeg", ".tif": "tiff"}.get(suffix, suffix[1:])
    # A photograph hardly shrinks by more deflating, which takes minutes for one of 40 megapixels.
    deflating: dict[str, Any] = {"png": {"compress_level": 2}, "tiff": {"compression": "tiff_adobe_deflate"}}
    options: dict[str, Any] = deflating.get(form, {"quality": quality, "subsampling": 0})
    options = options | (provenance.options(form, made_by) if made_by else {})
    image = Image.fromarray(np.ascontiguousarray(picture))
    if image.mode == "RGBA" and form not in ("png", "webp", "tiff"):
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image).convert("RGB")
    try:
        image.save(encoded, form, **options)
    except (OSError, ValueError) as error:  # JPEG and WebP have a longest side
        raise PictureError(f"{name} cannot be written: it has too many pixels for its format, save a PNG.") from error

    temporary = path.with_name(f".{secrets.token_hex(8)}.part")
    try:
        with open(temporary, "xb") as file:
            file.write(encoded.getbuffer())
        os.replace(temporary, path)
    except (OSError, ValueError) as error:
        raise PictureError(f"{name} cannot be written: {fault(error)}.") from error
    finally:
        with contextlib.suppress(OSError, ValueError):
            temporary.unlink(missing_ok=True)
