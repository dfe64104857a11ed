"""Dataset -> squares and input batches, through the device's own preprocessing; ONNX file + inputs -> outputs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from calibration.dataset import Dataset
from edge.backends.ort import ort_from_model
from edge.preprocess import Preprocess, input_from_square, square_from_frame
from edge.sources.images import load_image

BATCH = 8  # images a run: keeps the activations of a 224-pixel network within the cache of a laptop


def squares_from_dataset(
    dataset: Dataset, preprocess: Preprocess, progress: Callable[[str, float], None] | None = None
) -> NDArray[np.uint8]:
    """All images of a dataset as the device sees them.

    Args:
        dataset: M images.
        preprocess: size and crop.
        progress: told what is done, 0..1.

    Returns:
        (M,S,S), 0..255.

    Raises:
        ImageError: an image cannot be read.
    """
    squares = np.empty((len(dataset.samples), preprocess.size_px, preprocess.size_px), np.uint8)
    for index, sample in enumerate(dataset.samples):
        squares[index] = square_from_frame(load_image(dataset.path(sample)), preprocess)
        if progress is not None:
            progress("reading images", (index + 1) / len(squares))
    return squares


def batches_from_squares(
    squares: NDArray[np.uint8], preprocess: Preprocess, batch: int = BATCH
) -> Iterator[NDArray[np.float32]]:
    """(M,S,S) -> batches (b,C,S,S), b <= batch."""
    for start in range(0, len(squares), batch):
        yield np.concatenate([input_from_square(square, preprocess) for square in squares[start : start + batch]])


def logits_from_onnx(
    path: Path,
    squares: NDArray[np.uint8],
    preprocess: Preprocess,
    threads: int,
    batch: int = BATCH,
    libraries: Sequence[bytes] = (),
) -> NDArray[np.float32]:
    """Run a model over images with the device's own backend.

    Args:
        path: ONNX with the input `frame` and the output `logits`.
        squares: (M,S,S).
        preprocess: of the model.
        threads: of ONNX Runtime.
        batch: images a run; 1 for models with a fixed batch.
        libraries: native operators; without them the model's local functions run.

    Returns:
        (M,K).
    """
    backend = ort_from_model(path.read_bytes(), threads, spin=False, libraries=libraries)
    try:
        return np.concatenate([backend.logits_from_input(x) for x in batches_from_squares(squares, preprocess, batch)])
    finally:
        backend.close()
