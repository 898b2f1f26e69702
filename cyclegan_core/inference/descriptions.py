"""What is told people about a translation, each sentence in one place. Nothing heavy is imported here."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cyclegan_core.inference.chains import Step

NO_FACE = "No face found. Try a photo in which the face is larger, upright and looks towards the camera."


def describe(*chains: "Iterable[Step]") -> str:
    """What was done to a picture, in words for people and for a file's metadata: `age: older, anime: to anime`.

    A step that several chains have in common is named once. Empty where no chain has a step.
    """
    steps = dict.fromkeys(step for chain in chains for step in chain)
    return ", ".join(f"{step.translation}: {step.direction.replace('_', ' ')}" for step in steps)
