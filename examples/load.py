"""Many visitors at once, each of whom checks by the pixels that the picture that comes back is their own.

    python examples/load.py                                   # starts a page of its own; 20 visitors, 500 uploads
    python examples/load.py --page http://127.0.0.1:7860      # a page that is running; its memory is then not known
    python examples/load.py --uploads 0 --frames 2000         # webcam frames instead
    python examples/load.py --until-swept                     # waits until the temporary files are gone: ten minutes

Every visitor sends a new picture as soon as the last one came back, so that as many as there are visitors are in the
queue. Prints how many came back a second, how long people waited for their turn and how evenly, what went wrong, and
the memory and the temporary files of the page. Seconds are those of this machine. Ends with code 1 where a picture was
not the visitor's own, or where something went wrong.
"""

import argparse
import base64
import io
import json
import statistics
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import httpx
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from cyclegan_core import images
from examples.load_page import memory, own_page

PORTRAIT = Path(__file__).parent / "astronaut.jpg"
SIDE, BORDER, EDGE = 384, 64, 16  # pixels of what is sent: the portrait within a border, whose edge no face reaches
PATIENCE = 300.0  # seconds that a visitor waits for one picture
MOST_CAMERAS = 8  # that the page serves at a time


@dataclass
class Report:
    """waits, totals: seconds until a visitor's turn, and until the picture was back. done: by visitor."""

    waits: list[float] = field(default_factory=list)
    totals: list[float] = field(default_factory=list)
    done: Counter[int] = field(default_factory=Counter)
    places: list[int] = field(default_factory=list)  # in the queue, as people were told
    full: int = 0  # times that the queue, or the webcam's, was full and people tried again
    foreign: int = 0  # pictures that were not the visitor's own
    errors: Counter[str] = field(default_factory=Counter)
    seconds: float = 0.0


