"""The colours of a film: what its YCbCr values mean, and the RGB pixels that become of them."""

from dataclasses import dataclass

import numpy as np
from av.video.frame import VideoFrame
from av.video.reformatter import Interpolation
from numpy.typing import NDArray

from cyclegan_core.video.tone_mapping import HLG, PQ, ToneMapper

# FFmpeg's numbers (AVColorSpace, AVColorPrimaries, AVColorTransferCharacteristic, AVColorRange).
BT709 = 1
UNSPECIFIED = 2
BT470BG, SMPTE170M = 5, 6  # BT.601 for 625 and for 525 lines
LIMITED_RANGE, FULL_RANGE = 1, 2

MATRICES = {BT709, 4, BT470BG, SMPTE170M, 7, 9}  # those that FFmpeg converts from and to RGB
PRIMARIES = {BT709, 4, BT470BG, SMPTE170M, 7, 8, 9, 10, 11, 12, 22}
TRANSFERS = {BT709, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 17}  # of SDR
# The faster conversions darken a picture by a step; after this one an unchanged picture is written as it was read.
EXACT = Interpolation.BILINEAR | Interpolation.ACCURATE_RND | Interpolation.FULL_CHR_H_INT


@dataclass(frozen=True)
class Colours:
    """Labels of a film's colours, as FFmpeg's numbers: the YCbCr matrix, the RGB primaries, the transfer function."""

    matrix: int = BT709
    primaries: int = BT709
    transfer: int = BT709


class RgbConverter:
    """Converts the decoded frames of one film to RGB."""

    def __init__(self) -> None:
        self._tone_mapper = ToneMapper()

    def convert(self, frame: VideoFrame) -> tuple[NDArray[np.uint8], Colours]:
        """Returns the pixels, RGB uint8 (H, W, 3), and the colours in which they are to be written.

        SDR keeps its primaries and its transfer function; HDR (PQ, HLG) is converted to BT.709. What a film does not
        say is taken to be what players take it to be. Raises FFmpegError where a frame cannot be converted.
        """
        colours = _sdr_colours(frame)
        transfer, primaries = frame.color_trc, frame.color_primaries
        full = FULL_RANGE if frame.color_range == FULL_RANGE else None
        if not frame.format.is_rgb:
            frame.colorspace = colours.matrix  # FFmpeg refuses frames with a matrix that it does not know
        if transfer in (PQ, HLG):
            rgb = frame.reformat(format="gbrp16le", interpolation=EXACT, src_color_range=full)
            return self._tone_mapper.convert(rgb, transfer, primaries), Colours()
        rgb = frame.reformat(format="rgb24", interpolation=EXACT, src_color_range=full)
        return np.asarray(rgb.to_ndarray(), np.uint8), colours


def _sdr_colours(frame: VideoFrame) -> Colours:
    """The frame's labels, with those that are missing or unknown guessed from its size, as the player mpv does."""
    small = frame.width < 1280 and frame.height <= 576 and not frame.format.is_rgb
    primaries = {576: BT470BG, 480: SMPTE170M, 486: SMPTE170M}.get(frame.height, BT709) if small else BT709
    return Colours(
        frame.colorspace if frame.colorspace in MATRICES else SMPTE170M if small else BT709,
        frame.color_primaries if frame.color_primaries in PRIMARIES else primaries,
        frame.color_trc if frame.color_trc in TRANSFERS else BT709,
    )
