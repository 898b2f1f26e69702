"""`FaceTranslator`: a picture in, the same picture with its faces, or all of it, translated out."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cyclegan_core.faces.alignment import align
from cyclegan_core.faces.detection import Detector, find_detector, find_faces
from cyclegan_core.faces.face import Face
from cyclegan_core.faces.tone import Tone
from cyclegan_core.inference import tiling
from cyclegan_core.inference.composition import GeneratedFace, close_up, lay
from cyclegan_core.inference.engines import Engine, WholeEngine, engine_name, make_engine
from cyclegan_core.translations.config import Direction, TranslationConfig
from cyclegan_core.translations.translation import Translation

SHOWN_SIZE = 256  # side of the before and after crops that are shown to people


@dataclass(frozen=True, eq=False)
class TranslatedFace:
    """A face that was found, and its crop before and after: RGB uint8 (256, 256, 3), cut the way the generator sees."""

    face: Face
    before: NDArray[np.uint8]
    after: NDArray[np.uint8]


class TranslatedPicture(np.ndarray[Any, np.dtype[np.uint8]]):
    """The result: an RGB uint8 (H, W, 3) array like any other, which also says which faces it found.

    faces: from left to right; empty where none was found, and the picture is then equal to the input.
    """

    faces: tuple[TranslatedFace, ...] = ()

    @classmethod
    def of(cls, picture: NDArray[np.uint8], faces: Sequence[TranslatedFace]) -> "TranslatedPicture":
        translated = picture.view(cls)
        translated.faces = tuple(faces)
        return translated

    def __array_finalize__(self, obj: NDArray[Any] | None) -> None:
        self.faces = ()  # a slice or a sum of pictures has no claim to their faces


class FaceTranslator:
    """Translates all faces of a picture, or the whole of it where the translation's config has no crop.

    May be shared by threads; loads and downloads nothing after construction.

    translation: see `Translation`. detector: found by `find_detector` where it is None.
    """

    def __init__(self, translation: Translation, *, detector: Detector | None = None) -> None:
        self.config: TranslationConfig = translation.config
        self.source = translation.source
        self.detector = detector or find_detector()
        size = self.config.crop.size if self.config.crop else None
        self.engine_name = engine_name(size)
        self._engines: dict[Direction, Engine] = {}
        self._whole: dict[Direction, WholeEngine] = {}
        for direction, generator in translation.generators.items():
            if size is None:
                self._whole[direction] = WholeEngine(generator)
            else:
                self._engines[direction] = make_engine(generator, size)

    @classmethod
    def from_pretrained(
        cls, name: str, *, revision: str | None = None, detector: Detector | None = None
    ) -> "FaceTranslator":
        """From an embedded translation (`gender`), a folder, or a Hub repository (`org/name`, `revision`).

        Raises TranslationError in a sentence that says what is wrong.
        """
        return cls(Translation.from_pretrained(name, revision=revision), detector=detector)

    @property
    def directions(self) -> tuple[str, ...]:
        """Names of the directions, such as `("to_female", "to_male")`."""
        return tuple(self.config.directions.values())

    def __call__(self, picture: NDArray[np.uint8], direction: str, strength: float = 1.0) -> TranslatedPicture:
        """Translates an RGB uint8 (H, W, 3) picture; the input is not changed.

        direction: one of `directions`. strength: 0 leaves the picture as it is, 1 is the generator's full answer.
        Pixels outside the faces are bit-identical to the input. Raises TranslationError for an unknown direction and
        ValueError for an array or a strength that is not as above.
        """
        return self.blend(picture, self.generate(picture, direction), strength)

    def generate(
        self, picture: NDArray[np.uint8], direction: str, faces: Sequence[Face] | None = None
    ) -> tuple[GeneratedFace, ...]:
        """Runs the generator once on all faces: those given, or those found in the picture.

        A translation without a crop takes the whole picture instead, of any size and in its own size: see `tiling`.
        `blend` then applies any strength without running it again.
        """
        check_picture(picture)
        way = self.config.direction(direction)
        if self.config.crop is None:
            return (self._generate_whole(picture, way),)
        if faces is None:
            faces = self.find_faces(picture)
        if not faces:
            return ()
        template = np.array(self.config.crop.template)
        alignments = [align(f.landmarks, template, self.config.crop.size, self.config.crop.margin) for f in faces]
        generated = self._run(way, np.stack([alignment.crop(picture) for alignment in alignments]))
        return tuple(
            GeneratedFace(face, alignment, made, self.config.output)
            for face, alignment, made in zip(faces, alignments, generated, strict=True)
        )

    def find_faces(self, picture: NDArray[np.uint8]) -> list[Face]:
        """Faces of an RGB uint8 (H, W, 3) picture that can be translated, from left to right."""
        check_picture(picture)
        return find_faces(self.detector, picture)

    def blend(
        self, picture: NDArray[np.uint8], generated: Sequence[GeneratedFace], strength: float = 1.0
    ) -> TranslatedPicture:
        """The picture with what `generate` made of its faces, at a strength in [0, 1]."""
        check_picture(picture)
        check_strength(strength)
        return blend(picture, [(item,) for item in generated], strength)

    def _generate_whole(self, picture: NDArray[np.uint8], way: Direction) -> GeneratedFace:
        """The whole picture, of any size, in its own size."""
        return GeneratedFace(None, None, tiling.translate(picture, self._whole[way], self._paint), self.config.output)

    def _run(self, way: Direction, crops: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Uint8 (B, S, S, 3) crops to what the config's output says, float32 (B, S, S, 3) in units of 1/255."""
        x = np.ascontiguousarray((crops.astype(np.float32) / 127.5 - 1).transpose(0, 3, 1, 2))  # (B, 3, S, S)
        return np.ascontiguousarray(self._paint(x, self._engines[way](x)).transpose(0, 2, 3, 1))

    def _paint(self, x: NDArray[np.float32], y: NDArray[np.float32]) -> NDArray[np.float32]:
        """What the config's output says, in units of 1/255, of what a generator was shown and what it made of it."""
        painted = (y - x) * (127.5 * self.config.gain) if self.config.output == "change" else (y + 1) * 127.5
        return painted.astype(np.float32, copy=False)