def picture(visitor: int, number: int) -> NDArray[np.uint8]:
    """A face in front of colours that nobody else has. RGB uint8 (SIDE, SIDE, 3)."""
    rng = np.random.default_rng([visitor, number])
    colour = 30 + np.array([53, 101, 151]) * visitor % 190
    pattern = rng.integers(-5, 6, (SIDE // 16, SIDE // 16, 3))  # too faint to be taken for a face
    made = np.kron(colour + pattern, np.ones((16, 16, 1), int)).astype(np.uint8)
    inside = SIDE - 2 * BORDER
    portrait = cv2.resize(images.load(PORTRAIT), (inside, inside), interpolation=cv2.INTER_AREA)
    made[BORDER:-BORDER, BORDER:-BORDER] = portrait
    return np.ascontiguousarray(made)


def is_own(sent: NDArray[np.uint8], back: NDArray[np.uint8], tolerance: int) -> bool:
    """Whether the edge is the same; `tolerance` in units of 1/255, for half of its pixels at least."""
    if sent.shape != back.shape:
        return False
    difference = np.abs(sent.astype(int) - back).max(2)
    edge = np.concatenate([difference[:EDGE].ravel(), difference[-EDGE:].ravel()])
    return bool(np.median(edge) <= tolerance if tolerance else not edge.any())


class Uploader:
    """One visitor of the endpoint /translate, by the queue's own messages."""

    def __init__(self, page: str, visitor: int, report: Report) -> None:
        self._http = httpx.Client(base_url=f"{page}/gradio_api/", timeout=PATIENCE)
        events = httpx.get(f"{page}/config", timeout=PATIENCE).json()["dependencies"]
        self._event = next(event["id"] for event in events if event["api_name"] == "translate")
        self._visitor, self._report = visitor, report
        self._session = f"load-{visitor}-{time.monotonic()}"

    def turn(self, number: int) -> None:
        sent, file = picture(self._visitor, number), io.BytesIO()
        Image.fromarray(sent).save(file, "png")
        began = time.monotonic()
        (path,) = self._http.post("upload", files={"files": (f"{number}.png", file.getvalue())}).json()
        data = [{"path": path, "meta": {"_type": "gradio.FileData"}}, "to_female", 1.0, "all"]
        body = {"data": data, "fn_index": self._event, "session_hash": self._session}
        while (joined := self._http.post("queue/join", json=body)).status_code == 503:
            self._report.full += 1
            time.sleep(1)
        joined.raise_for_status()
        with self._http.stream("GET", "queue/data", params={"session_hash": self._session}) as messages:
            for line in messages.iter_lines():
                said = json.loads(line.removeprefix("data: ")) if line else {}
                if said.get("msg") == "estimation":
                    self._report.places.append(said["rank"] + 1)
                elif said.get("msg") == "process_starts":
                    self._report.waits.append(time.monotonic() - began)
                elif said.get("msg") == "process_completed":
                    break
        if not said["success"]:
            raise RuntimeError(said["output"]["error"])
        file_back, details = said["output"]["data"]
        if not details["translated"]:
            raise RuntimeError("no face found")
        back = images.load(self._http.get(file_back["url"]).raise_for_status().content)
        self._report.foreign += not is_own(sent, back, 0)
        self._report.totals.append(time.monotonic() - began)


class Camera:
    """One visitor of the webcam: its stream, by the server functions that the browser calls."""

    def __init__(self, page: str, visitor: int, report: Report) -> None:
        self._http = httpx.Client(base_url=f"{page}/gradio_api/", timeout=PATIENCE)
        components = httpx.get(f"{page}/config", timeout=PATIENCE).json()["components"]
        self._live = next(part["id"] for part in components if part["props"].get("elem_id") == "webcam-live")
        self._report, self._sent, self._token = report, picture(visitor, 0), None
        coded = cv2.imencode(".jpg", cv2.cvtColor(self._sent, cv2.COLOR_RGB2BGR))[1]
        self._frame = "data:image/jpeg;base64," + base64.b64encode(coded.data).decode()

    def turn(self, number: int) -> None:
        began, ticket = time.monotonic(), None
        while self._token is None:
            answer = self._ask("begin", {"ticket": ticket})
            self._token, ticket = answer.get("token"), answer.get("ticket")
            time.sleep(0 if self._token else 1)
        message = {"token": self._token, "picture": self._frame, "time": time.monotonic() * 1000, "chain": "to_female"}
        while "picture" not in (answer := self._ask("frame", message)):
            if answer.get("ended"):
                self._token = None
                return self.turn(number)
            if "busy" not in answer:
                raise RuntimeError(answer["error"])
            self._report.full += 1
            time.sleep(0.05)
        back = images.load(base64.b64decode(answer["picture"].partition(",")[2]))
        self._report.foreign += not is_own(self._sent, back, 8)
        self._report.totals.append(time.monotonic() - began)

    def _ask(self, name: str, message: dict[str, Any]) -> dict[str, Any]:
        body = {"data": message, "component_id": self._live, "fn_name": name, "session_hash": f"load-{id(self)}"}
        return self._http.post("component_server", json=body).raise_for_status().json()


def run(page: str, make: Callable[[str, int, Report], Uploader | Camera], visitors: int, total: int) -> Report:
    """So many visitors at once take `total` turns, each as many as the others."""
    report, began = Report(), time.monotonic()

    def visit(visitor: int) -> None:
        someone = make(page, visitor, report)
        for number in range(visitor, total, visitors):
            try:
                someone.turn(number)
                report.done[visitor] += 1
            except (httpx.HTTPError, RuntimeError, KeyError, ValueError) as error:
                report.errors[f"{type(error).__name__}: {error}"[:200]] += 1

    threads = [threading.Thread(target=visit, args=[visitor]) for visitor in range(visitors)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    report.seconds = time.monotonic() - began
    return report


def describe(report: Report, what: str) -> str:
    count = sum(report.done.values())
    lines = [f"{count} {what} in {report.seconds:.0f} s, {count / report.seconds:.1f} a second"]
    for name, seconds in (("wait for the turn", report.waits), ("until it is back", report.totals)):
        if seconds:
            median, longest = statistics.median(seconds), max(seconds)
            lines.append(f"{name}: median {median:.2f} s, longest {longest:.2f} s, {longest / median:.1f} times that")
    if report.places:
        lines.append(f"place in the queue, as told: at most {max(report.places)}")
    least, most = min(report.done.values(), default=0), max(report.done.values(), default=0)
    lines.append(f"of one visitor: {least} to {most} {what}")
    lines.append(f"asked to wait and try again: {report.full}; somebody else's picture: {report.foreign}")
    return "\n".join([*lines, *(f"{number} times: {error}" for error, number in report.errors.items())])


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--page", help="the address of one that is running; without it one is started")
    parser.add_argument("--visitors", type=int, default=20)
    parser.add_argument("--uploads", type=int, default=500)
    parser.add_argument("--frames", type=int, default=0)
    parser.add_argument("--until-swept", action="store_true")
    args = parser.parse_args()
    if args.visitors < 1 or min(args.uploads, args.frames) < 0:
        parser.error("--visitors must be 1 or more, --uploads and --frames 0 or more")

    bad = False
    with own_page(args.page) as page:
        for make, count, what, most in (
            (Uploader, args.uploads, "uploads", args.visitors),
            (Camera, args.frames, "frames", min(args.visitors, MOST_CAMERAS)),
        ):
            if not count:
                continue
            run(page.address, make, most, 2 * most)  # memory that is taken once, and kept
            before = memory(page.pid)
            report = run(page.address, make, most, count)
            print(describe(report, what))
            if before:
                print(f"memory: {before:.0f} MB before, {memory(page.pid):.0f} MB after; {page.files()}")
            bad |= bool(report.foreign or report.errors)
        if page.folder and args.until_swept:
            began = time.monotonic()
            while page.pictures() and time.monotonic() - began < 12 * 60:
                time.sleep(30)
                print(f"after {time.monotonic() - began:.0f} s: {page.files()}", flush=True)
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
