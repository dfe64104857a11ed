"""What a phantom's tissues do to sound, as one table. Schematic values, chosen by eye: no measured material."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Tissue:
    """How a region scatters, reflects and attenuates.

    Attributes:
        echo_db: backscatter, 0 for subcutaneous tissue.
        impedance: relative; an interface reflects by the difference along the beam.
        loss_db_mm: two-way attenuation beyond what the scanner's TGC makes up for; below 0 it enhances.
    """

    echo_db: float
    impedance: float
    loss_db_mm: float = 0.0


TISSUES: dict[str, Tissue] = {
    "fluid": Tissue(-52, 0.0, -0.07),
    "blood": Tissue(-40, 0.2, -0.04),
    "mucus": Tissue(-30, 0.6, -0.01),
    "skin": Tissue(-4, 1.2, 0.01),
    "muscle": Tissue(-14, 0.9),
    "fat": Tissue(-9, 0.75, 0.02),
    "uterus": Tissue(-11, 0.8),
    "placenta": Tissue(-7, 0.75),
    "brain": Tissue(-22, 0.8),
    "thalamus": Tissue(-29, 0.7),
    "choroid": Tissue(-1, 1.1, 0.02),
    "sulcus": Tissue(-9, 1.0),
    "line": Tissue(-1, 1.7, 0.05),
    "cerebellum": Tissue(-22, 0.65),
    "vermis": Tissue(-5, 1.1),
    "skull": Tissue(-3, 2.6, 0.9),
    "bone": Tissue(2, 3.2, 5.0),
    "thin bone": Tissue(2, 3.0, 1.2),
    "vertebra": Tissue(4, 2.8, 2.2),
    "rib": Tissue(1, 2.6, 3.0),
    "cartilage": Tissue(-25, 0.6),
    "cord": Tissue(-24, 0.7),
    "heart": Tissue(-12, 1.0),
    "valve": Tissue(1, 1.4),
    "lung": Tissue(-12, 0.9, 0.03),
    "thymus": Tissue(-18, 0.85),
    "liver": Tissue(-16, 0.9),
    "bowel": Tissue(-10, 1.0, 0.02),
    "kidney": Tissue(-23, 0.8),
    "pelvis": Tissue(-36, 0.3),
    "diaphragm": Tissue(-32, 0.5),
    "tongue": Tissue(-13, 0.8),
    "cervix": Tissue(-6, 0.9, 0.01),
    "wharton": Tissue(-14, 0.8),
}
