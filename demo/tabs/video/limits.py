"""What a video may be on the page: others wait for their turn, and files are deleted after ten minutes."""

from pathlib import Path

from cyclegan_core.errors import VideoError
from demo.languages.phrases import say

MAX_FILE_BYTES = 200 * 2**20
LONGEST_SECONDS = 60.0


def check(source: Path) -> None:
    """Raises VideoError for a file that is gone, too large or too long for the page."""
    from cyclegan_core.video.reader import VideoReader, printable

    name = printable(source)
    if not source.exists():
        raise VideoError(say("error.file_gone", name=name))
    if source.stat().st_size > MAX_FILE_BYTES:
        raise VideoError(say("video.too_large", name=name, limit=MAX_FILE_BYTES // 2**20))
    with VideoReader(source) as reader:
        if reader.seconds and reader.seconds > LONGEST_SECONDS + 1:  # a minute is often a few frames longer
            seconds, limit = round(reader.seconds), round(LONGEST_SECONDS)
            raise VideoError(say("video.too_long", name=name, seconds=seconds, limit=limit))
