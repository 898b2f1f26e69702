"""What a translation's config asks for around its generator: the crops that it sees, and what it has painted."""

import numpy as np
from numpy.typing import NDArray

from cyclegan_core.faces.head_matte import with_head_opacity
from cyclegan_core.inference.crops.colour_transfer import with_colours_of
from cyclegan_core.inference.crops.sharpness import softened
from cyclegan_core.translations.config import Crop, Direction


def before_generator(crops: NDArray[np.uint8], crop: Crop, direction: Direction) -> NDArray[np.uint8]:
    """Crops RGB uint8 (B, S, S, 3) as the generator is to see them."""
    return np.stack([softened(each, crop.sharpness.get(direction)) for each in crops])


def after_painting(
    painted: NDArray[np.float32], crops: NDArray[np.uint8], crop: Crop, direction: Direction
) -> NDArray[np.float32]:
    """Painted crops float32 (B, S, S, 3) in [0, 255] as `blending.paste` takes them: with a matte they have 4 channels.

    crops: RGB uint8 (B, S, S, 3), of which they were painted.
    """
    if share := crop.colour_transfer.get(direction):
        pairs = zip(crops, painted, strict=True)
        painted = np.stack([with_colours_of(photo, drawing, share) for photo, drawing in pairs])
    return with_head_opacity(painted, crops) if crop.matte else painted
