"""The webcam tab's frame rate and latency, against the same page with a server that sends every frame back as it is.

    python examples/benchmark_webcam.py [DIRECTION ...]

Opens Chromium with a camera that shows a moving face. Prints frames a second and milliseconds from the camera's picture
to the screen, measured in the browser, and the share of the frame rate that is left: only the latter means anything on
another machine. Needs Playwright (requirements-dev.txt) and a Chromium.
"""

import argparse
import os
import shutil
import socket
import statistics
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import cv2
import gradio as gr
import numpy as np
from playwright.sync_api import Page, sync_playwright

from cyclegan_core import images
from cyclegan_core.inference.registry import TranslationRegistry
from demo.context import PageContext
from demo.server.files import Files
from demo.server.serve import serve
from demo.tabs.webcam.tab import Answer, Webcam, live_view

PHOTO = Path(__file__).parent / "astronaut.jpg"
SECONDS_OF_WARMING, SECONDS = 5.0, 15.0
CAMERA = ("--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream")
COUNT_FRAMES = """() => {
    window.latencies = [];
    document.querySelector('.webcam').addEventListener('webcamframe', (event) => latencies.push(event.detail.latency));
}"""


def film(path: Path, photo: Path = PHOTO, size: tuple[int, int] = (640, 480), frames: int = 60) -> None:
    """Writes what Chromium's fake camera shows, over and over, at 30 frames a second: the photo's face on its way
    around a small circle, nodding. MJPEG, which is one JPEG after the other."""
    picture = images.load(photo)
    height = size[1]
    scale = height / picture.shape[0] * 1.1
    with open(path, "wb") as file:
        for number in range(frames):
            angle = 2 * np.pi * number / frames
            matrix = cv2.getRotationMatrix2D((picture.shape[1] / 2, picture.shape[0] / 2), 5 * np.sin(angle), scale)
            matrix[:, 2] += np.array(size) / 2 - np.array(picture.shape[1::-1]) / 2
            matrix[:, 2] += 0.06 * height * np.array([np.cos(angle), np.sin(angle)])
            frame = cv2.warpAffine(picture, matrix, size, borderMode=cv2.BORDER_REPLICATE)
            _, data = cv2.imencode(".jpg", cv2.cvtColor(frame, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, 90])
            file.write(data.tobytes())


class Identity(Webcam):
    """Sends every frame back as it came: what is left is the transport."""

    async def frame(self, message: object) -> Answer:
        assert isinstance(message, dict)
        return {"picture": message["picture"], "faces": 1}

    async def cards(self, message: object) -> Answer:
        return {"pictures": {}}


@contextmanager
def page_of(webcam: Webcam) -> Iterator[str]:
    """Address of a page with nothing but the live view."""
    with gr.Blocks(analytics_enabled=False) as page:
        live_view(webcam)
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    serve(page, "127.0.0.1", port)
    yield f"http://127.0.0.1:{port}"
    page.close(verbose=False)


def measure(page: Page, address: str, direction: str, seconds: float) -> list[float]:
    """Latencies in ms of the frames that are drawn in so many seconds."""
    page.goto(address)
    page.get_by_role("radio", name=direction, exact=True).check(force=True)
    page.get_by_role("button", name="Start the camera").click()
    page.wait_for_selector('.webcam[data-state="live"]')
    page.wait_for_timeout(SECONDS_OF_WARMING * 1000)
    page.evaluate(COUNT_FRAMES)
    page.wait_for_timeout(seconds * 1000)
    latencies = page.evaluate("latencies")
    page.get_by_role("button", name="Stop", exact=True).click()
    return latencies


def main() -> None:
    parser = argparse.ArgumentParser(description="Frame rate and latency of the webcam tab.")
    parser.add_argument("directions", nargs="*", help="in the page's words, such as 'To female'; all by default")
    parser.add_argument("--seconds", type=float, default=SECONDS, help="for each direction (default: %(default)s)")
    arguments = parser.parse_args()

    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        os.environ["GRADIO_TEMP_DIR"] = folder
        registry = TranslationRegistry()
        registry.load()
        context = PageContext(registry, Files(Path(folder)))
        shown = Path(folder) / "face.mjpeg"
        film(shown)
        browser = playwright.chromium.launch(
            executable_path=next(filter(None, map(shutil.which, ("chromium", "google-chrome"))), None),
            args=["--no-sandbox", "--disable-gpu", *CAMERA, f"--use-file-for-fake-video-capture={shown}"],
        )
        directions = arguments.directions or [words for words, _ in Webcam(context).offer({})["choices"]]
        print(f"{'':28s} frames/s  median ms  95 % ms  of the identity's rate")
        unit = 0.0
        for name, webcam in [("identity", Identity(context)), *((name, Webcam(context)) for name in directions)]:
            with page_of(webcam) as address:
                direction = "None" if name == "identity" else name
                latencies = measure(browser.new_page(), address, direction, arguments.seconds)
            rate = len(latencies) / arguments.seconds
            unit = unit or rate
            median, slow = statistics.median(latencies), statistics.quantiles(latencies, n=20)[-1]
            print(f"{name:28s} {rate:8.1f} {median:10.0f} {slow:8.0f} {rate / unit:10.2f}", flush=True)
        browser.close()


if __name__ == "__main__":
    main()
