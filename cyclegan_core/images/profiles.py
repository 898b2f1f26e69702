"""ICC profiles for colour spaces that a file names without embedding a profile.

All colours then take one way to sRGB, that of an embedded profile.
"""

import struct
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

D65 = (0.3127, 0.3290)
# White, red, green, blue as CIE x, y.
Primaries = tuple[float, ...]
SRGB: Primaries = (*D65, 0.64, 0.33, 0.30, 0.60, 0.15, 0.06)
ADOBE_RGB: Primaries = (*D65, 0.64, 0.33, 0.21, 0.71, 0.15, 0.06)
ADOBE_GAMMA = 2.19921875
# Code points of ITU-T H.273, which PNG's cICP and the nclx box of HEIC and AVIF share.
_PRIMARIES: dict[int, Primaries] = {
    1: SRGB,
    4: (0.310, 0.316, 0.67, 0.33, 0.21, 0.71, 0.14, 0.08),
    5: (*D65, 0.64, 0.33, 0.29, 0.60, 0.15, 0.06),
    6: (*D65, 0.630, 0.340, 0.310, 0.595, 0.155, 0.070),
    7: (*D65, 0.630, 0.340, 0.310, 0.595, 0.155, 0.070),
    9: (*D65, 0.708, 0.292, 0.170, 0.797, 0.131, 0.046),
    11: (0.314, 0.351, 0.680, 0.320, 0.265, 0.690, 0.150, 0.060),
    12: (*D65, 0.680, 0.320, 0.265, 0.690, 0.150, 0.060),
}
_HDR_WHITE = 203.0  # candela per square metre of diffuse white, ITU-R BT.2408
_HDR_PEAK = 1000.0

_BRADFORD = np.array([[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]])
_D50 = np.array([0.9642, 1.0, 0.8249])

Curve = Callable[[NDArray[np.float64]], NDArray[np.float64]]


def srgb_curve(value: NDArray[np.float64]) -> NDArray[np.float64]:
    """Linear light in [0, 1] of sRGB values in [0, 1] (IEC 61966-2-1)."""
    return np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4)


def _power(gamma: float) -> Curve:
    return lambda value: value**gamma


def _pq(value: NDArray[np.float64]) -> NDArray[np.float64]:
    """SMPTE ST 2084, toned down to the range of a screen."""
    m1, m2, c1, c2, c3 = 2610 / 16384, 2523 / 32, 3424 / 4096, 2413 / 128, 2392 / 128
    root = value ** (1 / m2)
    return _tone_down(10_000 * (np.maximum(root - c1, 0) / (c2 - c3 * root)) ** (1 / m1))


def _hlg(value: NDArray[np.float64]) -> NDArray[np.float64]:
    """ARIB STD-B67 at a peak of 1,000 cd/m² (ITU-R BT.2100), toned down to the range of a screen."""
    a, b, c = 0.17883277, 0.28466892, 0.55991073
    scene = np.where(value <= 0.5, value**2 / 3, (np.exp((value - c) / a) + b) / 12)
    return _tone_down(_HDR_PEAK * scene**1.2)


def _tone_down(nits: NDArray[np.float64]) -> NDArray[np.float64]:
    """Reinhard's extended curve, which takes `_HDR_PEAK` to white and leaves the dark parts as they are."""
    light, peak = nits / _HDR_WHITE, _HDR_PEAK / _HDR_WHITE
    return np.minimum(light * (1 + light / peak**2) / (1 + light), 1)


# Video curves (1, 6, 14, 15) are shown by everyone as sRGB is.
_CURVES: dict[int, Curve] = {4: _power(2.2), 5: _power(2.8), 8: _power(1.0), 16: _pq, 17: _power(2.6), 18: _hlg}


def from_code_points(primaries: int, transfer: int) -> bytes | None:
    """A profile for H.273 code points of colour primaries and transfer; None for sRGB and for unknown ones."""
    if primaries not in _PRIMARIES and transfer not in _CURVES:
        return None
    chroma, curve = _PRIMARIES.get(primaries, SRGB), _CURVES.get(transfer, srgb_curve)
    return None if chroma == SRGB and curve is srgb_curve else build(chroma, curve)


def from_gamma(gamma: float | None, primaries: Primaries | None) -> bytes | None:
    """A profile for PNG's gAMA (such as 0.45455) and cHRM (white, red, green, blue); None where they say sRGB."""
    near_srgb = gamma is None or not 0.1 <= gamma <= 10 or abs(gamma - 0.45455) < 0.02
    if primaries is None or np.abs(np.subtract(primaries, SRGB)).max() < 0.002:
        primaries = SRGB
    if near_srgb and primaries is SRGB:
        return None
    return build(primaries, srgb_curve if near_srgb or gamma is None else _power(1 / gamma))


def build(primaries: Primaries, curve: Curve) -> bytes | None:
    """A matrix profile (ICC.1:2001) of primaries and a curve from [0, 1] to linear light; None where they are nonsense.

    Its whites are adapted to D50 by Bradford's method, as ICC profiles have it.
    """
    points = np.array(primaries, np.float64).reshape(4, 2)
    if (points[:, 1] <= 0).any():
        return None
    white, *colours = np.stack([points[:, 0], points[:, 1], 1 - points.sum(1)], axis=1) / points[:, 1:]
    matrix = np.array(colours).T  # (3, 3), columns are red, green, blue in XYZ
    if abs(np.linalg.det(matrix)) < 1e-6:
        return None
    matrix = matrix * np.linalg.solve(matrix, white)
    gains = (_BRADFORD @ _D50) / (_BRADFORD @ white)
    matrix = np.linalg.solve(_BRADFORD, gains[:, None] * (_BRADFORD @ matrix))
    if not np.isfinite(matrix).all() or np.abs(matrix).max() > 3:
        return None
    table = np.rint(curve(np.linspace(0, 1, 1024)).clip(0, 1) * 65535).astype(">u2").tobytes()
    response = b"curv" + struct.pack(">4xI", 1024) + table
    xyz = [b"XYZ " + struct.pack(">4x3i", *np.rint(column * 65536).astype(int)) for column in (_D50, *matrix.T)]
    text = b"desc" + struct.pack(">4xI", 8) + b"a photo\0" + bytes(78)
    elements = {b"desc": text, b"wtpt": xyz[0], b"rXYZ": xyz[1], b"gXYZ": xyz[2], b"bXYZ": xyz[3]}
    elements |= dict.fromkeys((b"rTRC", b"gTRC", b"bTRC"), response)
    offset, table_of_tags, body = 128 + 4 + 12 * len(elements), struct.pack(">I", len(elements)), b""
    for tag, element in elements.items():
        table_of_tags += struct.pack(">4s2I", tag, offset + len(body), len(element))
        body += element + bytes(-len(element) % 4)
    header = struct.pack(">I4xI4s4s4s12x4s28x3i48x", offset + len(body), 0x02400000, b"mntr", b"RGB ", b"XYZ ",
                         b"acsp", *np.rint(_D50 * 65536).astype(int))  # fmt: skip
    return header + table_of_tags + body
