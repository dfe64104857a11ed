"""What runs the network. A backend takes the preprocessed input and gives arrays; it knows no bundle and no label."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class Backend(Protocol):
    """An engine that is loaded and ready; concurrent calls are safe."""

    @property
    def name(self) -> str:
        """What runs, with its version, e.g. "onnxruntime 1.23.2"."""
        ...

    def logits_from_input(self, network_input: NDArray[np.float32]) -> NDArray[np.float32]:
        """(B,C,S,S) -> (B,K)."""
        ...

    def features_from_input(self, network_input: NDArray[np.float32]) -> NDArray[np.float32]:
        """(B,C,S,S) -> (B,h,w,D), the normalized last map."""
        ...

    def close(self) -> None:
        """Free the engine; it must not be called afterwards."""
        ...
