"""To sRGB from whatever colour space a picture is in, told by a profile, by code points, by gamma or by EXIF."""

import io
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageCms

from cyclegan_core.images.limits import DECODER_ERRORS

Strip = Callable[[Image.Image], Image.Image]  # a strip of the picture to the same strip in sRGB
Curve = Callable[[np.ndarray], np.ndarray]

D65 = (0.3127, 0.3290)
# Chromaticities of red, green, blue and white by the code points of ITU-T H.273, table 2.
PRIMARIES: dict[int, tuple[float, ...]] = {
    1: (0.640, 0.330, 0.300, 0.600, 0.150, 0.060, *D65),  # BT.709, sRGB
    5: (0.640, 0.330, 0.290, 0.600, 0.150, 0.060, *D65),  # BT.601, 625 lines
    6: (0.630, 0.340, 0.310, 0.595, 0.155, 0.070, *D65),  # BT.601, 525 lines
    7: (0.630, 0.340, 0.310, 0.595, 0.155, 0.070, *D65),
    9: (0.708, 0.292, 0.170, 0.797, 0.131, 0.046, *D65),  # BT.2020
    11: (0.680, 0.320, 0.265, 0.690, 0.150, 0.060, 0.314, 0.351),  # DCI-P3
    12: (0.680, 0.320, 0.265, 0.690, 0.150, 0.060, *D65),  # Display P3
}
ADOBE_RGB = (0.640, 0.330, 0.210, 0.710, 0.150, 0.060, *D65)
ADOBE_GAMMA = 563 / 256
REFERENCE_WHITE, PEAK = 203.0, 1000.0  # candelas a square metre: BT.2408's diffuse white, and a usual peak
_SRGB_LIKE = (1, 2, 6, 13, 14, 15)  # transfer functions that screens show by the curve of sRGB; 2: not specified
_BRADFORD = np.array([[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]])


@dataclass
class PngColour:
    """What a PNG says of its colours.

    profile: an ICC profile. cicp: code points of primaries and transfer function (ITU-T H.273). gamma: the exponent
    that encoded the values, 1 being linear. chromaticities: x and y of white, red, green and blue. srgb: it says so.
    """

    profile: bytes | None = None
    cicp: tuple[int, int] | None = None
    gamma: float | None = None
    chromaticities: tuple[float, ...] | None = None
    srgb: bool = False


@dataclass(frozen=True)
class ColourSpace:
    """An RGB space: chromaticities of red, green, blue and white, and the curve from values in [0, 1] to light."""

    primaries: tuple[float, ...]
    to_light: Curve


def from_code_points(primaries: int, transfer: int) -> ColourSpace | None:
    """The space that code points of ITU-T H.273 name; None where it is sRGB, not specified or unknown."""
    known = PRIMARIES.get(primaries, PRIMARIES[1])
    if transfer in _SRGB_LIKE:
        return None if known == PRIMARIES[1] else ColourSpace(known, _srgb_to_light)
    curves: dict[int, Curve] = {
        4: lambda v: v**2.2, 5: lambda v: v**2.8, 8: lambda v: v, 16: _pq_to_light, 18: _hlg_to_light
    }  # fmt: skip
    return ColourSpace(known, curves[transfer]) if transfer in curves else None


def from_png(colour: PngColour) -> ColourSpace | None:
    """The space that a PNG's chunks tell, in the order in which the standard ranks them; None for sRGB."""
    if colour.cicp is not None:
        return from_code_points(*colour.cicp)
    if colour.srgb or (colour.gamma is None and colour.chromaticities is None):
        return None
    primaries = PRIMARIES[1]
    if colour.chromaticities is not None and min(colour.chromaticities) > 0.001:
        white, rest = colour.chromaticities[:2], colour.chromaticities[2:]
        primaries = (*rest, *white)
    gamma = colour.gamma or 0.45455
    usual = abs(gamma - 0.45455) < 0.02
    if usual and np.allclose(primaries, PRIMARIES[1], atol=0.004):
        return None
    return ColourSpace(primaries, _srgb_to_light if usual else lambda v: v ** (1 / min(max(gamma, 0.1), 10)))


def from_exif(exif: Image.Exif) -> ColourSpace | None:
    """Adobe RGB where a camera says so (DCF 2.0: ColorSpace uncalibrated and interoperability R03); else None."""
    with suppress(*DECODER_ERRORS):  # whatever malformed metadata makes Pillow raise
        detail = exif.get_ifd(0x8769)
        adobe = detail.get(0xA001) == 2 or (
            detail.get(0xA001) == 0xFFFF and exif.get_ifd(0xA005).get(1, "").strip("\0") == "R03"
        )
        if adobe:
            return ColourSpace(ADOBE_RGB, lambda v: v**ADOBE_GAMMA)
    return None


