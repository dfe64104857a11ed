"""Near-duplicates: images that look alike are one patient where nobody says who is on them.

::

    image -> 64x64 gray -> 16x16 lowest DCT terms -> 255 bits -> pairs at most 48 bits apart -> groups (union-find)

Same-view copies are found (re-encoded, scaled, a neighbouring frame of a loop); mirrored or cropped ones are not.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from calibration.dataset import Dataset

if TYPE_CHECKING:
    from numpy.typing import NDArray

THUMB_PX = 64
TERMS = 16
# Of 255 bits. On 1,360 fpdb images the pairs up to 51 were 32 of one patient and 3 of two numbers that show the same
# image; from 61 on unlike images met. On 1,527 fetusfw images no pair lies between 0 and 54.
NEAR_BITS = 48
BLOCK = 1024  # rows compared at once: 1024 x 12,400 float32 take 51 MB


def hash_from_frame(frame: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Perceptual hash: which low-frequency terms of the image lie above their median.

    Args:
        frame: (H,W) or (H,W,3), 0..255.

    Returns:
        (255,) bits.

    Source: Zauner, "Implementation and benchmarking of perceptual image hash functions" (2010), DCT hash.
    """
    from PIL import Image

    from edge.preprocess import gray_from_frame

    gray = Image.fromarray(np.ascontiguousarray(gray_from_frame(frame)))
    thumb = np.asarray(gray.resize((THUMB_PX, THUMB_PX), Image.Resampling.BOX), np.float64)
    steps, terms = np.arange(THUMB_PX), np.arange(TERMS)[:, None]
    basis = np.cos(np.pi * (2 * steps + 1) * terms / (2 * THUMB_PX))
    spectrum = (basis @ thumb @ basis.T).ravel()[1:]  # without the mean: brightness does not count
    bits: NDArray[np.bool_] = spectrum > np.median(spectrum)
    return bits


def groups_from_hashes(hashes: NDArray[np.bool_], near_bits: int = NEAR_BITS) -> NDArray[np.intp]:
    """Join everything that is near, directly or over others.

    Args:
        hashes: (n, bits).
        near_bits: largest Hamming distance of two near images.

    Returns:
        (n,) index of the first member of each one's group.
    """
    parent = np.arange(len(hashes))
    signs = np.where(hashes, 1, -1).astype(np.float32)
    near = hashes.shape[1] - 2 * near_bits  # a dot product of signs is bits - 2 * distance
    for start in range(0, len(signs), BLOCK):
        products = signs[start : start + BLOCK] @ signs.T
        for row, column in zip(*np.nonzero(products >= near), strict=True):
            a, b = _root(parent, start + int(row)), _root(parent, int(column))
            parent[max(a, b)] = min(a, b)
    return np.array([_root(parent, index) for index in range(len(parent))], np.intp)


def _root(parent: NDArray[np.intp], index: int) -> int:
    while parent[index] != index:
        parent[index] = parent[parent[index]]
        index = int(parent[index])
    return index


def patients_from_looks(dataset: Dataset, progress: Callable[[str, float], None] | None = None) -> Dataset:
    """Give samples without a patient one by their looks: `look-` and the number of the group's first sample.

    Samples with a patient keep it and are not compared.

    Raises:
        ImageError: an image cannot be read.
    """
    blank = [index for index, sample in enumerate(dataset.samples) if not sample.patient]
    if not blank:
        return dataset
    groups = groups_from_hashes(np.stack(list(_hashes(dataset, blank, progress))))
    names = {index: f"look-{blank[int(group)]:05d}" for index, group in zip(blank, groups, strict=True)}
    samples = (replace(s, patient=names.get(index, s.patient)) for index, s in enumerate(dataset.samples))
    return Dataset(dataset.root, tuple(samples))


def _hashes(
    dataset: Dataset, indices: Sequence[int], progress: Callable[[str, float], None] | None
) -> Iterable[NDArray[np.bool_]]:
    from edge.sources.images import load_image

    for done, index in enumerate(indices, 1):
        yield hash_from_frame(load_image(dataset.path(dataset.samples[index])))
        if progress is not None:
            progress("comparing images", done / len(indices))
