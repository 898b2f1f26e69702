"""`Studio`: several translations over one detector, each face with a chain of its own."""

import re
import threading
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cyclegan_core.errors import TranslationError
from cyclegan_core.faces.detection import Detector, find_detector, find_faces
from cyclegan_core.faces.face import Face
from cyclegan_core.faces.tone import Tone
from cyclegan_core.inference.composition import GeneratedFace, lay
from cyclegan_core.inference.translator import FaceTranslator, TranslatedPicture, blend, check_picture, check_strength

LONGEST_CHAIN = 4


@dataclass(frozen=True)
class Step:
    """One direction of one translation, by the name that it has in the studio."""

    translation: str
    direction: str

    def __str__(self) -> str:
        return f"{self.translation}:{self.direction}"


Chain = tuple[Step, ...]
"""Steps taken one after the other; none leaves a face as it is."""


class Studio:
    """Several translations over one face detector.

    Safe for many threads. Translators and the detector may be replaced while it works: what has begun ends with those
    that it began with.

    translators: by the name that steps call them by. detector: found by `find_detector` where it is None.
    """

    def __init__(self, translators: Mapping[str, FaceTranslator], detector: Detector | None = None) -> None:
        self._lock = threading.Lock()
        self._translators = dict(translators)
        self._detector = detector or find_detector()

    @property
    def detector(self) -> Detector:
        return self._detector

    @property
    def translators(self) -> dict[str, FaceTranslator]:
        """Those of this moment."""
        with self._lock:
            return dict(self._translators)

    def replace(self, name: str, translator: FaceTranslator) -> None:
        """From now on this translator is at work under that name; a new name comes last."""
        with self._lock:
            self._translators[name] = translator

    def replace_detector(self, detector: Detector) -> None:
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
        check_picture(picture)
        return find_faces(self._detector, picture)

    def whole(self, chain: Chain) -> bool:
        """Whether the chain needs no face: all of its steps take the whole picture."""
        translators = self.translators
        return bool(chain) and all(_translator(translators, step).config.crop is None for step in chain)

    def generate(
        self, picture: NDArray[np.uint8], faces: Sequence[Face], chains: Sequence[Chain]
    ) -> tuple[tuple[GeneratedFace, ...], ...]:
        """Runs the networks: for every face, the layers that its chain lays over the RGB uint8 (H, W, 3) picture.

        Faces that take the same step share one batch. A later step is shown what the earlier ones made, at full
        strength. Steps that take the whole picture come first, once, whichever faces ask for them; their layers follow
        those of the faces, as one tuple more. Raises TranslationError for a step that there is not.
        """
        check_picture(picture)
        if len(faces) != len(chains):
            raise ValueError(f"{len(faces)} faces need as many chains, not {len(chains)}")
        translators = self.translators
        steps = dict.fromkeys(step for chain in chains for step in chain)
        wholes = [step for step in steps if _translator(translators, step).config.crop is None]
        ground, under = self._generate_whole(picture, wholes, translators)

        asked = [[step for step in chain if step not in wholes] for chain in chains]
        layers: list[list[GeneratedFace]] = [[] for _ in faces]
        tone = Tone.of(ground) if any(len(chain) > 1 for chain in asked) else None
        for depth in range(max(map(len, asked), default=0)):
            sharing: dict[Step, list[int]] = defaultdict(list)
            for index, chain in enumerate(asked):
                if depth < len(chain):
                    sharing[chain[depth]].append(index)
            made: list[tuple[int, GeneratedFace]] = []
            for step, indices in sharing.items():
                translator = _translator(translators, step)
                generated = translator.generate(ground, step.direction, [faces[i] for i in indices])
                made += zip(indices, generated, strict=True)
            continuing = [(index, item) for index, item in made if depth + 1 < len(asked[index])]
            if continuing and ground is picture:
                ground = np.array(picture, subok=False)
            for _, item in continuing:
                lay(ground, item, 1.0, tone)
            for index, item in made:
                layers[index].append(item)
        below = (tuple(under),) if under else ()
        return (*map(tuple, layers), *below)

    def generate_whole(self, picture: NDArray[np.uint8], chain: Chain) -> tuple[tuple[GeneratedFace, ...], ...]:
        """As `generate`, of a chain that is `whole`."""
        check_picture(picture)
        return (tuple(self._generate_whole(picture, list(chain), self.translators)[1]),)

    def blend(
        self, picture: NDArray[np.uint8], layers: Sequence[Sequence[GeneratedFace]], strength: float = 1.0
    ) -> TranslatedPicture:
        """The picture with what `generate` made of it, at a strength in [0, 1]: runs no network."""
        check_picture(picture)
        check_strength(strength)
        return blend(picture, layers, strength)

    @staticmethod
    def _generate_whole(
        picture: NDArray[np.uint8], steps: Sequence[Step], translators: Mapping[str, FaceTranslator]
    ) -> tuple[NDArray[np.uint8], list[GeneratedFace]]:
        """The picture after the steps, and their layers."""
        layers: list[GeneratedFace] = []
        for step in steps:
            item = _translator(translators, step).generate(picture, step.direction)[0]
            picture = np.array(picture, subok=False)
            lay(picture, item, 1.0)
            layers.append(item)
        return picture, layers


def _translator(translators: Mapping[str, FaceTranslator], step: Step) -> FaceTranslator:
    if step.translation not in translators:
        raise TranslationError(f"there is no translation {step.translation[:60]!r}: choose of {', '.join(translators)}")
    return translators[step.translation]
