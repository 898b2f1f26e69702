"""What visitors are told when something goes wrong: one plain sentence, no traceback and no path of the server."""

import errno
import html
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

import gradio as gr
from gradio.i18n import I18nData

from cyclegan_core.errors import CycleganError
from demo.languages.phrases import ENGLISH, PHRASES, say

SERVER_FAULT = PHRASES[ENGLISH]["error.server"]
SERVER_FAULTS = frozenset(phrases["error.server"] for phrases in PHRASES.values())
# A full disk, no more open files, a broken disk: nothing that a visitor could have sent differently.
FAULT_ERRNOS = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EMFILE, errno.ENFILE, errno.EIO, errno.EROFS, errno.ENOMEM})
OWN_PACKAGES = ("demo.", "cyclegan_core.")
# Every request passes through these modules, so their frames say nothing about where an error began.
PASSED_THROUGH = frozenset({"demo.server.request_limits", "demo.server.gradio_patches"})


class ServerFaultError(gr.Error):
    """The server failed, although the request was in order."""

    def __init__(self) -> None:
        super().__init__(say("error.server"), print_exception=False)


@contextmanager
def visitor_errors() -> Iterator[None]:
    """Turns every error inside the block into a gr.Error with one sentence for the visitor.

    A CycleganError or ValueError keeps its sentence, with HTML escaped. Anything else becomes a ServerFaultError, and
    the traceback goes to the owner's log.
    """
    try:
        yield
    except gr.Error:
        raise
    except (CycleganError, ValueError) as error:
        sentence = html.escape(str(error), quote=False)
        sentence = sentence if sentence.endswith((".", "?", "。")) else f"{sentence}."
        raise gr.Error(sentence, print_exception=False) from error
    except Exception as error:
        log_traceback(error)
        raise ServerFaultError from error


def log_traceback(error: BaseException) -> None:
    """Writes kind and traceback of an error to stderr, without its message, which may name a visitor's file."""
    print(type(error).__name__, *traceback.format_tb(error.__traceback__), sep="\n", file=sys.stderr)


def log_refusal(error: BaseException) -> None:
    """Writes one line to stderr about a request that gradio could not handle: the kind of the error and its place."""
    frames = list(traceback.walk_tb(error.__traceback__))
    place = f"{_module(frames[-1])}, line {frames[-1][1]}" if frames else "nowhere"
    print(f"Refused: {type(error).__name__} in {place}", file=sys.stderr)


def is_server_fault(error: BaseException) -> bool:
    """Whether the server is to blame for an error, and not the request.

    gradio raises KeyError, TypeError, ValidationError and the like while it reads a malformed request. An error counts
    as the server's where the machine ran out of something, or where it began in this program's own code.
    """
    if isinstance(error, gr.Error):
        return isinstance(error, ServerFaultError)
    if isinstance(error, MemoryError) or (isinstance(error, OSError) and error.errno in FAULT_ERRNOS):
        return True
    modules = {_module(frame) for frame in traceback.walk_tb(error.__traceback__)} - PASSED_THROUGH
    return any(module.startswith(OWN_PACKAGES) for module in modules)


def error_text(error: gr.Error) -> str:
    """The sentence of an error that `visitor_errors` raised, as plain text instead of HTML."""
    return html.unescape(str(error.message))


def status_html(*sentences: str, problem: bool = False) -> str:
    """Sentences as HTML that a screen reader reads out when they appear. problem: show them as an error."""
    kind = ' class="problem"' if problem else ""
    return f'<div role="status"{kind}>{"".join(f"<p>{html.escape(sentence)}</p>" for sentence in sentences)}</div>'


def nothing_html(sentence: str | I18nData) -> str:
    """HTML for the place of a result that is not there yet. sentence: without markup."""
    return f'<p class="nothing">{sentence}</p>'


def _module(frame: tuple[FrameType, int]) -> str:
    return str(frame[0].f_globals.get("__name__", ""))
