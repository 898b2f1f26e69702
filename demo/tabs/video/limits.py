"""What a video may be on the page: others wait for their turn, and files are deleted after ten minutes."""

from pathlib import Path

from cyclegan_core.errors import VideoError

MAX_FILE_BYTES = 200 * 2**20
LONGEST_SECONDS = 60.0


def check(source: Path) -> None:
    """Raises VideoError for a file that is gone, too large or too long for the page."""
    from cyclegan_core.video.reader import VideoReader, printable

    name = printable(source)
    if not source.exists():
        raise VideoError(f"{name} has been deleted here in the meantime: choose it again.")
    if source.stat().st_size > MAX_FILE_BYTES:
        raise VideoError(f"{name} is larger than {MAX_FILE_BYTES // 2**20} MiB: cut it, or make it smaller.")
    with VideoReader(source) as reader:
        if reader.seconds and reader.seconds > LONGEST_SECONDS + 1:  # a minute is often a few frames longer
            limit = f"{LONGEST_SECONDS:.0f} s is the most here"
            raise VideoError(f"{name} is {reader.seconds:.0f} s long, and {limit}: cut it into pieces.")
