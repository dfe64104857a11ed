"""What a phantom set holds: settings -> one sample per frame, split by patient. Nothing is drawn here."""

from __future__ import annotations

from dataclasses import dataclass

from calibration.dataset import Sample
from calibration.phantom.frame import scanner_from_patient
from calibration.phantom.marking import DATASET
from calibration.phantom.patient import Patient
from calibration.phantom.planes import NOT_STANDARD, plane_names
from calibration.splits import split_by_patient
from edge.errors import UsageError

GENERATOR = 2  # raised whenever the same settings would give other frames
FRAMES_PER_PATIENT = 2  # of each plane
REJECTS_PER_PATIENT = 8  # frames that are no plane
SIZES_PX = (96, 2048)
MAX_PER_PLANE = 5000
SPLITS = ("train", "val", "test")


@dataclass(frozen=True)
class PhantomSettings:
    """Everything that decides a phantom set.

    Attributes:
        seed: of everything.
        per_plane: frames of each plane.
        size_px: longest side of a frame.
        split: shares of train, val and test; they add up to 1.
        generator: version of the drawing.
    """

    seed: int = 0
    per_plane: int = 60
    size_px: int = 512
    split: tuple[float, float, float] = (0.7, 0.1, 0.2)
    generator: int = GENERATOR

    @property
    def patients(self) -> int:
        """How many patients the set has."""
        return -(-self.per_plane // FRAMES_PER_PATIENT)


@dataclass(frozen=True)
class PlannedFrame:
    """One frame to draw.

    Attributes:
        sample: its row in the label table.
        patient: number of its patient.
        number: of the frame among that patient's of the plane.
    """

    sample: Sample
    patient: int
    number: int


def split_from_text(text: str) -> tuple[float, float, float]:
    """Read shares of train, val and test, e.g. "7:1:2".

    Raises:
        UsageError: not three positive numbers.
    """
    try:
        parts = [float(part) for part in text.split(":")]
    except ValueError:
        parts = []
    if len(parts) != len(SPLITS) or not all(0 < part < 1e6 for part in parts):
        raise UsageError(f"{text!r} is no split.", "Give shares of train, val and test, all above 0, e.g. 7:1:2.")
    train, val, test = (part / sum(parts) for part in parts)
    return train, val, test


def plan_from_settings(settings: PhantomSettings) -> tuple[PlannedFrame, ...]:
    """List the frames of a set: every patient is scanned in every plane.

    Args:
        settings: of the set.

    Raises:
        UsageError: fewer patients than splits, or a size or number out of range.
    """
    if settings.patients < len(SPLITS) or settings.per_plane > MAX_PER_PLANE:
        raise UsageError(
            f"{settings.per_plane} frames a plane are {settings.patients} patients.",
            f"Give {FRAMES_PER_PATIENT * len(SPLITS) - 1} to {MAX_PER_PLANE}: each of {', '.join(SPLITS)} needs one.",
        )
    if not SIZES_PX[0] <= settings.size_px <= SIZES_PX[1] or settings.seed < 0:
        raise UsageError(
            f"Size {settings.size_px}, seed {settings.seed} is out of range.",
            f"Give {SIZES_PX[0]} to {SIZES_PX[1]} px and a seed of 0 or more.",
        )
    frames = [
        PlannedFrame(_sample(plane, patient, number, settings.seed), patient, number)
        for plane in (*plane_names(), NOT_STANDARD)
        for patient in range(settings.patients)
        for number in range(_frames(plane, patient, settings))
    ]
    fractions = dict(zip(SPLITS, settings.split, strict=True))
    samples = split_by_patient([frame.sample for frame in frames], fractions, settings.seed)
    return tuple(
        PlannedFrame(sample, frame.patient, frame.number) for sample, frame in zip(samples, frames, strict=True)
    )


def _frames(plane: str, patient: int, settings: PhantomSettings) -> int:
    if plane == NOT_STANDARD:
        return REJECTS_PER_PATIENT
    return min(FRAMES_PER_PATIENT, settings.per_plane - patient * FRAMES_PER_PATIENT)


def _sample(plane: str, patient: int, number: int, seed: int) -> Sample:
    return Sample(
        file=f"images/{plane}/phantom_{seed}_{patient:04d}_{number}.png",
        label=plane,
        patient=f"PHANTOM-{seed}-{patient:04d}",
        machine=scanner_from_patient(Patient(seed, patient)).name,
        operator="generator",
        dataset=DATASET,
    )
