"""One translated frame of a video, shown before the long work begins."""

import html
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from demo.context import PageContext
from demo.errors import status_html, visitor_errors
from demo.languages.phrases import say
from demo.pictures import for_the_screen, generate
from demo.tabs.face_cards import FACE_CARDS, card_pictures, card_style, generate_each
from demo.tabs.photo import view
from demo.tabs.photo.saving import made_by
from demo.tabs.photo.sharing import comparison
from demo.tabs.video.limits import check

if TYPE_CHECKING:
    from cyclegan_core.faces.face import Face
    from cyclegan_core.inference.composition import Layer
    from cyclegan_core.inference.studio import Chain

LOOK_EVERY, MOST_LOOKS = 10, 30  # frames between two searches for a face; searches, which take a tenth of a second each


@dataclass(frozen=True, eq=False)
class FirstFrame:
    """The frame of a video that is shown before the work, and what was made of it.

    source: the video. pixels: the first frame with a face, or else the first one, RGB uint8 (H, W, 3) in the size of
    the page. faces: in it. cards: the style element with its largest face in every direction. generated: layers by
    chain, and whether they are of the largest face only, so that no network runs twice.
    """

    source: Path
    pixels: NDArray[np.uint8]
    faces: "tuple[Face, ...]"
    cards: str
    generated: "dict[tuple[Chain, bool], tuple[tuple[Layer, ...], ...]]" = field(default_factory=dict)


class VideoPreview:
    """The event function that keeps the preview up to date with the choices of a visitor."""

    def __init__(self, context: PageContext, selector: str) -> None:
        """selector: CSS selector of the component with the directions, whose cards show the video's face."""
        self._context = context
        self._selector = f"{selector}.{FACE_CARDS}"

    def show(
        self,
        videos: list[Path],
        step: str | None,
        then: str | None,
        strength: float,
        largest_only: bool,
        known: FirstFrame | None,
    ) -> tuple[str, str, FirstFrame | None]:
        """Returns the preview and the cards' style as HTML, and what is known of the video. Raises gr.Error.

        known: of an earlier call for this visitor, or None.
        """
        with visitor_errors():
            if not videos:
                return "", "", None
            if known is None or known.source != videos[0]:
                known = self._first_frame(videos[0])
            chain = self._context.studio().chain("+".join(filter(None, (step, then))))
            return self._preview(known, chain, strength, largest_only), known.cards, known

    def _first_frame(self, source: Path) -> FirstFrame:
        from cyclegan_core.video.reader import Picture, VideoReader

        check(source)
        first: NDArray[np.uint8] | None = None
        faces: Sequence[Face] = ()
        looks = 0
        with VideoReader(source) as reader:
            pictures = (event for event in reader.read() if isinstance(event, Picture))
            for number, picture in enumerate(pictures):
                if number % LOOK_EVERY:
                    continue
                pixels = for_the_screen(picture.pixels)
                first = pixels if first is None else first
                faces = self._context.studio().find_faces(pixels)
                looks += 1
                if faces or looks == MOST_LOOKS:
                    break
        shown = pixels if faces or first is None else first
        return FirstFrame(source, shown, tuple(faces), self._cards(shown, faces))

    def _cards(self, picture: NDArray[np.uint8], faces: "Sequence[Face]") -> str:
        if not faces:
            return ""
        face = max(faces, key=lambda face: face.width)
        each = generate_each(self._context, picture, face)
        return card_style([self._selector], card_pictures(picture, face, each))

    def _preview(self, frame: FirstFrame, chain: "Chain", strength: float, largest_only: bool) -> str:
        studio = self._context.studio()
        if not frame.faces and not studio.needs_no_face(chain):
            return status_html(say("video.no_face_yet"))
        faces = frame.faces
        if largest_only and faces:
            faces = (max(faces, key=lambda face: face.width * face.height),)
        key = (chain, largest_only)
        if key not in frame.generated:
            frame.generated[key] = generate(studio, frame.pixels, faces, [chain] * max(1, len(faces)))
        after = studio.blend(frame.pixels, frame.generated[key], strength).picture
        words = made_by([chain], strength)
        sheet = comparison(frame.pixels, after, self._context.english_words(chain), altered=words is not None)
        address = view.file_url(self._context.files.write(sheet, "preview.jpg", made_by=words))
        alt = html.escape(say("video.preview_of", words=self._context.words(chain)))
        caption = html.escape(say("video.preview"), quote=False)
        return f'<figure class="preview"><img src="{address}" alt="{alt}"><figcaption>{caption}</figcaption></figure>'
