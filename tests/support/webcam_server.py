"""A page with a webcam for tests of its server functions, and pictures with a face for whoever is easily pleased."""

import httpx
import numpy as np
from numpy.typing import NDArray

from cyclegan_core.faces.alignment import TIGHT_TEMPLATE
from cyclegan_core.faces.face import Face
from demo.tabs.webcam.tab import Answer, Webcam

FACE_BOX = (40.0, 20.0, 120.0, 100.0)


class OneFace:
    """Finds a face at the same place of every picture, whatever its size."""

    name = "a detector for tests"

    def detect(self, picture: NDArray[np.uint8]) -> list[Face]:
        scale = picture.shape[0] / 120
        x0, y0, x1, y1 = (side * scale for side in FACE_BOX)
        landmarks = np.array(TIGHT_TEMPLATE) * (x1 - x0) + (x0, y0)
        return [Face((x0, y0, x1, y1), 0.999, landmarks.astype(np.float32))]


class Served:
    """The page, and a way to call its server functions as gradio's JavaScript does."""

    def __init__(self, webcam: Webcam, url: str, component: int) -> None:
        self.webcam, self.url, self.component = webcam, url, component

    def post(self, function: str, data: object, client: httpx.Client | None = None) -> httpx.Response:
        body = {"data": data, "component_id": self.component, "fn_name": function, "session_hash": "x"}
        post = client.post if client else httpx.post
        return post(f"{self.url}/gradio_api/component_server/", json=body, timeout=60)

    def call(self, function: str, data: object, client: httpx.Client | None = None) -> Answer:
        response = self.post(function, data, client)
        assert response.status_code == 200, response.text
        return response.json()


def picture(colour: tuple[int, int, int] = (120, 120, 120), size: tuple[int, int] = (160, 120)) -> NDArray[np.uint8]:
    noise = np.random.default_rng(0).integers(-6, 6, (size[1], size[0], 1))
    return np.clip(np.array(colour) + noise, 0, 255).astype(np.uint8)
