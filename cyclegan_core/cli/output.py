"""What the commands say on stderr."""

import sys

from tqdm import tqdm


def say(line: str) -> None:
    """Prints one line on stderr, above a progress bar.

    Characters that are not printable, which file names may hold, become
    question marks.
    """
    tqdm.write("".join(c if c.isprintable() else "?" for c in line), file=sys.stderr)
