"""What a CUDA device says of itself, as far as an engine built for it depends on it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Gpu:
    """One device; no serial number, so that a replaced board of the same kind keeps its plan.

    Attributes:
        name: as CUDA gives it, e.g. "Orin".
        capability: compute capability times ten, e.g. 87.
        multiprocessors: their number; the boards of one family differ in it.
        driver: newest CUDA that the driver knows, e.g. 12060 for 12.6.
    """

    name: str
    capability: int
    multiprocessors: int
    driver: int

    @property
    def text(self) -> str:
        """For people, e.g. "Orin (sm_87, 8 multiprocessors, CUDA driver 12.6)"."""
        driver = f"{self.driver // 1000}.{self.driver % 1000 // 10}"
        return f"{self.name} (sm_{self.capability}, {self.multiprocessors} multiprocessors, CUDA driver {driver})"
