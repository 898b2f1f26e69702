"""`translate_animation`: the faces in all frames of an animated picture, without flicker."""

from pathlib import Path, PurePath

from cyclegan_core import images
from cyclegan_core.errors import PictureError
from cyclegan_core.inference.descriptions import describe
from cyclegan_core.inference.studio import Chain, Studio
from cyclegan_core.video.stream import FaceStream


def animation_for(target: PurePath, source: Path | bytes) -> images.Animation | None:
    """The animation in a file or its bytes; None where it is none, or the format of its result has no frames."""
    return images.load_animation(source) if target.suffix.lower() in images.ANIMATED_SUFFIXES else None


def translate_animation(
    animation: images.Animation, target: Path, studio: Studio, chain: Chain, *, strength: float = 1.0
) -> int:
    """Translates an animation frame by frame, as a film, and returns in how many frames there was something to do.

    The frames keep their times and their transparency. target: ends in .webp or .png, and appears whole or not at all.
    strength: in [0, 1.5]. Raises PictureError where no frame can be read or the file cannot be written, and
    TranslationError for a step of the chain that the studio does not have.
    """
    stream = FaceStream(studio)
    whole = studio.needs_no_face(chain)
    translated: list[images.Frame] = []
    altered = 0
    milliseconds = 0
    for frame in animation.read():
        picture = frame.picture
        pixels = stream.process(picture.pixels, chain, strength=strength, time=milliseconds / 1000)
        translated.append(images.Frame(images.Picture(pixels, picture.alpha), frame.milliseconds))
        altered += whole or stream.faces > 0
        milliseconds += frame.milliseconds
    if not translated:
        raise PictureError(f"{animation.name} is damaged or cut short: download it again, or export it anew.")
    made_by = describe(chain) if altered and strength > 0 else None
    images.save_animation(translated, target, plays=animation.plays, made_by=made_by)
    return altered
