"""The network's features -> a map in the plane (t-SNE): which images it holds to be alike."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from calibration.reports.absent import Absent

MIN_IMAGES = 10  # fewer have no neighbourhood to be kept
MAX_IMAGES = 2000  # more take minutes on two cores and cover each other
PERPLEXITY = 30.0  # neighbours an image keeps close to; the usual value of the paper's range of 5..50


@dataclass(frozen=True)
class Embedding:
    """Only who is near whom means something, no axis and no distance does.

    Attributes:
        images: numbers of the images that are on the map, rising.
        points: theirs.
    """

    perplexity: float
    seed: int
    images: tuple[int, ...]
    points: tuple[tuple[float, float], ...]


def embedding_from_features(
    features: NDArray[np.float32] | None, seed: int = 0, limit: int = MAX_IMAGES
) -> Embedding | Absent:
    """t-SNE.

    Args:
        features: (M,D), None where the engine gave none.
        seed: of the method, and of the choice where there are more images than the limit.
        limit: images on the map.

    Source: van der Maaten and Hinton, Visualizing Data using t-SNE, JMLR 9, 2008.
    """
    if features is None:
        return Absent("The engine gives no features (output `features`).")
    if len(features) < MIN_IMAGES:
        return Absent(f"A map needs at least {MIN_IMAGES} images; there are {len(features)}.")
    if not np.isfinite(features).all():
        return Absent("A feature is no finite number.")
    images = np.sort(np.random.default_rng(seed).permutation(len(features))[:limit])
    features = features[images]
    spread = features.std(0, dtype=np.float64)
    if (spread > 0).sum() < 2:
        return Absent("The images differ in less than two features.")
    from sklearn.manifold import TSNE

    perplexity = min(PERPLEXITY, (len(features) - 1) / 3)
    scaled = (features - features.mean(0))[:, spread > 0] / spread[spread > 0]
    method = TSNE(perplexity=perplexity, init="pca", learning_rate="auto", random_state=seed)
    points = np.round(method.fit_transform(scaled), 3).tolist()
    return Embedding(perplexity, seed, tuple(images.tolist()), tuple((x, y) for x, y in points))
