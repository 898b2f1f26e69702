"""Face translation with CycleGAN: from a picture to the same picture with every face of another gender.

from cyclegan_core import FaceTranslator, images

translator = FaceTranslator.from_pretrained("gender")
translated = translator(images.load("selfie.jpg"), direction="to_female", strength=1.0)
print(len(translated.faces), "faces")
images.save(translated.picture, "translated.jpg")
"""

from typing import TYPE_CHECKING, Any

from cyclegan_core.errors import CycleganError, PictureError, TranslationError

if TYPE_CHECKING:
    from cyclegan_core.inference.studio import Studio
    from cyclegan_core.inference.translator import FaceTranslator
    from cyclegan_core.translations.translation import Translation

__all__ = ["CycleganError", "FaceTranslator", "PictureError", "Studio", "Translation", "TranslationError"]
__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    # On first use: training, and a command line that only prints its help, need neither OpenCV nor a detector.
    if name == "FaceTranslator":
        from cyclegan_core.inference.translator import FaceTranslator

        return FaceTranslator
    if name == "Studio":
        from cyclegan_core.inference.studio import Studio

        return Studio
    if name == "Translation":
        from cyclegan_core.translations.translation import Translation

        return Translation
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
