"""What the Photo tab shows before there is a photo: an example that is translated already."""

import threading
from typing import Any

from cyclegan_core import images
from demo.context import PageContext
from demo.errors import visitor_errors
from demo.languages.phrases import say
from demo.pictures import data_url, for_the_screen
from demo.tabs.face_cards import card_pictures, generate_each
from demo.tabs.photo import view
from demo.tabs.photo.photo_state import is_left_alone

FILE = "astronaut.jpg"
STEPS = ("anime:to_anime", "gender:to_male")  # seen at a glance; the first that is on offer


class ExampleView:
    """Makes the view once for all visitors, and again after other weights were loaded."""

    def __init__(self, context: PageContext) -> None:
        self._context = context
        self._lock = threading.Lock()
        self._weights: list[Any] = []
        self._made_of_example: tuple[dict[str, Any], dict[str, str], set[str]] = {}, {}, set()

    def get(self) -> dict[str, Any]:
        """The value of `photo_view`. Waits until the translations are loaded; raises gr.Error."""
        with visitor_errors():
            shown, pictures, idle = self._made()
            first, more = view.split_directions(self._context, has_faces=True)
            return shown | {
                "cards": view.cards(first, pictures, idle),
                "more": view.cards(more, {}),
                "thens": self._context.labelled(),
                "save": view.save_choices(0),
                "status": say("photo.example_shown"),
            }

    def pictures(self) -> dict[str, str]:
        """The example's face as data URLs: by step for all directions of faces, and "" for the original. As `get`."""
        with visitor_errors():
            return self._made()[1]

    def _made(self) -> tuple[dict[str, Any], dict[str, str], set[str]]:
        with self._lock:
            studio = self._context.studio()
            weights = [studio.detector, *studio.translators.values()]
            if weights != self._weights:
                self._made_of_example = self._make()
                self._weights = weights
            return self._made_of_example

    def _make(self) -> tuple[dict[str, Any], dict[str, str], set[str]]:
        """Without words, which each visitor gets in their language.

        Its pictures are data URLs, as files would be deleted after ten minutes.
        """
        studio = self._context.studio()
        path = next((path for path in view.EXAMPLES if path.name == FILE), view.EXAMPLES[0])
        picture = images.load(path)
        face = max(studio.find_faces(picture), key=lambda face: face.width, default=None)
        each = generate_each(self._context, picture, face) if face else {"": ()}
        chosen = next((step for step in (*STEPS, *each) if each.get(step)), "")
        after = studio.blend(picture, [each[chosen]]).picture
        pictures = card_pictures(picture, face, each) if face else {}
        shown = {
            "photo": None,
            "example": view.EXAMPLES.index(path),
            "ratio": picture.shape[1] / picture.shape[0],
            "before": data_url(for_the_screen(picture)),
            "after": data_url(for_the_screen(after)),
            "faces": [],
            "face": -1,
            "step": chosen,
            "form": view.JPEG,
        }
        return shown, pictures, {step for step, layers in each.items() if is_left_alone(layers)}
