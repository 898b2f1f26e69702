"""What the Photo tab does when it is asked to."""

import re
import secrets
import shutil
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import gradio as gr
import numpy as np
from numpy.typing import NDArray

from cyclegan_core import images
from cyclegan_core.errors import PictureError
from demo.backstage import Backstage
from demo.pictures import Photo, for_the_screen, generate, told
from demo.tabs.photo.comparison import compare, comparison_value
from demo.tabs.photo.face_strip import AS_ABOVE, LEAVE, Asked, read_strip, strip_value
from demo.tabs.photo.photo_work import PORTRAIT_SIDE, Work, alone, draw, portrait_of

if TYPE_CHECKING:
    from cyclegan_core.inference.studio import Chain  # brings PyTorch, which the page does not wait for

NO_FACE = "No face found. Try a photo in which the face is larger, upright and looks towards the camera."
HINT = "The faces are found as soon as there is a photo."
FIRST = "Choose a photo first."
GONE = "This photo has been deleted here in the meantime: choose it again."
WHOLE = "whole"  # what to save; a face alone is its index
PNG, JPEG = ".png", ".jpg"
LONGEST_NAME = 60  # characters that a file's name gets from its directions


class UploadActions:
    """Every public method is one event of the page; what is wrong is said in words, see `told`."""

    def __init__(self, backstage: Backstage) -> None:
        self._backstage = backstage
        self._write = backstage.files.write

    def find(self, photo: Photo | None) -> tuple[Any, ...]:
        """For the page: the status, the faces, what to save and as what, and what is known of the photo."""
        with told():
            if photo is None:
                return HINT, None, gr.skip(), gr.skip(), None
            work = self._look_at(photo)
            count = len(work.faces)
            said = f"{_faces(count)} found." if count else self._no_face()
            if count > 1:
                said += " Translate all alike, or choose for each."
            what = [("Full picture", WHOLE), *((f"Face {i + 1} alone", str(i)) for i in range(count))]
            form = PNG if photo.file.suffix.lower() == PNG else JPEG
            return said, self._strip(work, None, _first(work)), gr.Dropdown(what, value=WHOLE), form, work

    def translate(
        self, photo: Photo | None, step: str, then: str, strength: float, strip: Any, work: Work | None
    ) -> tuple[Any, ...]:
        """For the page: before and after, the status, the faces, the download, what is known, and what was made."""
        with told():
            if photo is None:
                raise PictureError(FIRST)
            if work is None or work.file != photo.file:
                work, strip = self._look_at(photo), None
            return self._apply(photo.picture, step, then, strength, strip, work)

    def apply(self, step: str, then: str, strength: float, strip: Any, work: Work | None) -> tuple[Any, ...]:
        """As `translate`, of the photo that is known."""
        with told():
            if work is None:
                raise PictureError(GONE if strip else FIRST)
            return self._apply(None, step, then, strength, strip, work)

    def apply_again(self, step: str, then: str, strength: float, strip: Any, work: Work | None) -> tuple[Any, ...]:
        """As `apply`, once something has been translated."""
        if (work.chains is None) if work else not strip:
            return (gr.skip(),) * 6
        return self.apply(step, then, strength, strip, work)

    def strengthen(self, strength: float, strip: Any, work: Work | None) -> tuple[Any, ...]:
        """For the page: before and after, and the faces. At the size of the page, so that it keeps up with a hand."""
        with told():
            if work is None and strip:
                raise PictureError(GONE)
            if work is None or not any(work.layers):
                return gr.skip(), gr.skip()
            return self._drawn(work, strength, self._asked(strip, work))

    def compare(self, photo: Photo | None, strength: float, strip: Any, work: Work | None) -> tuple[Any, ...]:
        """For the page: the marked face in every direction, and what is known of the photo."""
        with told():
            if photo is None:
                raise PictureError(FIRST)
            if work is None or work.file != photo.file:
                work, strip = self._look_at(photo), None
            studio, marked = self._backstage.studio(), self._asked(strip, work).marked
            compared = compare(studio, photo.picture, work, marked, self._backstage.choices(), strength)
            if len(compared) == 1:
                raise PictureError(NO_FACE)
            files = [
                self._write(item.picture, "compared.jpg", made_by=_made_by([self._chain(item.step)], strength))
                for item in compared
            ]
            title = f"Face {marked + 1} in every direction" if work.faces else "This photo in every direction"
            hint = "Choose one to use it for this face." if work.faces else ""
            return comparison_value(title, list(zip(files, compared, strict=True)), hint=hint), work

    def use(self, chosen: gr.EventData, strip: Any, work: Work | None) -> Any:
        """For the page: the faces, of which the marked one takes what was chosen in the comparison."""
        with told():
            if work is None or not work.faces:
                raise PictureError(GONE)
            asked = self._asked(strip, work)
            steps = list(asked.chosen)
            steps[asked.marked] = chosen._data.get("step")
            asked = self._asked({**strip, "chosen": steps}, work)
            return self._strip(work, None, asked)

    def save(self, strength: float, what: str, form: str, work: Work | None) -> str:
        """A file in the photo's own size. Only made when it is asked for: 40 megapixels take seconds to write."""
        with told():
            if work is None:
                raise PictureError(GONE)
            studio, picture = self._backstage.studio(), _reload(work)
            chains, name = work.chains or (), ""
            if what == WHOLE:
                result = studio.blend(picture, work.layers, strength).picture
            elif what.isdecimal() and int(what) < len(work.faces):
                index = int(what)
                of_whole = (item for items in work.layers[len(work.faces) :] for item in items)
                result = alone(picture, work.faces[index], (*work.layers[index], *of_whole), strength)
                chains, name = chains[index : index + 1], f"face-{index + 1}-"
            else:
                raise PictureError("There is no such face to save. Choose another.")
            directions = "-".join(dict.fromkeys(step.direction for chain in chains for step in chain))
            words = re.sub(r"[^a-z0-9]+", "-", name + directions.lower())[:LONGEST_NAME].strip("-")
            suffix = PNG if form == PNG else JPEG
            return self._write(result, f"{work.file.stem}-{words}{suffix}", made_by=_made_by(chains, strength))

    def _no_face(self) -> str:
        studio = self._backstage.studio()
        words = [words for words, step in self._backstage.choices() if studio.whole(studio.chain(step))]
        return f"No face found. What needs none: {', '.join(words)}." if words else NO_FACE

    def _look_at(self, photo: Photo) -> Work:
        faces = tuple(self._backstage.studio().find_faces(photo.picture))
        shown = for_the_screen(photo.picture)
        return Work(
            token=secrets.token_hex(8),
            file=photo.file,
            faces=faces,
            shown=shown,
            scale=shown.shape[1] / photo.picture.shape[1],
            before=self._write(shown, "before.jpg"),
            portraits=tuple(
                self._write(portrait_of(face, PORTRAIT_SIDE).crop(photo.picture), "face.jpg") for face in faces
            ),
        )

    def _apply(
        self, picture: NDArray[np.uint8] | None, step: str, then: str, strength: float, strip: Any, work: Work
    ) -> tuple[Any, ...]:
        studio, asked = self._backstage.studio(), self._asked(strip, work)
        for_all = self._chain(step, then)
        if not for_all:
            raise PictureError("Choose a translation first.")
        if not work.faces and not any(studio.whole((step,)) for step in for_all):
            return None, self._no_face(), None, gr.Row(visible=False), replace(work, chains=(), layers=()), gr.skip()
        own = [for_all if choice == AS_ABOVE else self._chain(choice) for choice in asked.chosen]
        chains = tuple(own) if work.faces else (for_all,)
        is_new = chains != work.chains
        if is_new:
            picture = _reload(work) if picture is None else picture
            began = time.perf_counter()
            layers = generate(studio, picture, work.faces, chains)
            work = replace(work, chains=chains, layers=layers, seconds=time.perf_counter() - began)
        before_and_after, faces = self._drawn(work, strength, asked)
        altered = any(work.layers)
        made = self._made(work, before_and_after) if is_new and altered else gr.skip()
        return before_and_after, _done(work), faces, gr.Row(visible=altered), work, made

    def _asked(self, strip: Any, work: Work) -> Asked:
        """What was chosen for each face; nothing yet where the page has not been shown them."""
        if strip is None:
            return _first(work)
        return read_strip(strip, work.token, len(work.faces), self._backstage.choices())

    def _chain(self, *steps: str) -> "Chain":
        return self._backstage.studio().chain("+".join(step for step in steps if step and step != LEAVE))

    def _drawn(self, work: Work, strength: float, asked: Asked) -> tuple[tuple[str, str], Any]:
        after, portraits = draw(self._backstage.studio(), work, strength)
        made_by = _made_by(work.chains or (), strength)
        files = [self._write(portrait, "face.jpg", made_by=made_by) for portrait in portraits]
        shown = (work.before, self._write(after, "after.jpg", made_by=made_by))
        return shown, self._strip(work, files, asked, keep=True)

    def _strip(self, work: Work, after: list[str] | None, asked: Asked, *, keep: bool = False) -> Any:
        if not work.faces:
            return None
        return strip_value(work.token, work.portraits, after, self._backstage.choices(), asked, keep=keep)

    def _made(self, work: Work, shown: tuple[str, str]) -> tuple[str, str, str]:
        """For what this visitor has made in this visit: files of its own, which may be deleted there."""
        names = {step: words for words, step in self._backstage.choices()}
        sentences = dict.fromkeys(
            ", then ".join(names.get(str(step), step.direction) for step in chain)
            for chain in work.chains or ()
            if chain
        )
        before, after = (str(shutil.copyfile(file, self._backstage.files.new(Path(file).name))) for file in shown)
        return before, after, f"{work.file.name}: {' / '.join(sentences).lower()}"


