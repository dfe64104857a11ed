"""A backend without an engine: for tests of everything around one, and to try a device before its engine is built.

Class k answers with the mean of the k-th of K horizontal bands of the input: deterministic, easy to steer by a frame.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True)
class NullBackend:
    """Bands of the input as logits.

    Attributes:
        classes: K.
    """

    classes: int
    name: str = "null"

    def logits_from_input(self, network_input: NDArray[np.float32]) -> NDArray[np.float32]:
        """(B,C,S,S) -> (B,K), the mean of each band."""
        bands = np.array_split(network_input, self.classes, axis=2)
        return np.stack([band.mean(axis=(1, 2, 3)) for band in bands], axis=1)

    def features_from_input(self, network_input: NDArray[np.float32]) -> NDArray[np.float32]:
        """(B,C,S,S) -> (B,1,1,K), the logits as a map of one pixel."""
        return self.logits_from_input(network_input)[:, None, None, :]

    def close(self) -> None:
        """Nothing to free."""
