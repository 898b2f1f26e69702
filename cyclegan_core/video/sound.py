"""The sound of a video in its translated file: copied where players play it, else encoded as AAC."""

from fractions import Fraction

import numpy as np
from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler
from av.audio.stream import AudioStream
from av.container import OutputContainer
from av.error import FFmpegError
from av.packet import Packet
from av.stream import Disposition

# What is copied into each container. Opus and AC-3 in MP4 are standardised, but some players are silent then.
COPIED = {
    "mp4": {"aac", "mp3"},
    "mov": {"aac", "mp3", "ac3", "eac3", "alac", "pcm_s16le", "pcm_s16be", "pcm_s24le"},
    "matroska": {"aac", "mp3", "ac3", "eac3", "opus", "vorbis", "flac", "pcm_s16le"},
}
RATE, BIT_RATE = 48_000, 192_000  # samples/s and bits/s of sound that is encoded
SMALLEST_GAP = 0.1  # seconds without sound that are filled with silence; less is the rounding of time stamps
SMALLEST_LEAD = 0.002  # seconds of silence before the first sound, likewise
LONGEST_GAP = 600.0  # a time stamp that claims more is damaged


class Sound:
    """One audio stream of a file that is being written.

    container: the file, before its header is written. source: the stream of another file whose packets `write` will
    get. form: FFmpeg's name of the container's format, a key of COPIED.
    """

    def __init__(self, container: OutputContainer, source: AudioStream, form: str) -> None:
        self._container = container
        self._copies = source.codec_context.codec.canonical_name in COPIED[form]
        if self._copies:
            self._stream = container.add_stream_from_template(source)
        else:
            self._layout = "mono" if source.codec_context.layout.nb_channels == 1 else "stereo"
            self._stream = container.add_stream("aac", rate=RATE)
            self._stream.layout = self._layout
            self._stream.bit_rate = BIT_RATE
            self._resampler = AudioResampler("fltp", self._layout, RATE)
        self._stream.metadata.clear()
        if source.language:
            self._stream.metadata["language"] = source.language
        self._stream.disposition = source.disposition & Disposition.default
        self._last_dts: int | None = None
        self._samples = 0  # written so far: the clock of what is encoded

    def write(self, packet: "Packet[AudioStream]") -> None:
        """Writes a packet; one that is damaged or out of order is left out. Raises FFmpegError where writing fails."""
        if self._copies:
            self._copy(packet)
            return
        try:
            resampled = [(frame.time, part) for frame in packet.decode() for part in self._resampler.resample(frame)]
        except (FFmpegError, ValueError):
            return
        for at, frame in resampled:
            gap = 0.0 if at is None else at - self._samples / RATE
            if (SMALLEST_GAP if self._samples else SMALLEST_LEAD) < gap < LONGEST_GAP:
                self._silence(round(gap * RATE))
            self._encode(frame)

    def finish(self) -> None:
        """Writes what the encoder has not given yet."""
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
