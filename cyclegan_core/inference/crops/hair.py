"""Carrying on what a generator does to the hair that it sees over the hair around its crop.

A face is aged in a tight crop, from brow to chin. The generator greys the temples and the fringe there, but a change
must fade out towards the border of its crop. Outside, each pixel of the head takes the mean change of those pixels in
the crop that are like it in colour and near: a joint bilateral filter (Petschnigg et al. 2004, "Digital photography
with flash and no-flash image pairs") that looks from the crop outwards. A hat of another colour stays.
"""

import cv2
import numpy as np
from numpy.typing import NDArray

from cyclegan_core.faces.alignment import HEAD_ASPECT, HEAD_TEMPLATE, Alignment, align
from cyclegan_core.faces.blending import feathered_mask
from cyclegan_core.faces.head_matte import embedded_head_matte

WINDOW = 1.75  # side of the window of a head for that of a crop of its face, at which no pixel of the crop is lost
GRID = 32  # side in pixels at which the window is looked at for what is like what
MATTE_SIZE = 64  # side in pixels at which the head is told from its background
EDGE = 0.04  # of the crop's side, where the generator itself sees no surroundings and is not believed
COLOUR, NEARNESS = 25.0, 0.25  # standard deviations of the filter: in units of 1/255, and of the window's side
LIKE_NOTHING = 0.15  # weight of no change at all: what is like hardly anything in the crop stays as it is
CHIN = (0.62, 0.8)  # heights in the window between which the change ends: necks and scarves keep their colours


def with_hair(
    picture: NDArray[np.uint8],
    landmarks: NDArray[np.floating],
    crop: Alignment,
    change: NDArray[np.float32],
    share: float,
) -> tuple[Alignment, NDArray[np.float32]]:
    """The change of a crop, carried on over the hair around: the window of the head, and the change in that.

    picture: RGB uint8 (H, W, 3). landmarks: (5, 2) in its pixels. crop: by which the face was cut. change: float32
    (s, s, 3) in units of 1/255, of the crop. share: by which the change of hair is multiplied. Returns an alignment of
    WINDOW times the crop's size and float32 (S, S, 3) of that size, to be added as `blending.add_change` does.
    """
    side = change.shape[0]
    window = align(landmarks, np.array(HEAD_TEMPLATE), round(WINDOW * side), aspect=HEAD_ASPECT)
    mask = feathered_mask(side)
    head = window.at_size(MATTE_SIZE).crop(picture)
    matte = embedded_head_matte()(head[None])[0] * _above_the_chin(MATTE_SIZE)
    changed = _as_what_is_like_it(head, matte, crop, change, window.at_size(GRID))
    inside = _moved(np.dstack([change * mask[..., None], mask]), crop, window, cv2.INTER_CUBIC)
    size = (window.size, window.size)
    opacity = share * cv2.resize(matte, size) * (1 - inside[..., 3])
    return window, inside[..., :3] + cv2.resize(changed, size) * opacity[..., None]


def _as_what_is_like_it(
    head: NDArray[np.uint8],
    matte: NDArray[np.float32],
    crop: Alignment,
    change: NDArray[np.float32],
    window: Alignment,
) -> NDArray[np.float32]:
    """The change of each pixel of a window, (GRID, GRID, 3), as those like it in the crop have it."""
    grid, side = (GRID, GRID), change.shape[0]
    colours = cv2.resize(head, grid, interpolation=cv2.INTER_AREA)
    of_head = cv2.resize(matte, grid, interpolation=cv2.INTER_AREA)
    margin = max(1, round(EDGE * side))
    believed = np.pad(np.ones((side - 2 * margin,) * 2, np.float32), margin)
    known = (_moved(believed, crop, window) > 0.99) & (of_head > 0.5)
    wanted = (of_head > 0.02) & (_moved(feathered_mask(side), crop, window) < 0.98)
    rows = np.broadcast_to(np.arange(GRID, dtype=np.float32)[:, None] / GRID, grid)
    features = np.dstack([colours / COLOUR, rows / NEARNESS, rows.T / NEARNESS]).astype(np.float32)
    soft = cv2.GaussianBlur(change, (0, 0), 0.6 * side * WINDOW / GRID)
    result = np.zeros((*grid, 3), np.float32)
    if wanted.any() and known.any():
        weights = _likeness(features[wanted], features[known])
        sums = cv2.gemm(weights, _moved(soft, crop, window)[known], 1.0, np.empty(0), 0.0)
        result[wanted] = sums / (weights.sum(1, keepdims=True) + LIKE_NOTHING)
    return result


def _above_the_chin(side: int) -> NDArray[np.float32]:
    """Float32 (side, 1): 1, and falling to 0 between the heights of CHIN."""
    height = (np.arange(side, dtype=np.float32) + 0.5)[:, None] / side
    return ((CHIN[1] - height) / (CHIN[1] - CHIN[0])).clip(0, 1)


def _likeness(one: NDArray[np.float32], other: NDArray[np.float32]) -> NDArray[np.float32]:
    """Gaussian weights float32 (N, M) of the distances between features (N, F) and (M, F)."""
    # Not by numpy, whose threads wait for each other busily: on a machine with other work that takes 10 ms.
    products = cv2.gemm(one, other, 1.0, np.empty(0), 0.0, flags=cv2.GEMM_2_T)
    squares = (one**2).sum(1)[:, None] + (other**2).sum(1) - 2 * products
    return np.exp(-0.5 * np.maximum(squares, 0))


def _moved(
    image: NDArray[np.float32], source: Alignment, target: Alignment, interpolation: int = cv2.INTER_LINEAR
) -> NDArray[np.float32]:
    """An image of one crop, (s, s) or (s, s, C), as it lies in another one; 0 outside."""
    back = np.vstack([source.at_size(image.shape[0]).inverse, (0, 0, 1)])
    size = (target.size, target.size)
    return cv2.warpAffine(image, target.matrix @ back, size, flags=interpolation, borderMode=cv2.BORDER_CONSTANT)
