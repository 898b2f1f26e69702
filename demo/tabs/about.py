"""The About section: which weights are in use, where they come from, and a button to fetch new ones."""

import hmac
import os
import re
from typing import Any

import gradio as gr

from cyclegan_core.errors import CycleganError
from demo.context import PageContext
from demo.errors import visitor_errors
from demo.languages.phrases import ENGLISH, PHRASES, phrase, say, say_word

FORWARDING_HEADERS = ("forwarded", "x-forwarded-for", "x-forwarded-host", "x-real-ip", "via")
OWNER_KEY = "CYCLEGAN_OWNER_KEY"  # a secret of the Space; whoever knows it may fetch new weights


def plain(text: str) -> str:
    """Escapes text from a file or from the Hub, so that Markdown shows it as it is."""
    return re.sub(r"([\\`*_{}\[\]<>#|!&])", r"\\\1", text)


def about(context: PageContext) -> str:
    """Describes the detector, the translations and the privacy rules, in Markdown."""
    name = context.studio().detector.name
    detector = plain(context.registry.detector_status())
    english = PHRASES[ENGLISH]["about.detector"].format(name=plain(name))
    if detector in ("", english):  # anything more stays English, as what comes from the registry does
        detector = say("about.detector", name=plain(name))
    lines = [f"### {say('about.faces')}", detector]
    for status in context.registry.statuses():
        words = " / ".join(say_word("direction", name, label) for name, label in status.labels.items())
        where = status.engine and say(
            "about.engine", words=plain(words), source=plain(status.source), engine=status.engine
        )
        title = plain(say_word("title", status.entry, status.title))
        lines.append(f"### {title}\n\n{where or ''} {plain(status.sentence)}".strip())
        if status.config is None:
            continue
        run = status.config.training
        if isinstance(run.get("pictures"), int) and "minutes" in run:
            values = {"minutes": plain(str(run["minutes"])), "licence": plain(status.config.data_licence)}
            if "device" in run:
                device = plain(str(run["device"]))
                lines.append(say("about.trained_on", device=device, count=run["pictures"], **values))
            else:
                lines.append(say("about.trained", count=run["pictures"], **values))
        if "quality" in run:
            lines.append(say("about.quality", quality=plain(str(run["quality"]))))
    return "\n\n".join([*lines, f"### {say('about.rules')}", say("about.files"), say("about.ethics")])


def came_from_here(request: gr.Request) -> bool:
    """Whether a request comes from a browser on this machine, and not through a proxy such as nginx."""
    forwarded = any(header in request.headers for header in FORWARDING_HEADERS)
    host = request.client.host if request.client else ""
    return not forwarded and (host == "localhost" or host.startswith("127.") or host == "::1")


def add_about(context: PageContext, page: gr.Blocks, *, local: bool) -> None:
    """Adds the section. local: the page listens to this machine alone, so who comes from here is its owner."""
    with gr.Accordion(phrase("about.title"), open=False, elem_id="about"):
        said = gr.Markdown()
        key_needed = not local
        with gr.Row(visible=local or bool(os.environ.get(OWNER_KEY))):
            key = gr.Textbox(label=phrase("about.key"), type="password", visible=key_needed, max_length=200, scale=2)
            button = gr.Button(phrase("about.fetch"), size="sm", scale=1)
        answer = gr.Markdown()

    def show() -> str:
        with visitor_errors():
            return about(context)

    def reload(given: str, request: gr.Request) -> tuple[str, str]:
        with visitor_errors():
            expected = os.environ.get(OWNER_KEY, "")
            is_owner = not key_needed and came_from_here(request)
            if not is_owner and not (expected and hmac.compare_digest(given.encode(), expected.encode())):
                raise CycleganError(say("about.not_the_key"))
            context.studio()
            return context.registry.reload(), about(context)

    private: dict[str, Any] = {"queue": False, "api_visibility": "private"}
    page.load(show, None, said, **private)
    button.click(reload, key, [answer, said], api_visibility="private", concurrency_limit=1)
