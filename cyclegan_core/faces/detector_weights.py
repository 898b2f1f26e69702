"""Where RetinaFace's weights are, and how they get there: this module run by `python -m` fetches them.

facexlib would download them too, but with no checksum, no second try, and into its own package.
"""

import hashlib
import os
import sys
import urllib.request
from importlib.util import find_spec
from pathlib import Path

from cyclegan_core.errors import CycleganError

FILE = "detection_mobilenet0.25_Final.pth"
SHA256 = "38ec7bb3c9cbfe2f40edabc05fab970a6d648747cbc534092be85d5eb9b37ed0"
SIZE = 1_789_735  # bytes
ADDRESS = f"https://github.com/xinntao/facexlib/releases/download/v0.1.0/{FILE}"
VARIABLE = "CYCLEGAN_DETECTOR_WEIGHTS"
SECONDS = 10.0  # of silence after which a download is given up


def cache_path() -> Path:
    """Where the weights are looked for in the user's cache, and fetched to."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "cyclegan" / FILE


def find() -> Path | None:
    """Where the weights are at hand, or None.

    Looks at the file named by the environment variable CYCLEGAN_DETECTOR_WEIGHTS, then in the user's cache, then where
    facexlib itself keeps downloads. Raises CycleganError where the variable names a file that does not exist.
    """
    named = os.environ.get(VARIABLE)
    if named:
        if not os.path.isfile(named):
            raise CycleganError(f"{VARIABLE} names a file that is not there; correct or unset it")
        return Path(named)
    places = [cache_path(), *facexlib_path()]
    return next((place for place in places if os.path.isfile(place)), None)


def facexlib_path() -> list[Path]:
    spec = find_spec("facexlib")  # finding does not import: that takes seconds
    return [Path(spec.origin).parent / "weights" / FILE] if spec and spec.origin else []


def are_genuine(content: bytes) -> bool:
    return hashlib.sha256(content).hexdigest() == SHA256


def fetch(address: str = ADDRESS) -> Path:
    """Downloads the weights into the cache, unless they are there, and returns where. Raises CycleganError."""
    target = cache_path()
    if target.is_file() and are_genuine(target.read_bytes()):
        return target
    partial = target.with_name(f".{FILE}.{os.getpid()}")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with urllib.request.urlopen(address, timeout=SECONDS) as answer:
            content = answer.read(SIZE + 1)
        if not are_genuine(content):
            raise CycleganError("what was downloaded is not facexlib's file; try again later")
        partial.write_bytes(content)
        os.replace(partial, target)
    except OSError as error:
        raise CycleganError(f"the detector's weights could not be downloaded ({error}); try again later") from error
    finally:
        partial.unlink(missing_ok=True)
    return target


if __name__ == "__main__":
    try:
        print(fetch())
    except CycleganError as error:
        sys.exit(f"error: {error}")
