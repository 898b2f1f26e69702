"""`FaceTranslator`: takes a picture and returns it with its faces, or all of it, translated."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from cyclegan_core.faces import detection
from cyclegan_core.faces.alignment import Alignment, align
from cyclegan_core.faces.detection import Detector, find_detector
from cyclegan_core.faces.face import Face
from cyclegan_core.faces.monochrome import Tone
from cyclegan_core.inference import tiling
from cyclegan_core.inference.composition import Layer, close_up, composite_all, read_strength
from cyclegan_core.inference.crops.hair import change_of_hair
from cyclegan_core.inference.crops.steps import after_painting, before_generator
from cyclegan_core.inference.engines import Engine, WholeEngine, engine_name, make_engine
from cyclegan_core.translations.config import Crop, Direction, TranslationConfig
from cyclegan_core.translations.translation import Translation

SHOWN_SIZE = 256  # side of the before and after crops that are shown to people
SHORTEST_SIDE = 16  # pixels of a picture's shorter side, below which it shows no face that can be found
LARGEST_RATIO = 100  # of a picture's sides; what is longer becomes no pixel wide where detectors reduce it


@dataclass(frozen=True, eq=False)
class TranslatedFace:
    """A face that was found, and its crop before and after: RGB uint8 (256, 256, 3), cut the way the generator sees."""

    face: Face
    before: NDArray[np.uint8]
    after: NDArray[np.uint8]


@dataclass(frozen=True, eq=False)
class TranslatedPicture:
    """A translated picture and the faces that were found in it.

    picture: RGB uint8 (H, W, 3), a new array. faces: from left to right; empty where none was found.
    altered: whether a generator changed anything, be it a face or the whole picture.
    """

    picture: NDArray[np.uint8]
    faces: tuple[TranslatedFace, ...]
    altered: bool


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

        direction: one of `directions`. strength: 0 leaves the picture as it is, 1 applies the generator's full output,
        and up to 1.5 exaggerates a change.
        Pixels outside the faces are bit-identical to the input. Raises TranslationError for an unknown direction and
        ValueError for an array or a strength that is not as above.
        """
        return self.blend(picture, self.generate(picture, direction), strength)

    def generate(
        self, picture: NDArray[np.uint8], direction: str, faces: Sequence[Face] | None = None, *, hair: bool = True
    ) -> tuple[Layer, ...]:
        """Runs the generator on all faces in one batch: on those given, or on those found in the picture.

        A translation whose config has no crop takes the whole picture instead, of any size: see `tiling`. `blend`
        then applies the result at any strength without running the generator again. hair: False leaves out what goes on
        over the hair around a crop, which takes a third of the time. Raises TranslationError for an unknown direction,
        ValueError for an array that is no picture or a face that lies outside of it.
        """
        check_picture(picture)
        way = self.config.direction(direction)
        if self.config.crop is None:
            return (self._generate_whole(picture, way),)
        found = self.find_faces(picture) if faces is None else faces
        return self.generate_together([picture], direction, [found], hair=hair)[0]

    def generate_together(
        self,
        pictures: Sequence[NDArray[np.uint8]],
        direction: str,
        faces: Sequence[Sequence[Face]],
        *,
        hair: bool = True,
    ) -> list[tuple[Layer, ...]]:
        """As `generate` for each picture and the faces in it, with the faces of all pictures in one batch.

        That gains time on a GPU. Raises ValueError for a translation of whole pictures, which have any size.
        """
        if self.config.crop is None:
            raise ValueError(f"{self.config.name} translates whole pictures, one at a time")
        for picture in pictures:
            check_picture(picture)
        way, crop = self.config.direction(direction), self.config.crop
        template = np.array(crop.template)
        aligned = [
            [align(face.landmarks, template, crop.size, crop.margin, crop.aspect) for face in found] for found in faces
        ]
        crops = [a.crop(picture) for picture, each in zip(pictures, aligned, strict=True) for a in each]
        generated = iter(self._translate(way, crop, np.stack(crops)) if crops else ())
        share = crop.hair.get(way) if hair and self.config.output == "change" else None
        return [
            tuple(
                self._layer(picture, face, alignment, next(generated), share)
                for face, alignment in zip(found, each, strict=True)
            )
            for picture, found, each in zip(pictures, faces, aligned, strict=True)
        ]

    def find_faces(self, picture: NDArray[np.uint8]) -> list[Face]:
        """Faces of an RGB uint8 (H, W, 3) picture that can be translated, from left to right."""
        return find_faces(self.detector, picture)

    def blend(self, picture: NDArray[np.uint8], generated: Sequence[Layer], strength: float = 1.0) -> TranslatedPicture:
        """The picture with the output of `generate` composited onto it, at a strength in [0, 1.5].

        Raises ValueError for a picture or a strength that is not as said.
        """
        check_picture(picture)
        return blend(picture, [(item,) for item in generated], read_strength(strength))

    def _generate_whole(self, picture: NDArray[np.uint8], way: Direction) -> Layer:
        return Layer(None, None, tiling.translate(picture, self._whole[way], self._paint), self.config.output)

    def _layer(
        self,
        picture: NDArray[np.uint8],
        face: Face,
        alignment: Alignment,
        made: NDArray[np.float32],
        hair: float | None,
    ) -> Layer:
        around = None
        if hair:
            around = Layer(face, *change_of_hair(picture, face.landmarks, alignment, made, hair), "change")
        return Layer(face, alignment, made, self.config.output, around=around)

    def _translate(self, way: Direction, crop: Crop, crops: NDArray[np.uint8]) -> NDArray[np.float32]:
        """From uint8 (B, S, S, 3) crops to what a layer holds: float32 (B, S, S, 3), or 4 with the head's matte."""
        made = self._run(way, before_generator(crops, crop, way))
        return after_painting(made, crops, crop, way) if self.config.output == "picture" else made

    def _run(self, way: Direction, crops: NDArray[np.uint8]) -> NDArray[np.float32]:
        """From uint8 (B, S, S, 3) crops to changes or pictures, float32 (B, S, S, 3) in units of 1/255."""
        x = np.ascontiguousarray((crops.astype(np.float32) / 127.5 - 1).transpose(0, 3, 1, 2))  # (B, 3, S, S)
        return np.stack([cv2.merge([*planes]) for planes in self._paint(x, self._engines[way](x))])

    def _paint(self, x: NDArray[np.float32], y: NDArray[np.float32]) -> NDArray[np.float32]:
        """From a generator's input and output, in [-1, 1], to a change or a picture in units of 1/255."""
        painted = (y - x) * (127.5 * self.config.gain) if self.config.output == "change" else (y + 1) * 127.5
        return painted.astype(np.float32, copy=False)