def converter(base: str, profile: bytes | None, space: ColourSpace | None) -> Strip:
    """How a strip of mode `base` (L, RGB, CMYK or LAB) becomes sRGB.

    By the embedded ICC profile where it is valid and fits the mode, else by the space. A profile that is sRGB itself,
    as most are, is known by its effect and not applied: that would take four times as long as the decoding, and change
    pixels by rounding.
    """
    srgb = ImageCms.createProfile("sRGB")
    if base == "LAB":
        return ImageCms.buildTransform(ImageCms.createProfile("LAB"), srgb, "LAB", "RGB").apply
    with suppress(*DECODER_ERRORS):  # a profile that cannot be used is as none
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile or b""))
        mode = _ICC_MODES[source.profile.xcolor_space.strip(), base]
        transform = ImageCms.buildTransform(source, srgb, mode, "RGB")
        probe = _COLOUR_CUBE.convert(base)
        change = np.asarray(transform.apply(probe.convert(mode)), int) - np.asarray(probe.convert("RGB"))
        if np.abs(change).max() > 1:
            return lambda strip: transform.apply(strip.convert(mode))
        return lambda strip: strip.convert("RGB")
    if space is not None and base in ("RGB", "L"):
        return lambda strip: _converted(strip.convert("RGB"), space)
    return lambda strip: strip.convert("RGB")


# A grid through all colours, to see what a profile does to them.
_COLOUR_CUBE = Image.fromarray(np.indices((9, 9, 9)).reshape(3, 27, 27).transpose(1, 2, 0).astype(np.uint8) * 31)
_ICC_MODES = {("RGB", "RGB"): "RGB", ("RGB", "L"): "RGB", ("GRAY", "L"): "L", ("CMYK", "CMYK"): "CMYK"}


def _converted(strip: Image.Image, space: ColourSpace) -> Image.Image:
    light = space.to_light(np.arange(256) / 255).astype(np.float32)[np.asarray(strip)]  # (H, W, 3)
    matrix = np.linalg.inv(_to_xyz(PRIMARIES[1])) @ _to_xyz(space.primaries)
    if not np.allclose(matrix, np.eye(3), atol=1e-3):  # a grey stays grey to the last bit where only the curve differs
        light = light @ matrix.T.astype(np.float32)
    return Image.fromarray(_SRGB_TABLE[np.rint(light.clip(0, 1) * 65535).astype(np.uint16)])


def _to_xyz(primaries: tuple[float, ...]) -> np.ndarray:
    """The matrix (3, 3) from linear RGB to XYZ under D65; other whites are adapted to it by Bradford's method.

    Source: Lindbloom, "RGB/XYZ matrices" and "Chromatic adaptation".
    """
    red, green, blue, white = (
        np.array([x / y, 1, (1 - x - y) / y]) for x, y in zip(primaries[::2], primaries[1::2], strict=True)
    )
    columns = np.stack([red, green, blue], 1)
    matrix = columns * np.linalg.solve(columns, white)
    d65 = np.array([D65[0] / D65[1], 1, (1 - sum(D65)) / D65[1]])
    cones = np.diag((_BRADFORD @ d65) / (_BRADFORD @ white))
    return np.linalg.inv(_BRADFORD) @ cones @ _BRADFORD @ matrix


def _srgb_to_light(v: np.ndarray) -> np.ndarray:
    """IEC 61966-2-1."""
    return np.where(v <= 0.04045, v / 12.92, ((v + 0.055) / 1.055) ** 2.4)


def _light_to_srgb(light: np.ndarray) -> np.ndarray:
    return np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)


_SRGB_TABLE = np.rint(_light_to_srgb(np.arange(65536) / 65535) * 255).astype(np.uint8)


def _pq_to_light(v: np.ndarray) -> np.ndarray:
    """SMPTE ST 2084, with what is brighter than diffuse white rolled off."""
    m1, m2, c1, c2, c3 = 0.1593017578125, 78.84375, 0.8359375, 18.8515625, 18.6875
    power = v ** (1 / m2)
    nits = 10_000 * (np.maximum(power - c1, 0) / (c2 - c3 * power)) ** (1 / m1)
    return _rolled_off(nits / REFERENCE_WHITE)


def _hlg_to_light(v: np.ndarray) -> np.ndarray:
    """The inverse of BT.2100's hybrid log-gamma and a system gamma of 1.2 for a display of 1,000 cd/m²."""
    a, b, c = 0.17883277, 0.28466892, 0.55991073
    scene = np.where(v <= 0.5, v**2 / 3, (np.exp((v - c) / a) + b) / 12)
    return _rolled_off(scene**1.2 * PEAK / REFERENCE_WHITE)


def _rolled_off(light: np.ndarray) -> np.ndarray:
    """Light as a multiple of diffuse white into [0, 1]: the extended curve of Reinhard et al. 2002, equation 4."""
    white = PEAK / REFERENCE_WHITE
    return np.minimum(light * (1 + light / white**2) / (1 + light), 1)
