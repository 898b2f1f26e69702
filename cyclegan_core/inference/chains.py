"""Chains of translations, such as `older+to_anime`: carried out step by step in the order in which they are written.

A step works either on faces or on the whole picture, as the config of its translation says. Both kinds may stand in
one chain in any order; every step sees the result of the steps before it, at full strength. A photo, a film and a
webcam stream all come through `generate_layers`.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from cyclegan_core.errors import TranslationError
from cyclegan_core.faces.face import Face
from cyclegan_core.faces.monochrome import Tone
from cyclegan_core.images.shrinking import shrink
from cyclegan_core.inference.composition import Layer, composite, composite_all

if TYPE_CHECKING:
    from cyclegan_core.inference.translator import FaceTranslator

LONGEST_CHAIN = 4


@dataclass(frozen=True)
class Step:
    """One direction of one translation. translation: the name under which a `Studio` has it."""

    translation: str
    direction: str

    def __str__(self) -> str:
        return f"{self.translation}:{self.direction}"


Chain = tuple[Step, ...]
"""Steps that are carried out one after the other. An empty chain leaves a face as it is."""


def translator_of(translators: "Mapping[str, FaceTranslator]", step: Step) -> "FaceTranslator":
    """The translator that a step names. Raises TranslationError where there is none."""
    if step.translation not in translators:
        raise TranslationError(f"there is no translation {step.translation[:60]!r}: choose of {', '.join(translators)}")
    return translators[step.translation]


def takes_whole_picture(translators: "Mapping[str, FaceTranslator]", step: Step) -> bool:
    """Whether a step works on the whole picture, not on faces. Raises TranslationError for an unknown translation."""
    return translator_of(translators, step).config.crop is None


def split_chain(translators: "Mapping[str, FaceTranslator]", chain: Chain) -> list[tuple[bool, Chain]]:
    """The chain cut where steps on faces and steps on whole pictures meet, in order.

    Each part is a pair: whether its steps take the whole picture, and the steps.
    """
    parts = groupby(chain, key=lambda step: takes_whole_picture(translators, step))
    return [(whole, tuple(steps)) for whole, steps in parts]


def generate_layers(
    translators: "Mapping[str, FaceTranslator]",
    picture: NDArray[np.uint8],
    faces: Sequence[Face],
    chains: Sequence[Chain],
    *,
    whole_pixels: int | None = None,
    hair: bool = True,
) -> tuple[tuple[Layer, ...], ...]:
    """Runs the generators of all chains on an RGB uint8 (H, W, 3) picture, which is not changed.

    faces, chains: one chain for each face. Where there are no faces, there may be one chain, of which only the steps on
    the whole picture are carried out. Faces that are at the same step share one batch. Faces that come to the same step
    on the whole picture share its result.
    whole_pixels: a step on the whole picture is shown a copy of at most so many pixels; its result is enlarged.
    hair: as in `FaceTranslator.generate`.

    Returns the layers of each face, and, where there was a step on the whole picture, one tuple more with the layers of
    those steps. `Layer.stage` holds their order. Raises TranslationError for an unknown translation or
    direction, and ValueError where faces and chains do not belong together.
    """
    if len(faces) != len(chains) and (faces or len(chains) != 1):
        raise ValueError(f"{len(faces)} faces need as many chains, not {len(chains)}")
    whole = {step: takes_whole_picture(translators, step) for chain in chains for step in chain}
    remaining = [list(chain) for chain in chains]
    if not faces:
        remaining = [[step for step in steps if whole[step]] for steps in remaining]
    face_layers: list[list[Layer]] = [[] for _ in faces]
    whole_layers: list[Layer] = []
    background = picture  # the result of the last step on the whole picture
    while any(remaining):
        new_layers = _generate_face_steps(translators, background, faces, remaining, whole, len(whole_layers), hair)
        for index, layers in new_layers.items():
            face_layers[index] += layers
        step = next((steps[0] for steps in remaining if steps), None)
        if step is None:
            break
        for steps in remaining:
            if steps and steps[0] == step:
                steps.pop(0)
        added = [item for layers in new_layers.values() for item in layers]
        background = composite_all(background, added, 1.0, Tone.of(background))
        shown = reduced(background, whole_pixels)
        (item,) = translator_of(translators, step).generate(shown, step.direction)
        whole_layers.append(replace(item, stage=len(whole_layers) + 1))
        if any(remaining):
            composite(background, whole_layers[-1], 1.0)
    return (*map(tuple, face_layers), *((tuple(whole_layers),) if whole_layers else ()))


def _generate_face_steps(
    translators: "Mapping[str, FaceTranslator]",
    background: NDArray[np.uint8],
    faces: Sequence[Face],
    remaining: list[list[Step]],
    whole: Mapping[Step, bool],
    stage: int,
    hair: bool,
) -> dict[int, list[Layer]]:
    """Carries out the steps of each face up to its next step on the whole picture, and takes them off `remaining`."""
    layers: dict[int, list[Layer]] = defaultdict(list)
    seen = background  # by the next step of each face
    while True:
        batches: dict[Step, list[int]] = defaultdict(list)
        for index, steps in enumerate(remaining):
            if steps and not whole[steps[0]]:
                batches[steps.pop(0)].append(index)
        if not batches:
            return layers
        generated: list[tuple[int, Layer]] = []
        for step, indices in batches.items():
            chosen = [faces[index] for index in indices]
            items = translator_of(translators, step).generate(seen, step.direction, chosen, hair=hair)
            generated += zip(indices, (replace(item, stage=stage) for item in items), strict=True)
        continued = [item for index, item in generated if remaining[index] and not whole[remaining[index][0]]]
        if continued and seen is background:
            seen = np.array(background)
        for item in continued:
            composite(seen, item, 1.0)
        for index, item in generated:
            layers[index].append(item)


def reduced(picture: NDArray[np.uint8], pixels: int | None) -> NDArray[np.uint8]:
    """The RGB uint8 (H, W, 3) picture, or a smaller copy of the same shape where it has more than so many pixels."""
    height, width = picture.shape[:2]
    if pixels is None or height * width <= pixels:
        return picture
    scale = (pixels / (height * width)) ** 0.5
    return shrink(picture, max(1, round(width * scale)), max(1, round(height * scale)))[0]
