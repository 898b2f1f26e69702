"""Where RetinaFace's weights are, and how they get there: this module run by `python -m` fetches them.

facexlib would download them too, but with no checksum, no second try, and into its own package.
"""

import hashlib
import http.client
import io
import os
import sys
import time
import urllib.error
import urllib.request
from importlib.util import find_spec
from pathlib import Path

import torch
from torch import Tensor

from cyclegan_core.atomic import atomically
from cyclegan_core.deadline import within
from cyclegan_core.errors import CycleganError
from cyclegan_core.user_cache import user_cache

FILE = "detection_mobilenet0.25_Final.pth"
SHA256 = "38ec7bb3c9cbfe2f40edabc05fab970a6d648747cbc534092be85d5eb9b37ed0"
SIZE = 1_789_735  # bytes
ADDRESS = f"https://github.com/xinntao/facexlib/releases/download/v0.1.0/{FILE}"
VARIABLE = "CYCLEGAN_DETECTOR_WEIGHTS"
ADDRESS_VARIABLE = "CYCLEGAN_DETECTOR_URL"  # of a mirror
SILENCE = 10.0  # seconds without a byte after which a download is given up
SECONDS = 120.0  # for the whole download


def cache_path() -> Path:
    """Where the weights are looked for in the user's cache, and fetched to."""
    return user_cache() / FILE


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


def fetch(address: str | None = None, *, seconds: float = SECONDS) -> Path:
    """Downloads the weights into the cache, unless they are there, and returns where.

    address: where it is None, that of the environment variable CYCLEGAN_DETECTOR_URL, or facexlib's own. seconds: after
    which it is given up. Raises CycleganError, also where HF_HUB_OFFLINE=1 asks to stay offline.
    """
    target = cache_path()
    if target.is_file() and are_genuine(target.read_bytes()):
        return target
    if os.environ.get("HF_HUB_OFFLINE", "").upper() in ("1", "ON", "YES", "TRUE"):
        raise CycleganError("the detector's weights are not here, and HF_HUB_OFFLINE says to stay offline")
    address = address or os.environ.get(ADDRESS_VARIABLE, "").strip() or ADDRESS
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        content = within(seconds, lambda: _download(address, time.monotonic() + seconds))
        if not are_genuine(content):
            raise CycleganError("what was downloaded is not facexlib's file; try again later")
        with atomically(target) as partial:
            partial.write_bytes(content)
    except (OSError, ValueError, http.client.HTTPException) as error:
        raise CycleganError(
            f"the detector's weights could not be downloaded ({_reason(error)}); try again later"
        ) from error
    return target


def read_published(file: Path) -> dict[str, Tensor]:
    """The state of facexlib's network, from its own `detection_mobilenet0.25_Final.pth`.

    Raises CycleganError when it is another file: weights of other repositories load without an error and give nonsense,
    so the checksum decides.
    """
    try:
        content = file.read_bytes()
    except OSError as error:
        raise CycleganError(f"the detector weights {file.name} cannot be read: {error.strerror}") from error
    if not are_genuine(content):
        raise CycleganError(f"{file.name} is damaged or not facexlib's file; delete it or download it again")
    state = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
    return {key.removeprefix("module."): value for key, value in state.items()}


def _download(address: str, end: float) -> bytes:
    content = bytearray()
    with urllib.request.urlopen(address, timeout=SILENCE) as answer:
        while len(content) <= SIZE and (part := answer.read1(2**16)):
            content += part
            if time.monotonic() > end:
                raise TimeoutError
    return bytes(content)


def _reason(error: Exception) -> str:
    """In words, without the address: that of a mirror may hold a password."""
    if isinstance(error, urllib.error.HTTPError):
        return f"status {error.code}"
    if isinstance(error, urllib.error.URLError) and isinstance(error.reason, Exception):
        error = error.reason
    if isinstance(error, TimeoutError):
        return "no complete answer in time"
    return error.strerror if isinstance(error, OSError) and error.strerror else type(error).__name__


if __name__ == "__main__":
    try:
        print(fetch())
    except CycleganError as error:
        sys.exit(f"error: {error}")
