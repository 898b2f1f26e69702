"""Calls that write to the Hugging Face Hub: bounded in time, tried again where that can help, explained where not.

It adds to the Hub's client what a run of many hours needs at its end. The client waits without limit for a server that
is silent, obeys a server that asks it to wait for an hour, tries some calls five times and the commit once.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

from cyclegan_core.errors import CycleganError

Result = TypeVar("Result")

WAITS = (2.0, 5.0, 15.0, 40.0)  # seconds before the second try and those after it
SILENCE = 60.0  # seconds in which not a byte moves, after which a call is given up
LONGEST_WAIT = 120.0  # seconds; a Hub that asks for more is told to the user, who may have better to do
AGAIN = frozenset({408, 409, 412, 425, 429, 500, 502, 503, 504})  # 409, 412: another commit came first


class _BusyError(Exception):
    """The Hub asks to come again later. It goes past the client's own tries, so that there is one place that waits."""

    def __init__(self, status: int, wait: float | None) -> None:
        super().__init__(f"status {status}")
        self.status, self.wait = status, wait


@dataclass(frozen=True)
class _Trouble:
    """What went wrong, as a sentence without its full stop. transient: it may be gone at the next try."""

    words: str
    transient: bool = False
    wait: float | None = None


@contextmanager
def bounded() -> Iterator[None]:
    """Within it the Hub's client gives up where nothing moves, and leaves waiting to `patiently`."""
    try:
        from huggingface_hub import set_client_factory
        from huggingface_hub.utils import logging
        from huggingface_hub.utils._http import default_client_factory
    except ImportError as error:
        raise CycleganError("huggingface_hub is missing or too old; pip install -U huggingface_hub") from error

    def build() -> Any:
        client = default_client_factory()
        client.timeout = SILENCE
        client.event_hooks = {**client.event_hooks, "response": [_notice]}
        return client

    verbosity = logging.get_verbosity()
    logging.set_verbosity_error()  # its warnings hold signed addresses
    set_client_factory(build)
    try:
        yield
    finally:
        set_client_factory(default_client_factory)
        logging.set_verbosity(verbosity)


def _notice(response: Any) -> None:
    if response.status_code in (408, 425, 429) or response.status_code >= 500:
        raise _BusyError(response.status_code, _asked_wait(response.headers))


def _asked_wait(headers: Any) -> float | None:
    """Seconds that the Hub asks to wait, from Retry-After or from `RateLimit: ...;t=55`."""
    for text in (headers.get("Retry-After", ""), headers.get("RateLimit", "").rpartition("t=")[2]):
        if text.strip().isdigit():
            return float(text)
    return None


def patiently(call: Callable[[], Result], repo: str, later: str) -> Result:
    """What `call` returns, tried again with longer and longer waits where the Hub or the network is in trouble.

    later: how the user finishes another time; it ends every message. Raises CycleganError in one sentence, which holds
    neither address nor token.
    """
    for wait in (*WAITS, None):
        try:
            return call()
        except CycleganError as error:
            raise CycleganError(f"{error}; {later}") from error
        except Exception as error:  # its own, the HTTP library's, OSError and ValueError
            trouble = _explain(error, repo)
            asked = trouble.wait or 0.0
            if wait is None or not trouble.transient or asked > LONGEST_WAIT:
                asks = f" and asks to wait {asked:.0f} s" if asked > LONGEST_WAIT else ""
                raise CycleganError(f"{trouble.words}{asks}; {later}") from error
            pause = max(wait, asked)
            print(f"{trouble.words}; next try in {pause:.0f} s", flush=True)
            time.sleep(pause)
    raise AssertionError("the last try returns or raises")


def _chain(error: BaseException) -> Iterator[BaseException]:
    """The error and what it came from: an upload in threads wraps what happened."""
    cause: BaseException | None = error
    while cause is not None:
        yield cause
        cause = cause.__cause__ or cause.__context__


def _explain(error: Exception, repo: str) -> _Trouble:
    from huggingface_hub.errors import (
        HfHubHTTPError,
        HFValidationError,
        LocalTokenNotFoundError,
        OfflineModeIsEnabled,
        RevisionNotFoundError,
    )

    if isinstance(error, ValueError) and "metadata in README.md" in str(error):
        return _Trouble(f"the Hub does not accept the front matter of README.md ({_line(str(error))}): mend it")
    for cause in _chain(error):
        match cause:
            case _BusyError():
                asks = "asks for a pause (429)" if cause.status == 429 else f"is in trouble (status {cause.status})"
                return _Trouble(f"the Hub {asks}", True, cause.wait)
            case LocalTokenNotFoundError():
                return _Trouble(NO_TOKEN)
            case HFValidationError():
                return _Trouble(f"{repo!r} is not a name of a Hub repository: it looks like user/name")
            case OfflineModeIsEnabled():
                return _Trouble("HF_HUB_OFFLINE is set: unset it to push")
            case RevisionNotFoundError():
                return _Trouble(f"{repo} has no such branch, and it could not be made", True)
            case HfHubHTTPError():
                return _of_status(cause.response.status_code, cause.server_message, repo)
            case _ if type(cause).__module__.startswith(("httpx", "httpcore")):
                return _Trouble("the Hub cannot be reached or fell silent; look at the network", True)
    for cause in _chain(error):
        if isinstance(cause, OSError) and cause.filename:
            return _Trouble(f"{cause.filename} cannot be read ({cause.strerror})")
    return _Trouble(f"the push to {repo} went wrong ({type(error).__name__})", True)


NO_TOKEN = "no Hub token is found: run `hf auth login`, or set HF_TOKEN to a token with write access"


def _of_status(status: int, said: str | None, repo: str) -> _Trouble:
    reason = f" ({_line(said)})" if said else ""
    words = {
        400: f"the Hub does not accept the commit to {repo}{reason}",
        401: "the Hub does not know the token: make a new one with write access and set HF_TOKEN, or `hf auth login`",
        402: f"the account of {repo} has no room left on the Hub{reason}",
        403: f"the token may not write to {repo}: it needs write access, or the name belongs to somebody else",
        404: f"{repo} is not on the Hub, or the token gives no access to it",
        413: f"the Hub finds a file of {repo} too large",
    }
    return _Trouble(words.get(status, f"the Hub answered with status {status} for {repo}{reason}"), status in AGAIN)


def _line(text: str) -> str:
    """One short line of what a server said, without addresses."""
    return " ".join(word for word in text.split() if "://" not in word)[:160]
