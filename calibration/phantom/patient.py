"""A made-up patient: every number about it comes from a seed, its number and the quantity's name, in any order."""

from __future__ import annotations

import math
import zlib
from dataclasses import dataclass

import numpy as np

REFERENCE_WEEKS = 22.0  # the anatomy's millimetres hold for this age
WEEKS = (18.0, 32.0)  # gestational ages that are made


@dataclass(frozen=True)
class Patient:
    """Source of one patient's numbers.

    Attributes:
        seed: of the whole set.
        number: of the patient in it.
    """

    seed: int
    number: int

    @property
    def weeks(self) -> float:
        """Gestational age."""
        return self.value("weeks", *WEEKS)

    @property
    def growth(self) -> float:
        """Length of this fetus over that at the reference age: about linear over these weeks."""
        return math.pow(self.weeks / REFERENCE_WEEKS, 1.15)

    def value(self, name: str, low: float, high: float) -> float:
        """A number of this patient, even between two bounds, the same whenever it is asked for.

        Args:
            name: of the quantity.
            low: lowest.
            high: highest.
        """
        return float(self.generator(name).uniform(low, high))

    def generator(self, name: str, number: int = 0) -> np.random.Generator:
        """A source of randomness for one purpose.

        Args:
            name: of the purpose.
            number: counts where one purpose needs several, for instance frames.
        """
        return np.random.default_rng([self.seed, self.number, zlib.crc32(name.encode()), number])
