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

SIZE = 64  # side in pixels of the window of a head: hair changes smoothly
GRID = 32  # side in pixels at which the window is looked at for what is like what
EDGE = 0.04  # of the crop's side, where the generator itself sees no surroundings and is not believed
COLOUR, NEARNESS = 25.0, 0.25  # standard deviations of the filter: in units of 1/255, and of the window's side
LIKE_NOTHING = 0.15  # weight of no change at all: what is like hardly anything in the crop stays as it is
CHIN = (0.62, 0.8)  # heights in the window between which the change ends: necks and scarves keep their colours


def change_of_hair(
    picture: NDArray[np.uint8],
    landmarks: NDArray[np.floating],
    crop: Alignment,
    change: NDArray[np.float32],
    share: float,
) -> tuple[Alignment, NDArray[np.float32]]:
    """What is to be added around a crop so that its change goes on over the hair there: the window of the head.

    picture: RGB uint8 (H, W, 3). landmarks: (5, 2) in its pixels. crop: by which the face was cut. change: float32
    (s, s, 3) in units of 1/255, of the crop. share: by which the change of hair is multiplied. Returns an alignment of
    SIZE and float32 (SIZE, SIZE, 3), to be added as `blending.add_change` does beside the change itself; it grows as
    that one fades.
    """
    window = align(landmarks, np.array(HEAD_TEMPLATE), SIZE, aspect=HEAD_ASPECT)
    head = window.crop(picture)
    matte = embedded_head_matte()(head[None])[0] * _above_the_chin(SIZE)
    changed = _as_what_is_like_it(head, matte, crop, change, window.at_size(GRID))
    opacity = share * matte * (1 - _moved(feathered_mask(change.shape[0]), crop, window))
    return window, cv2.resize(changed, (SIZE, SIZE)) * opacity[..., None]


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
    soft = cv2.GaussianBlur(change, (0, 0), 0.6 * crop.at_size(side).scale / window.scale)
    result = np.zeros((*grid, 3), np.float32)
    if wanted.any() and known.any():
        values = np.pad(_moved(soft, crop, window)[known], ((0, 0), (0, 1)), constant_values=1)
        # Not by numpy, whose threads wait for each other busily: on a machine with other work that takes 10 ms.
        sums = cv2.gemm(_likeness(features[wanted], features[known]), values, 1.0, np.empty(0), 0.0)
        result[wanted] = sums[:, :3] / (sums[:, 3:] + LIKE_NOTHING)
    return result


def _above_the_chin(side: int) -> NDArray[np.float32]:
    """Float32 (side, 1): 1, and falling to 0 between the heights of CHIN."""
    height = (np.arange(side, dtype=np.float32) + 0.5)[:, None] / side
    return ((CHIN[1] - height) / (CHIN[1] - CHIN[0])).clip(0, 1)


def _likeness(one: NDArray[np.float32], other: NDArray[np.float32]) -> NDArray[np.float32]:
    """Gaussian weights float32 (N, M) of the distances between features (N, F) and (M, F)."""
    # The squared distance as one product: |a - b|^2 = a.a + b.b - 2 a.b
    rows = np.column_stack([one, (one**2).sum(1), np.ones(len(one), np.float32)])
    columns = np.column_stack([other, np.full(len(other), -0.5, np.float32), -0.5 * (other**2).sum(1)])
    exponents = cv2.gemm(rows, columns, 1.0, np.empty(0), 0.0, flags=cv2.GEMM_2_T)
    weights: NDArray[np.float32] = cv2.exp(exponents, exponents)
    return weights


def _moved(image: NDArray[np.float32], source: Alignment, target: Alignment) -> NDArray[np.float32]:
    """An image of one crop, (s, s) or (s, s, C), as it lies in another one; 0 outside."""
    back = np.vstack([source.at_size(image.shape[0]).inverse, (0, 0, 1)])
    return cv2.warpAffine(image, target.matrix @ back, (target.size, target.size), flags=cv2.INTER_LINEAR)
