"""From the colours that a file's numbers mean to sRGB."""

import contextlib
import io
from collections.abc import Callable

import numpy as np
from PIL import Image, ImageCms

from cyclegan_core.images import profiles
from cyclegan_core.images.formats import DECODER_ERRORS

# A grid through all colours, to see what a profile does to them.
_COLOUR_CUBE = Image.fromarray(np.indices((9, 9, 9)).reshape(3, 27, 27).transpose(1, 2, 0).astype(np.uint8) * 31)
_ICC_MODES = {("RGB", "RGB"): "RGB", ("RGB", "L"): "RGB", ("GRAY", "L"): "L", ("CMYK", "CMYK"): "CMYK"}
_EXIF, _INTEROPERABILITY, _COLOUR_SPACE = 0x8769, 0xA005, 0xA001
_ADOBE_RGB, _UNCALIBRATED = 2, 0xFFFF


def profile_of(image: Image.Image, data: bytes) -> bytes | None:
    """The ICC profile embedded in a file, or one for the colour space that it names: in EXIF, or in an nclx box.

    data: the file's content. None where it says nothing, which means sRGB.
    """
    embedded: bytes | None = image.info.get("icc_profile")
    if embedded:
        return embedded
    if data[4:8] == b"ftyp":
        at = data.find(b"colrnclx", 0, 2**20)
        points = [int.from_bytes(data[place : place + 2], "big") for place in (at + 8, at + 10)]
        return profiles.from_code_points(*points) if at >= 0 else None
    return profiles.build(profiles.ADOBE_RGB, lambda value: value**profiles.ADOBE_GAMMA) if _is_adobe(image) else None


def _is_adobe(image: Image.Image) -> bool:
    with contextlib.suppress(*DECODER_ERRORS):
        exif = image.getexif()
        space = exif.get_ifd(_EXIF).get(_COLOUR_SPACE)
        # Cameras call Adobe RGB "uncalibrated" and say which in the interoperability index (DCF 2.0).
        return space == _ADOBE_RGB or (space == _UNCALIBRATED and exif.get_ifd(_INTEROPERABILITY).get(1) == "R03")
    return False


def conversion_to_srgb(base: str, profile: bytes | None) -> Callable[[Image.Image], Image.Image]:
    """How a strip of mode `base` becomes sRGB: by an ICC profile where it is valid and fits the mode.

    A profile that is sRGB itself, as most are, is known by its effect and not applied: that would take four times as
    long as the decoding, and change pixels by rounding.
    """
    if base != "LAB" and not profile:
        return lambda strip: strip.convert("RGB")
    srgb = ImageCms.createProfile("sRGB")
    if base == "LAB":
        return ImageCms.buildTransform(ImageCms.createProfile("LAB"), srgb, "LAB", "RGB").apply
    with contextlib.suppress(*DECODER_ERRORS):  # a profile that cannot be used is as none
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile or b""))
        mode = _ICC_MODES[source.profile.xcolor_space.strip(), base]
        transform = ImageCms.buildTransform(source, srgb, mode, "RGB")
        probe = _COLOUR_CUBE.convert(base)
        change = np.asarray(transform.apply(probe.convert(mode)), int) - np.asarray(probe.convert("RGB"))
        if np.abs(change).max() > 1:
            return lambda strip: transform.apply(strip.convert(mode))
    return lambda strip: strip.convert("RGB")
