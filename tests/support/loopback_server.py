"""A server of the loopback that is silent about clients who hang up."""

import http.server
import sys
from typing import Any


class LoopbackServer(http.server.ThreadingHTTPServer):
    """Answers each request in a thread of its own.

    A client that hangs up in the middle of an answer is no fault, and the traceback that the base class prints would
    land in whatever test is capturing the error stream by then.
    """

    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)
