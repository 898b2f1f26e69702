"""Writing a picture whole or not at all."""

import io
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from cyclegan_core import provenance
from cyclegan_core.atomic import atomically
from cyclegan_core.errors import PictureError
from cyclegan_core.images.limits import WRITABLE, describe_fault, display_name
from cyclegan_core.images.picture import on_white


def save(
    picture: np.ndarray,
    path: str | Path,
    *,
    quality: int = 95,
    made_by: str | None = None,
    alpha: np.ndarray | None = None,
) -> None:
    """Writes RGB uint8 (H, W, 3) in the format that the path's suffix (one of `SAVE_SUFFIXES`) names.

    The file appears whole or not at all: one that was there before stays as it was when writing fails.
    `quality` (1..100) is for JPEG and WebP. `made_by` names the translation that made the picture: the file then says
    that it is AI-altered, see `provenance` (not in a BMP). No other metadata is written. `alpha`, uint8 (H, W) where 0
    is transparent, is kept in PNG, WebP and TIFF; in formats without transparency the picture is laid on white.

    Raises PictureError for an unknown suffix, a full or read-only disk, a missing folder, a picture too large for the
    format; ValueError for an array or a quality that is not as said.
    """
    if picture.ndim != 3 or picture.shape[2] != 3 or picture.dtype != np.uint8 or not picture.size:
        raise ValueError(f"a picture is RGB uint8 (H, W, 3), not {picture.dtype} {picture.shape}")
    if not 1 <= quality <= 100:
        raise ValueError(f"quality is 1..100, not {quality}")
    path = Path(path)
    name = display_name(path)
    suffix = path.suffix.lower()
    if suffix not in WRITABLE:
        raise PictureError(f"{name} cannot be written: end its name in {', '.join(sorted(WRITABLE))}.")

    if alpha is not None:
        if alpha.shape != picture.shape[:2] or alpha.dtype != np.uint8:
            raise ValueError(f"alpha is uint8 {picture.shape[:2]}, not {alpha.dtype} {alpha.shape}")
        transparent = suffix in (".png", ".webp", ".tif", ".tiff")
        picture = np.dstack([picture, alpha]) if transparent else on_white(picture, alpha)
    encoded = io.BytesIO()
    form = {".jpg": "jpeg", ".tif": "tiff"}.get(suffix, suffix[1:])
    try:
        Image.fromarray(np.ascontiguousarray(picture)).save(encoded, form, **encoding(form, quality, made_by))
    except (OSError, ValueError) as error:  # JPEG and WebP have a longest side
        raise PictureError(f"{name} cannot be written: it has too many pixels for its format, save a PNG.") from error
    write_whole(path, encoded)


def encoding(form: str, quality: int, made_by: str | None) -> dict[str, Any]:
    """Arguments for Pillow's `save` in a format: how to pack the pixels, and what `made_by` says of them."""
    # A photograph hardly shrinks by more deflating, which takes minutes for one of 40 megapixels.
    deflating: dict[str, Any] = {"png": {"compress_level": 2}, "tiff": {"compression": "tiff_adobe_deflate"}}
    packing = deflating.get(form, {"quality": quality, "subsampling": 0})
    return packing | (provenance.options(form, made_by) if made_by else {})


def write_whole(path: Path, encoded: io.BytesIO) -> None:
    """Puts an encoded picture where it belongs, or raises PictureError and leaves what was there."""
    try:
        with atomically(path) as partial:
            partial.write_bytes(encoded.getbuffer())
    except (OSError, ValueError) as error:
        raise PictureError(f"{display_name(path)} cannot be written: {describe_fault(error)}.") from error
