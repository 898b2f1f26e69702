"""The sound of a video on its way into another file: copied where the format takes it, else encoded anew as AAC."""

from fractions import Fraction

import numpy as np
from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler
from av.audio.stream import AudioStream
from av.container import OutputContainer
from av.error import FFmpegError
from av.packet import Packet

# What players know in each container.
COPIED = {
    "mp4": {"aac", "mp3", "ac3", "eac3", "opus"},
    "mov": {"aac", "mp3", "ac3", "eac3", "alac", "pcm_s16le", "pcm_s16be", "pcm_s24le"},
    "matroska": {"aac", "mp3", "ac3", "eac3", "opus", "vorbis", "flac", "pcm_s16le"},
}
RATE, BIT_RATE = 48_000, 192_000  # of sound that is encoded anew
SMALLEST_GAP = 0.1  # seconds without sound that are filled with silence; less is what time stamps are rounded by
LONGEST_GAP = 600.0  # a time stamp that claims more is damaged


class Sound:
    """The sound stream of a file in the making.

    container: the file, before its header is written. source: the stream whose packets `write` will get.
    """

    def __init__(self, container: OutputContainer, source: AudioStream, form: str) -> None:
        self._container = container
        self._copies = source.codec_context.codec.canonical_name in COPIED[form]
        if self._copies:
            self._stream = container.add_stream_from_template(source)
            self._stream.metadata.clear()
        else:
            self._layout = "mono" if source.codec_context.layout.nb_channels == 1 else "stereo"
            self._stream = container.add_stream("aac", rate=RATE)
            self._stream.layout = self._layout
            self._stream.bit_rate = BIT_RATE
            self._resampler = AudioResampler("fltp", self._layout, RATE)
        self._last_dts: int | None = None
        self._samples = 0  # written so far: the clock of what is encoded

    def write(self, packet: "Packet[AudioStream]") -> None:
        """The next packet. One that is damaged or out of order is left out. Raises what FFmpeg raises on writing."""
        if self._copies:
            self._copy(packet)
            return
        try:
            resampled = [(frame.time, part) for frame in packet.decode() for part in self._resampler.resample(frame)]
        except (FFmpegError, ValueError):
            return
        for at, frame in resampled:
            gap = 0.0 if at is None else at - self._samples / RATE
            if SMALLEST_GAP < gap < LONGEST_GAP:
                self._silence(round(gap * RATE))
            self._encode(frame)

    def finish(self) -> None:
        """Writes what is still under way."""
        if not self._copies:
            self._container.mux(self._stream.encode(None))

    def _copy(self, packet: Packet) -> None:
        if packet.dts is None or (self._last_dts is not None and packet.dts <= self._last_dts):
            return
        self._last_dts = packet.dts
        packet.stream = self._stream
        self._container.mux(packet)

    def _silence(self, samples: int) -> None:
        channels = 1 if self._layout == "mono" else 2
        while samples > 0:
            length = min(samples, RATE)
            self._encode(AudioFrame.from_ndarray(np.zeros((channels, length), np.float32), "fltp", self._layout))
            samples -= length

    def _encode(self, frame: AudioFrame) -> None:
        frame.sample_rate = RATE
        frame.pts, frame.time_base = self._samples, Fraction(1, RATE)
        self._samples += frame.samples
        self._container.mux(self._stream.encode(frame))
