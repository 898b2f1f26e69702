"""Errors whose message is meant for a person: one sentence that says what is wrong and what to do."""


class CycleganError(Exception):
    """Base of all errors that the command line and the page show without a traceback."""


class PictureError(CycleganError):
    """A picture cannot be read, is outside the limits, or cannot be written."""


class TranslationError(CycleganError):
    """A translation is unknown, or its config or weights are malformed."""


class VideoError(CycleganError):
    """A video cannot be read, is outside the limits, or cannot be written."""


class VideoCancelledError(VideoError):
    """A video was not finished because whoever asked for it changed their mind."""
