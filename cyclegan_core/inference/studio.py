"""`Studio`: several translations over one face detector, and the chains that can be made of them."""

import re
import threading
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from cyclegan_core.errors import TranslationError
from cyclegan_core.faces.detection import Detector, find_detector
from cyclegan_core.faces.face import Face
from cyclegan_core.inference import chains as chain_executor
from cyclegan_core.inference.chains import LONGEST_CHAIN, Chain, Step
from cyclegan_core.inference.composition import Layer, read_strength
from cyclegan_core.inference.translator import (
    FaceTranslator,
    TranslatedPicture,
    blend,
    check_picture,
    find_faces,
)
from cyclegan_core.translations.source import embedded_names

__all__ = ["LONGEST_CHAIN", "Chain", "Step", "Studio"]


class Studio:
    """Several translations over one face detector. May be shared by threads.

    Translators and the detector may be replaced at any time; a call that is running ends with those it began with.

    translators: by the name that steps call them by. detector: found by `find_detector` where it is None.
    """

    def __init__(self, translators: Mapping[str, FaceTranslator], detector: Detector | None = None) -> None:
        self._lock = threading.Lock()
        self._translators = dict(translators)
        self._detector = detector or find_detector()

    @classmethod
    def embedded(cls) -> "Studio":
        """All translations whose weights are in this package. Raises TranslationError where they are damaged."""
        detector = find_detector()
        return cls(
            {name: FaceTranslator.from_pretrained(name, detector=detector) for name in embedded_names()}, detector
        )

    @property
    def detector(self) -> Detector:
        """The face detector that is in use now."""
        return self._detector

    @property
    def translators(self) -> dict[str, FaceTranslator]:
        """A copy of the translators that are in use now, by name."""
        with self._lock:
            return dict(self._translators)

    def replace(self, name: str, translator: FaceTranslator) -> None:
        """Uses this translator under that name from now on. A new name is added at the end."""
        with self._lock:
            self._translators[name] = translator

    def replace_detector(self, detector: Detector) -> None:
        """Uses this face detector from now on."""
        self._detector = detector

    def steps(self) -> tuple[Step, ...]:
        """Every direction of every translation, in their order."""
        return tuple(
            Step(name, direction)
            for name, translator in self.translators.items()
            for direction in translator.directions
        )

    def chain(self, text: str) -> Chain:
        """The chain that is written as directions with `+` between them: `older+to_anime`, `age:older`, or nothing.

        Raises TranslationError for an unknown or ambiguous direction and for more than LONGEST_CHAIN steps.
        """
        parts = [part for part in re.split(r"[+,\s]+", text) if part]
        if len(parts) > LONGEST_CHAIN:
            raise TranslationError(f"a chain has at most {LONGEST_CHAIN} directions, not {len(parts)}: leave some out")
        return tuple(self._step(part) for part in parts)

    def _step(self, text: str) -> Step:
        steps = self.steps()
        fitting = [step for step in steps if text in (step.direction, str(step))]
        if not fitting:
            known = ", ".join(step.direction for step in steps)
            raise TranslationError(f"there is no direction {text[:60]!r}: choose of {known}")
        if len(fitting) > 1:
            raise TranslationError(f"{text} is ambiguous: choose of {', '.join(map(str, fitting))}")
        return fitting[0]

    def find_faces(self, picture: NDArray[np.uint8]) -> list[Face]:
        """Faces of an RGB uint8 (H, W, 3) picture that can be translated, from left to right."""
        return find_faces(self._detector, picture)

    def needs_no_face(self, chain: Chain) -> bool:
        """Whether the chain needs no face: it has steps, and all of them take the whole picture.

        Raises TranslationError for an unknown translation.
        """
        translators = self.translators
        return bool(chain) and all(chain_executor.takes_whole_picture(translators, step) for step in chain)

    def split(self, chain: Chain) -> list[tuple[bool, Chain]]:
        """The chain cut where steps on faces and on whole pictures meet; see `chains.split_chain`."""
        return chain_executor.split_chain(self.translators, chain)

    def generate(
        self,
        picture: NDArray[np.uint8],
        faces: Sequence[Face],
        chains: Sequence[Chain],
        *,
        whole_pixels: int | None = None,
        hair: bool = True,
    ) -> tuple[tuple[Layer, ...], ...]:
        """Runs the generators: the layers of each face, and one tuple more for the steps on the whole picture.

        See `chains.generate_layers` for the arguments and for what is raised.
        """
        check_picture(picture)
        return chain_executor.generate_layers(
            self.translators, picture, faces, chains, whole_pixels=whole_pixels, hair=hair
        )

    def blend(
        self, picture: NDArray[np.uint8], layers: Sequence[Sequence[Layer]], strength: float = 1.0
    ) -> TranslatedPicture:
        """The RGB uint8 (H, W, 3) picture with the layers of `generate`, at a strength in [0, 1.5]. Runs no generator.

        Raises ValueError for a picture or a strength that is not as said.
        """
        check_picture(picture)
        return blend(picture, layers, read_strength(strength))

    def translate(
        self, picture: NDArray[np.uint8], chain: Chain, strength: float = 1.0, *, whole_pixels: int | None = None
    ) -> TranslatedPicture:
        """Translates all faces of an RGB uint8 (H, W, 3) picture, or all of it, by a chain; the input is not changed.

        Where no face is found, only the steps on the whole picture are carried out. strength: in [0, 1.5].
        whole_pixels: as in `generate`. Raises TranslationError and ValueError as `generate` and `blend` do.
        """
        strength = read_strength(strength)
        faces = [] if self.needs_no_face(chain) else self.find_faces(picture)
        layers = self.generate(picture, faces, [chain] * len(faces) or [chain], whole_pixels=whole_pixels)
        return self.blend(picture, layers, strength)
