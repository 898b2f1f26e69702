"""What the Photo tab shows before there is a photo: an example that is translated already."""

import threading
from typing import Any

from cyclegan_core import images
from demo.context import PageContext
from demo.errors import visitor_errors
from demo.languages.phrases import say
from demo.pictures import for_the_screen
from demo.tabs.photo import view
from demo.tabs.photo.photo_state import CARD_SIDE, draw_face

FILE, STEP = "astronaut.jpg", "age:older"  # which does something for everybody whose photo comes next


class ExampleView:
    """Makes the view once for all visitors, and again after other weights were loaded."""

    def __init__(self, context: PageContext) -> None:
        self._context = context
        self._lock = threading.Lock()
        self._weights: list[Any] = []
        self._view: dict[str, Any] = {}
        self._pictures: dict[str, str] = {}

    def get(self) -> dict[str, Any]:
        """The value of `photo_view`. Waits until the translations are loaded; raises gr.Error."""
        with visitor_errors():
            shown, pictures = self._made()
            first, more = view.split_directions(self._context, has_faces=True)
            return shown | {
                "cards": view.cards(first, pictures),
                "more": view.cards(more, {}),
                "thens": self._context.labelled(),
                "save": view.save_choices(0),
                "status": say("photo.example_shown"),
            }

    def pictures(self) -> dict[str, str]:
        """The example's face as data URLs: by step for all directions of faces, and "" for the original. As `get`."""
        with visitor_errors():
            return self._made()[1]

    def _made(self) -> tuple[dict[str, Any], dict[str, str]]:
        with self._lock:
            studio = self._context.studio()
            weights = [studio.detector, *studio.translators.values()]
            if weights != self._weights:
                self._view, self._pictures = self._make()
                self._weights = weights
            return self._view, self._pictures

    def _make(self) -> tuple[dict[str, Any], dict[str, str]]:
        """Without words, which each visitor gets in their language.

        Its pictures are data URLs, as files would be deleted after ten minutes.
        """
        studio = self._context.studio()
        path = next((path for path in view.EXAMPLES if path.name == FILE), view.EXAMPLES[0])
        picture = images.load(path)
        face = max(studio.find_faces(picture), key=lambda face: face.width, default=None)
        first, more = view.split_directions(self._context, has_faces=True)
        steps = [step for _, step in (*first, *more) if not studio.needs_no_face(studio.chain(step))]
        chosen = STEP if STEP in steps else next(iter(steps), "")
        after, pictures = picture, dict[str, str]()
        if face:
            chains = [studio.chain(step) for step in steps]
            layers = dict(zip(steps, studio.generate(picture, [face] * len(chains), chains), strict=False))
            after = studio.blend(picture, [layers.get(chosen, ())]).picture
            layers[""] = ()
            pictures = {step: view.data_url(draw_face(picture, face, layers[step], 1.0, CARD_SIDE)) for step in layers}
        shown = {
            "photo": None,
            "example": view.EXAMPLES.index(path),
            "ratio": picture.shape[1] / picture.shape[0],
            "before": view.data_url(for_the_screen(picture)),
            "after": view.data_url(for_the_screen(after)),
            "faces": [],
            "face": -1,
            "step": chosen,
            "form": view.JPEG,
        }
        return shown, pictures
