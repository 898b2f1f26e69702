"""High dynamic range (HDR) to standard dynamic range (SDR), so that every screen shows an HDR film as it was meant.

Phones and televisions record HDR in one of the two ways of Recommendation ITU-R BT.2100: PQ, whose values are absolute
luminances, and HLG, whose values are relative to the scene. Both become BT.709 here, in four steps:

1. values to luminance in cd/m² (BT.2100: the PQ EOTF, or the HLG inverse OETF and OOTF for a display of 1000 cd/m²);
2. the highlights compressed by the EETF curve of Report ITU-R BT.2390, section 5.4.1, from a peak of 1000 cd/m² to the
   SDR white of 203 cd/m², which is the diffuse white of HDR (Report ITU-R BT.2408). Luminances up to 88 cd/m², where
   skin lies, are not changed. The curve acts on the largest of R, G and B and all three are scaled alike, so that no
   hue or saturation changes;
3. BT.2020 primaries to BT.709 (Recommendation ITU-R BT.2087), colours outside the smaller gamut being clipped;
4. luminance to values by the inverse of the display's gamma of 2.4 (Recommendation ITU-R BT.1886).
"""

import tempfile
from fractions import Fraction
from functools import cache
from pathlib import Path

import numpy as np
from av.filter.graph import Graph
from av.video.frame import VideoFrame
from numpy.typing import NDArray

PQ, HLG = 16, 18  # FFmpeg's numbers of the transfer functions
BT2020 = 9  # FFmpeg's number of the primaries

PEAK, WHITE = 1000.0, 203.0  # cd/m²: the brightest highlight that keeps its detail, and the white of SDR
PQ_TOP = 10_000.0  # cd/m², the highest luminance that PQ can express
GAMMA = 2.4
BT2020_TO_BT709 = np.array([[1.6605, -0.5876, -0.0728], [-0.1246, 1.1329, -0.0083], [-0.0182, -0.1006, 1.1187]])
BT2020_LUMINANCE = np.array([0.2627, 0.6780, 0.0593])
HLG_SYSTEM_GAMMA = 1.2  # for a display of 1000 cd/m²
TABLE_SIZE = 33  # samples per axis, between which is interpolated: the usual size of such tables


class ToneMapper:
    """Converts the pictures of one HDR film to SDR, each of which goes through the same table of colours."""

    def __init__(self) -> None:
        self._graph: Graph | None = None
        self._key: tuple[object, ...] = ()

    def convert(self, frame: VideoFrame, transfer: int, primaries: int) -> NDArray[np.uint8]:
        """Converts one picture.

        frame: in one of FFmpeg's RGB formats of full range. transfer: PQ or HLG. primaries: FFmpeg's number of them;
        BT.2020 ones are converted to BT.709, others are left as they are. Returns RGB uint8 (H, W, 3).
        """
        frame = frame.reformat(format="gbrp16le")
        key = frame.width, frame.height, transfer, primaries
        if self._graph is None or key != self._key:
            self._graph, self._key = _graph(frame, sdr_table(transfer, primaries)), key
        self._graph.push(frame)
        converted = self._graph.pull()
        assert isinstance(converted, VideoFrame)
        return np.asarray(converted.to_ndarray(format="rgb24"), np.uint8)


def _graph(frame: VideoFrame, table: NDArray[np.float64]) -> Graph:
    graph = Graph()
    source = graph.add_buffer(
        width=frame.width, height=frame.height, format=frame.format, time_base=frame.time_base or Fraction(1, 1000)
    )
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "table.cube")  # the Cube LUT format of Adobe, in which red changes fastest
        with open(path, "w") as file:
            file.write(f"LUT_3D_SIZE {len(table)}\n")
            np.savetxt(file, table.transpose(2, 1, 0, 3).reshape(-1, 3), "%.6f")
        lut = graph.add("lut3d", file=str(path))
    graph.link_nodes(source, lut, graph.add("buffersink")).configure()
    return graph


@cache
def sdr_table(transfer: int, primaries: int) -> NDArray[np.float64]:
    """The SDR value of every colour: (N, N, N, 3), by the indices of red, green and blue, in [0, 1]."""
    axis = np.linspace(0, 1, TABLE_SIZE)
    return to_sdr(np.stack(np.meshgrid(axis, axis, axis, indexing="ij"), -1), transfer, primaries)


def to_sdr(values: NDArray[np.float64], transfer: int, primaries: int = BT2020) -> NDArray[np.float64]:
    """Converts HDR R'G'B' values in [0, 1], (..., 3), to SDR ones: the four steps above."""
    if transfer == PQ:
        light = pq_to_luminance(values)
    else:
        scene = hlg_to_scene(values)
        light = PEAK * (scene @ BT2020_LUMINANCE)[..., None] ** (HLG_SYSTEM_GAMMA - 1) * scene
    largest = np.maximum(light.max(-1, keepdims=True), 1e-6)
    light = light * (compressed(largest) / largest / WHITE)
    if primaries == BT2020:
        light = light @ BT2020_TO_BT709.T
    return np.clip(light, 0, 1) ** (1 / GAMMA)


def compressed(luminance: NDArray[np.float64]) -> NDArray[np.float64]:
    """The EETF of BT.2390 for a black of 0: luminances in cd/m² of up to PEAK become ones of up to WHITE."""
    source = np.minimum(luminance_to_pq(luminance) / luminance_to_pq(PEAK), 1)
    largest = float(luminance_to_pq(WHITE) / luminance_to_pq(PEAK))
    knee = 1.5 * largest - 0.5
    t = np.maximum((source - knee) / (1 - knee), 0)
    spline = (2 * t**3 - 3 * t**2 + 1) * knee + (t**3 - 2 * t**2 + t) * (1 - knee) + (-2 * t**3 + 3 * t**2) * largest
    return pq_to_luminance(np.where(source < knee, source, spline) * luminance_to_pq(PEAK))


_M1, _M2 = 2610 / 16384, 2523 / 4096 * 128
_C1, _C2, _C3 = 3424 / 4096, 2413 / 4096 * 32, 2392 / 4096 * 32


def pq_to_luminance(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """The PQ EOTF of BT.2100: values in [0, 1] become luminances in cd/m²."""
    root = np.power(values, 1 / _M2)
    return PQ_TOP * (np.maximum(root - _C1, 0) / (_C2 - _C3 * root)) ** (1 / _M1)


def luminance_to_pq(luminance: NDArray[np.float64] | float) -> NDArray[np.float64]:
    """The inverse of `pq_to_luminance`."""
    power = np.power(np.asarray(luminance, np.float64) / PQ_TOP, _M1)
    return ((_C1 + _C2 * power) / (1 + _C3 * power)) ** _M2


def hlg_to_scene(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """The inverse OETF of HLG in BT.2100: values in [0, 1] become the light of the scene in [0, 1]."""
    a, b, c = 0.17883277, 0.28466892, 0.55991073
    return np.where(values <= 0.5, values**2 / 3, (np.exp((values - c) / a) + b) / 12)