def blend(picture: NDArray[np.uint8], layers: Sequence[Sequence[Layer]], strength: float) -> TranslatedPicture:
    """A new picture with all layers composited onto it: RGB uint8 (H, W, 3), a strength in [0, 1.5].

    layers: those of each face, and those of steps on the whole picture; see `chains.generate_layers`.
    """
    tone = Tone.of(picture) if any(layers) else None
    result = composite_all(picture, (item for items in layers for item in items), strength, tone)
    of_whole = [item for items in layers for item in items if item.face is None]
    shown = []
    for items in layers:
        faces = [item.face for item in items if item.face]
        if faces:
            shown.append(TranslatedFace(faces[0], *close_up(picture, (*items, *of_whole), strength, SHOWN_SIZE, tone)))
    return TranslatedPicture(result, tuple(shown), altered=strength > 0 and any(layers))


def find_faces(detector: Detector, picture: NDArray[np.uint8]) -> list[Face]:
    """Faces of an RGB uint8 (H, W, 3) picture that can be translated, from left to right.

    None are looked for in a picture that is too narrow to show one. Raises ValueError for another kind of array.
    """
    check_picture(picture)
    return detection.find_faces(detector, picture) if may_show_faces(picture) else []


def may_show_faces(picture: NDArray[np.uint8]) -> bool:
    """Whether a picture (H, W, 3) is wide and high enough for a detector; OpenCV refuses what it cannot reduce."""
    shorter, longer = sorted(picture.shape[:2])
    return shorter >= SHORTEST_SIDE and longer <= shorter * LARGEST_RATIO


def check_picture(picture: Any) -> None:
    """Raises ValueError for what is not an RGB uint8 (H, W, 3) array."""
    if not isinstance(picture, np.ndarray) or picture.dtype != np.uint8 or picture.ndim != 3 or picture.shape[2] != 3:
        kind = f"{picture.dtype} {picture.shape}" if isinstance(picture, np.ndarray) else type(picture).__name__
        raise ValueError(f"a picture must be an RGB uint8 array of shape (H, W, 3), not {kind}; see images.load")
    if min(picture.shape[:2]) < 1:
        raise ValueError("the picture is empty")
