"""The event functions of the Photo tab."""

import secrets
import shutil
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import gradio as gr
import numpy as np
from numpy.typing import NDArray

from cyclegan_core import images
from cyclegan_core.errors import PictureError
from cyclegan_core.inference.composition import read_strength
from demo.context import FAVOURITES, Choices, PageContext
from demo.errors import visitor_errors
from demo.languages.phrases import inside_sentence, say, say_count
from demo.pictures import for_the_screen, generate, result_suffix
from demo.server.gradio_patches import upload_folder
from demo.tabs.photo import view
from demo.tabs.photo.photo_state import CARD_SIDE, PhotoState, draw, draw_face, is_left_alone, portrait_alignment
from demo.tabs.photo.saving import file_words, made_by, save_picture
from demo.tabs.photo.sharing import comparison, save_loop

if TYPE_CHECKING:
    from cyclegan_core.inference.composition import Layer
    from cyclegan_core.inference.studio import Chain  # brings PyTorch, which the page does not wait for


View = dict[str, Any]
Result = tuple[View, PhotoState, Any]


class PhotoActions:
    """Each public method serves one event of the page, and raises gr.Error with one sentence.

    What the browser sends with an event is not trusted: a wrong value is refused.
    """

    def __init__(self, context: PageContext) -> None:
        self._context = context
        self._write = context.files.write

    def open_photo(self, event: gr.EventData) -> Result:
        """Finds the faces of an uploaded photo, or of an example, and translates them.

        Event data: `path` of the upload or the number of an `example`; `step`, or nothing for one that shows something;
        `then` and `strength`.
        Returns the view, the state, and paths and caption for the history.
        """
        with visitor_errors():
            path = self._chosen_file(event)
            photo = self._context.read_photo(path)
            opened = self._look_at(photo, path, self._then(event))
            step = self._step(event)
            step = self._favourite(opened, photo.pixels) if step is None else step
            translated = self._translated(replace(opened, steps=(step,) * len(opened.steps)), photo.pixels)
            return self._shown(translated, self._strength(event), photo.pixels, is_new=True)

    def edit(self, event: gr.EventData, state: PhotoState | None) -> Result:
        """Applies a choice at once: another direction, face or second direction.

        Event data: `face`, its index or -1 for all; `step`, or nothing to keep it; `then` and `strength`.
        """
        with visitor_errors():
            state = self._known(state)
            active, step = self._face(event, state), self._step(event)
            steps = state.steps
            if step is not None:
                steps = tuple(step if active in (None, index) else old for index, old in enumerate(steps))
            edited = self._translated(replace(state, steps=steps, active=active, then=self._then(event)))
            return self._shown(edited, self._strength(event), is_new=edited.chains != state.chains)

    def strengthen(self, event: gr.EventData, state: PhotoState | None) -> View:
        """Draws the photo anew at another `strength`, in the size of the page, fast enough to follow a slider."""
        with visitor_errors():
            state = self._known(state)
            return {"photo": state.token, "after": self._draw(state, self._strength(event))}

    def save(self, event: gr.EventData, state: PhotoState | None) -> str:
        """Writes the result in the photo's own size and returns its path.

        Event data: `what`, WHOLE, COMPARISON, LOOP or the index of a face; `form`, PNG or JPEG; `strength`. The loop is
        a WebP, and it and the comparison are in the size of the page.
        """
        with visitor_errors():
            state = self._known(state)
            what, form = view.field(event, "what"), view.field(event, "form")
            strength = self._strength(event)
            suffix = view.PNG if form == view.PNG else view.JPEG
            if what in (view.COMPARISON, view.LOOP):
                return self._save_both(state, what, suffix, strength)
            photo = self._reload(state)
            result, name, chains = save_picture(self._context.studio(), state, photo.pixels, what, strength)
            alpha = photo.alpha if what == view.WHOLE else None
            return self._write(result, f"{name}{suffix}", made_by=made_by(chains, strength), alpha=alpha)

    def _save_both(self, state: PhotoState, what: str, suffix: str, strength: float) -> str:
        """Writes before and after in one file, as COMPARISON or as LOOP, and returns its path."""
        if not state.is_altered:
            raise PictureError(say("error.unaltered"))
        after, words = draw(self._context.studio(), state, strength), made_by(state.chains, strength)
        name = f"{state.file.stem}-{file_words(state.chains)}"
        if what == view.LOOP:
            path = self._context.files.new(f"{name}-loop.webp")
            save_loop(state.shown, after, path, words)
            return str(path)
        sheet = comparison(
            state.shown, after, self._words(state, self._context.english_words), altered=words is not None
        )
        return self._write(sheet, f"{name}-comparison{suffix}", made_by=words)

    # --- reading what the browser sent

    def _chosen_file(self, event: gr.EventData) -> Path:
        example, path = view.field(event, "example"), view.field(event, "path")
        if type(example) is int and 0 <= example < len(view.EXAMPLES):
            return view.EXAMPLES[example]
        if not isinstance(path, str) or "\0" in path:
            raise PictureError(say("error.photo_first"))
        file = Path(path)
        if not file.resolve().is_relative_to(upload_folder()):
            raise PictureError(say("error.photo_first"))
        if not file.exists():
            raise PictureError(say("error.photo_gone"))
        return file

    def _step(self, event: gr.EventData) -> str | None:
        step = view.field(event, "step")
        if step is not None and (not isinstance(step, str) or step not in ("", *self._steps())):
            raise PictureError(say("error.not_offered"))
        return step

    def _then(self, event: gr.EventData) -> str:
        then = view.field(event, "then") or ""
        if not isinstance(then, str) or then not in ("", *self._steps()):
            raise PictureError(say("error.not_offered"))
        return then

    def _steps(self) -> list[str]:
        return [step for _, step in self._context.choices()]

    def _face(self, event: gr.EventData, state: PhotoState) -> int | None:
        face = view.field(event, "face")
        if face is None or face == -1:
            return None
        if type(face) is not int or not 0 <= face < len(state.faces):
            raise PictureError(say("error.no_such_face"))
        return face

    def _strength(self, event: gr.EventData) -> float:
        try:
            return read_strength(view.field(event, "strength"))
        except ValueError as error:
            raise PictureError(say("error.strength")) from error

    def _known(self, state: PhotoState | None) -> PhotoState:
        if state is None:
            raise PictureError(say("error.photo_gone"))
        return state

    # --- working on the photo

    def _look_at(self, photo: images.Picture, path: Path, then: str) -> PhotoState:
        """The state of a new photo, in no direction yet."""
        picture = photo.pixels
        faces = tuple(self._context.studio().find_faces(picture))
        shown = for_the_screen(photo.on_white)
        portraits = [portrait_alignment(face, CARD_SIDE).crop(picture) for face in faces if len(faces) > 1]
        return PhotoState(
            token=secrets.token_hex(8),
            file=path,
            faces=faces,
            shown=shown,
            scale=shown.shape[1] / picture.shape[1],
            before=self._write(shown, "before.jpg"),
            portraits=tuple(self._write(portrait, "face.jpg") for portrait in portraits),
            steps=("",) * max(1, len(faces)),
            then=then,
            form=result_suffix(photo, path),
            notes=(*photo.notes, say("photo.animation")) if photo.frames > 1 else photo.notes,
        )

    def _favourite(self, state: PhotoState, picture: NDArray[np.uint8]) -> str:
        """The first of FAVOURITES that changes the largest face, or else the first direction on offer."""
        first, _ = self._directions(bool(state.faces))
        offered = [step for _, step in first]
        if not state.faces or not offered:
            return ""
        for step in filter(offered.__contains__, FAVOURITES):
            (layers,) = self._generate(state, [(state.card_face, self._chain(step))], picture)
            if not is_left_alone(layers):
                return step
        return offered[0]

    def _translated(self, state: PhotoState, picture: NDArray[np.uint8] | None = None) -> PhotoState:
        """The state after the networks have run for its chosen directions, as far as they are new."""
        studio = self._context.studio()
        chains = tuple(self._chain(step, state.then if step else "") for step in state.steps)
        if not state.faces and not studio.needs_no_face(chains[0]):
            return replace(state, chains=(), layers=(), seconds=0.0)
        if chains == state.chains:
            return state
        began = time.perf_counter()
        if any(studio.needs_no_face((step,)) for chain in chains for step in chain):
            layers = generate(studio, self._reload(state).pixels if picture is None else picture, state.faces, chains)
        else:
            layers = self._generate(state, list(enumerate(chains)), picture)
        return replace(state, chains=chains, layers=layers, seconds=time.perf_counter() - began)

    def _generate(
        self, state: PhotoState, asked: "list[tuple[int, Chain]]", picture: NDArray[np.uint8] | None
    ) -> "tuple[tuple[Layer, ...], ...]":
        """The layers of pairs of face and chain of faces; networks run, in one batch, for those that are new."""
        missing = [key for key in dict.fromkeys(asked) if key[1] and key not in state.generated]
        if missing:
            picture = self._reload(state).pixels if picture is None else picture
            faces, chains = [state.faces[index] for index, _ in missing], [chain for _, chain in missing]
            made = self._context.studio().generate(picture, faces, chains)
            state.generated.update(zip(missing, made, strict=True))
        return tuple(state.generated.get(key, ()) for key in asked)

    def _chain(self, *steps: str) -> "Chain":
        return self._context.studio().chain("+".join(filter(None, steps)))

    def _directions(self, has_faces: bool) -> tuple[Choices, Choices]:
        return view.split_directions(self._context, has_faces=has_faces)

    def _reload(self, state: PhotoState) -> images.Picture:
        if not state.file.exists():
            raise PictureError(say("error.photo_gone"))
        return self._context.read_photo(state.file)

    # --- showing it

    def _shown(
        self, state: PhotoState, strength: float, picture: NDArray[np.uint8] | None = None, *, is_new: bool
    ) -> Result:
        after = self._write_after(state, strength)
        first, more = self._directions(bool(state.faces))
        pictures = {step: view.file_url(path) for step, path in self._cards(state, first, picture).items()}
        several = len(state.faces) > 1
        idle = {step for _, step in first if state.faces and is_left_alone(self._of_card(state, step))}
        active = state.active
        step = state.steps[active] if active is not None else (state.steps[0] if len(set(state.steps)) == 1 else None)
        shown: View = {
            "photo": state.token,
            "ratio": state.shown.shape[1] / state.shown.shape[0],
            "before": view.file_url(state.before),
            "after": view.file_url(after) if state.is_altered else None,
            "faces": [view.file_url(portrait) for portrait in state.portraits],
            "face": -1 if active is None else active,
            "cards": view.cards([(say("photo.as_it_is"), ""), *first] if several else first, pictures, idle),
            "more": view.cards(more, {}),
            "step": step,
            "thens": self._context.labelled(),
            "save": view.save_choices(len(state.faces)),
            "form": state.form,
            "status": " ".join((self._status(state), *state.notes)),
        }
        made = self._history_entry(state, after) if is_new and state.is_altered else gr.skip()
        return shown, state, made

    def _cards(self, state: PhotoState, directions: Choices, picture: NDArray[np.uint8] | None) -> dict[str, str]:
        """Paths of the pictures of one face by direction, at full strength; "" is the original."""
        if not state.faces:
            return {}
        index = state.card_face
        paths = state.cards.setdefault(index, {})
        studio = self._context.studio()
        # Of a step on the whole picture a card would take as long as the translation itself.
        steps = ["", *(step for _, step in directions if not studio.needs_no_face(self._chain(step)))]
        steps = [step for step in steps if step not in paths]
        if steps:
            picture = self._reload(state).pixels if picture is None else picture
            chains = [self._chain(step) for step in steps]
            layers = self._generate(state, [(index, chain) for chain in chains], picture)
            for step, chain, items in zip(steps, chains, layers, strict=True):
                made = draw_face(picture, state.faces[index], items, 1.0, CARD_SIDE)
                paths[step] = self._write(made, "card.jpg", made_by=made_by([chain], 1.0))
        return paths

    def _of_card(self, state: PhotoState, step: str) -> "tuple[Layer, ...]":
        return state.generated.get((state.card_face, self._chain(step)), ())

    def _write_after(self, state: PhotoState, strength: float) -> str:
        if not state.is_altered:
            return state.before
        after = draw(self._context.studio(), state, strength)
        return self._write(after, "after.jpg", made_by=made_by(state.chains, strength))

    def _draw(self, state: PhotoState, strength: float) -> str | None:
        return view.file_url(self._write_after(state, strength)) if state.is_altered else None

    def _status(self, state: PhotoState) -> str:
        if not state.faces and not state.is_altered:
            labels = [label for label, _ in self._directions(False)[0]]
            return say("photo.no_face_needed", directions=", ".join(labels)) if labels else say("no_face")
        seconds = max(state.seconds, 0.1)
        below = state.layers[len(state.faces) :]
        if below and not any(state.layers[: len(state.faces)]):
            height, width = below[0][-1].generated.shape[:2]
            smaller = width < round(state.shown.shape[1] / state.scale)
            size = [say("photo.enlarged", width=width, height=height)] if smaller else []
            return " ".join((say("photo.whole_done", seconds=seconds), *size))
        done, count = sum(map(bool, state.chains)), len(state.faces)
        if done == 0:
            return say("photo.untouched")
        if all(is_left_alone(layers) for layers in state.layers if layers):
            return say("photo.hardly_changed")
        if done < count:
            return say("photo.some_done", done=done, count=count, seconds=seconds)
        return say_count("photo.done", count, seconds=seconds)

    def _history_entry(self, state: PhotoState, after: str) -> tuple[str, str, str]:
        """Paths of copies, which the visitor may delete in the Gallery tab, and a caption."""
        copies = [
            str(shutil.copyfile(path, self._context.files.new(Path(path).name))) for path in (state.before, after)
        ]
        words = inside_sentence(self._words(state, self._context.words))
        return copies[0], copies[1], say("gallery.caption", name=state.file.name, words=words)

    def _words(self, state: PhotoState, words: "Callable[[Chain], str]") -> str:
        """What was done to the faces, each way once: `To female, then older / To male`."""
        return " / ".join(dict.fromkeys(words(chain) for chain in state.chains if chain))
