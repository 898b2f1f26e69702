"""Files on the Web and on the Hub, read from any byte on; a cut connection is taken up where it broke."""

import http.client
import time
import urllib.error
import urllib.request
from typing import IO, Any, cast

from cyclegan_core.errors import CycleganError

TIMEOUT = 30.0  # seconds without a byte after which a connection counts as broken
ATTEMPTS = 6  # in a row without a byte
PAUSE = 1.0  # seconds before the second attempt; doubled before each further one
_MANY = 2**20  # bytes that are thrown away at a time
_NETWORK = (OSError, EOFError, http.client.HTTPException)
_WORTH_ANOTHER_TRY = {408, 425, 429, 500, 502, 503, 504}


class Remote:
    """A file at `http://`, `https://` or `hf://` (datasets/org/name/path), read forwards from the byte `position`.

    total: its size in bytes once it has been read from, None where the server does not say. All methods raise
    CycleganError with a sentence when the file does not exist or the network stays away.
    """

    def __init__(self, address: str, position: int = 0) -> None:
        self.address, self.position = address, position
        self.total: int | None = None
        self._file: IO[bytes] | None = None

    def read(self, number: int) -> bytes:
        """So many bytes; fewer only where the file ends."""
        parts: list[bytes] = []
        while number and (part := self.read_some(number)):
            parts.append(part)
            number -= len(part)
        return b"".join(parts)

    def read_some(self, number: int) -> bytes:
        """What has come in, at least one byte and at most so many; none where the file ends."""
        failures = 0
        while True:
            fault: Exception
            try:
                if self._file is None:
                    self._file = self._connect()
                part = _available(self._file, number) if self._file is not None else b""
                if part or self.total is None or self.position >= self.total:
                    self.position += len(part)
                    return part
                fault = EOFError(f"the connection ended {self.total - self.position:,} bytes early")
            except CycleganError:
                raise
            except Exception as error:
                if not isinstance(error, _NETWORK) and not self.address.startswith("hf://"):
                    raise  # the Hub's client has errors of its HTTP library's, whichever that is
                fault = error
            self.close()
            failures += 1
            self._wait_or_give_up(fault, failures)

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None

    def __enter__(self) -> "Remote":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _connect(self) -> IO[bytes] | None:
        """The file from `position` on; None where it has ended there."""
        total, file = _open_hub(self.address, self.position) if self.address.startswith("hf://") else self._open_web()
        if self.total is not None and total is not None and total != self.total:
            raise CycleganError(f"{self._name} has changed while it was read; start again")
        self.total = total if total is not None else self.total
        return file

    def _open_web(self) -> tuple[int | None, IO[bytes] | None]:
        request = urllib.request.Request(self.address, headers={"User-Agent": "cyclegan"})
        if self.position:
            request.add_header("Range", f"bytes={self.position}-")
        try:
            response = urllib.request.urlopen(request, timeout=TIMEOUT)
        except urllib.error.HTTPError as error:
            if error.code == 416:  # asked for what is behind the end
                return _total(error.headers.get("Content-Range"), None), None
            raise
        if response.status == 206:
            return _total(response.headers.get("Content-Range"), None), response
        total = _total(None, response.headers.get("Content-Length"))
        left = self.position
        while left and (part := response.read(min(left, _MANY))):  # a server that knows no ranges
            left -= len(part)
        return total, response

    def _wait_or_give_up(self, fault: Exception, failures: int) -> None:
        code = _status(fault)
        if code in (401, 403):
            raise CycleganError(f"{self._name} may not be read by you ({code}): log in or ask for access") from fault
        if isinstance(fault, FileNotFoundError) or code in (404, 410):
            raise CycleganError(f"{self._name} does not exist at its address; correct the address") from fault
        if (code is not None and code not in _WORTH_ANOTHER_TRY) or failures >= ATTEMPTS:
            reason = fault.reason if type(fault) is urllib.error.URLError else fault
            raise CycleganError(
                f"{self._name} cannot be read ({reason}); when the network is back, the same command goes on from here"
            ) from fault
        time.sleep(PAUSE * 2 ** (failures - 1))

    @property
    def _name(self) -> str:
        return self.address.split("?")[0].rsplit("/", 1)[-1]


def _available(file: IO[bytes], number: int) -> bytes:
    return file.read1(number) if isinstance(file, http.client.HTTPResponse) else file.read(number)


def _total(content_range: str | None, length: str | None) -> int | None:
    text = content_range.rsplit("/", 1)[-1] if content_range else length
    return int(text) if text and text.isdigit() else None


def _status(fault: Exception) -> int | None:
    """The HTTP status of an error, whichever library it is of."""
    if isinstance(fault, urllib.error.HTTPError):
        return fault.code
    return getattr(getattr(fault, "response", None), "status_code", None)


def _open_hub(address: str, position: int) -> tuple[int | None, IO[bytes]]:
    from huggingface_hub import HfFileSystem
    from huggingface_hub.errors import HfHubHTTPError

    try:
        file: Any = HfFileSystem().open(address.removeprefix("hf://"), "rb")
        file.seek(position)
    except HfHubHTTPError:
        raise
    except (ValueError, NotImplementedError) as error:
        raise CycleganError(f"{address} is no address of a file on the Hub ({error}); correct it") from error
    return file.size, cast("IO[bytes]", file)