def blend(picture: NDArray[np.uint8], layers: Sequence[Sequence[GeneratedFace]], strength: float) -> TranslatedPicture:
    """A new picture with the layers of every face laid over it: RGB uint8 (H, W, 3), a strength in [0, 1]."""
    result = np.array(picture, subok=False)
    tone = Tone.of(picture) if strength > 0 else None
    if strength > 0:
        # The nearest face last, so that it lies over those behind it; whole pictures lie under all faces.
        for items in sorted(layers, key=lambda items: max((i.face.width for i in items if i.face), default=0.0)):
            for item in items:
                lay(result, item, strength, tone)
    shown = []
    for items in layers:
        faces = [item.face for item in items if item.face]
        if faces:
            shown.append(TranslatedFace(faces[0], *close_up(picture, tuple(items), strength, SHOWN_SIZE, tone)))
    return TranslatedPicture.of(result, shown)


def check_picture(picture: Any) -> None:
    """Raises ValueError for what is not an RGB uint8 (H, W, 3) array."""
    if not isinstance(picture, np.ndarray) or picture.dtype != np.uint8 or picture.ndim != 3 or picture.shape[2] != 3:
        kind = f"{picture.dtype} {picture.shape}" if isinstance(picture, np.ndarray) else type(picture).__name__
        raise ValueError(f"a picture must be an RGB uint8 array of shape (H, W, 3), not {kind}; see images.load")
    if min(picture.shape[:2]) < 1:
        raise ValueError("the picture is empty")


def check_strength(strength: float) -> None:
    """Raises ValueError for a strength that is not in [0, 1]."""
    if not 0 <= strength <= 1:
        raise ValueError(f"strength must be from 0 to 1, not {strength}")