def _reload(work: Work) -> NDArray[np.uint8]:
    if not work.file.exists():
        raise PictureError(GONE)
    return images.load(work.file)


def _first(work: Work) -> Asked:
    return Asked((AS_ABOVE,) * len(work.faces), work.largest if work.faces else 0)


def _faces(count: int) -> str:
    return "1 face" if count == 1 else f"{count} faces"


def _done(work: Work) -> str:
    took = f"translated in {max(work.seconds, 0.1):.1f} s."
    under = work.layers[len(work.faces) :]
    if under and not any(work.layers[: len(work.faces)]):
        height, width = under[0][-1].generated.shape[:2]
        smaller = width < round(work.shown.shape[1] / work.scale)
        size = f" It was made at {width} x {height} pixels, and is enlarged to the photo's size." if smaller else ""
        return f"The whole picture was {took}{size}"
    count, total = sum(map(bool, work.chains or ())), len(work.faces)
    if count == 0:
        return "All faces are left as they are."
    which = _faces(total) if count == total else f"{count} of {_faces(total)}"
    return f"{which} {took}"


def _made_by(chains: "tuple[Chain, ...] | list[Chain]", strength: float) -> str | None:
    """What a file says of its making, such as `age: older, anime: to anime`; nothing where nothing was altered."""
    steps = dict.fromkeys(step for chain in chains for step in chain)
    words = ", ".join(f"{step.translation}: {step.direction.replace('_', ' ')}" for step in steps)
    return words if words and strength > 0 else None
