"""Phantom frames: every plane is drawn, the same each time, and never without its marking."""

from __future__ import annotations

import numpy as np
import pytest

from calibration.dataset import Sample
from calibration.phantom.frame import frame_from_phantom, frame_size, scanner_from_patient
from calibration.phantom.marking import STRIP, is_synthetic
from calibration.phantom.patient import Patient
from calibration.phantom.planes import NEIGHBOURS, NOT_STANDARD, VIEWS, neighbours_from_plane, plane_names
from calibration.phantom.scanner import SCANNERS
from calibration.phantom.tissue import TISSUES
from edge.errors import UsageError
from edge.protocol import load_protocol
from edge.quality import unfit_from_frame

PLANES = (*plane_names(), NOT_STANDARD)
WITH_LATERALITY = {"LVOT", "RVOT", "3VT"}


def test_every_plane_of_the_protocol_is_drawn() -> None:
    assert set(VIEWS) == {plane.id for plane in load_protocol("prenatal21").planes}
    assert sorted(plane for group in NEIGHBOURS for plane in group) == sorted(VIEWS)


@pytest.mark.parametrize("plane", PLANES)
def test_a_frame_passes_the_checks_of_the_runtime(plane: str) -> None:
    frame = frame_from_phantom(plane, Patient(5, 1), 3, 256)
    assert frame.dtype == np.uint8 and max(frame.shape) == 256
    assert unfit_from_frame(frame) is None


def test_the_same_arguments_give_the_same_frame() -> None:
    first, again = (frame_from_phantom("4C", Patient(1, 2), 3, 192) for _ in range(2))
    assert np.array_equal(first, again)


@pytest.mark.parametrize("other", [(Patient(1, 2), 4), (Patient(1, 3), 3), (Patient(2, 2), 3)])
def test_another_number_patient_or_seed_gives_another_frame(other: tuple[Patient, int]) -> None:
    first, second = frame_from_phantom("4C", Patient(1, 2), 3, 192), frame_from_phantom("4C", *other, 192)
    assert first.shape != second.shape or not np.array_equal(first, second)


def test_a_patient_keeps_its_anatomy_and_scanner() -> None:
    patient = Patient(1, 2)
    assert patient.value("shape thalamus", 0, 1) == Patient(1, 2).value("shape thalamus", 0, 1)
    assert scanner_from_patient(patient) is scanner_from_patient(Patient(1, 2))
    assert {scanner_from_patient(Patient(0, number)) for number in range(40)} == set(SCANNERS)


@pytest.mark.parametrize("number", range(6))
def test_every_frame_has_text_outside_its_sector(number: int) -> None:
    patient = Patient(0, number)
    height, _ = frame_size(scanner_from_patient(patient), 512)
    frame = frame_from_phantom("AB", patient, 0, 512)
    strip = round(height * STRIP)
    rows = slice(0, strip) if scanner_from_patient(patient).header >= 0.5 else slice(-strip, None)
    letters = frame[rows, : frame.shape[1] // 2]
    assert (letters > 180).mean() > 0.02 and np.median(letters) == 0


def test_laterality_is_kept_where_it_names_the_plane() -> None:
    assert {plane for plane, view in VIEWS.items() if not view.may_mirror} == WITH_LATERALITY


def test_shapes_are_of_known_tissues() -> None:
    used = {shape.tissue for view in VIEWS.values() for shape in (*view.around, *view.landmarks)}
    assert used <= set(TISSUES)


@pytest.mark.parametrize("group", [group for group in NEIGHBOURS if group[0] in ("TTV", "4C")])
def test_near_planes_share_what_is_around_their_landmarks(group: tuple[str, ...]) -> None:
    assert len({VIEWS[plane].around for plane in group}) == 1
    assert len({VIEWS[plane].landmarks for plane in group}) == len(group)


def test_neighbours_are_told() -> None:
    assert neighbours_from_plane("TTV") == ("TV", "TCV") and neighbours_from_plane("ICO") == ()


def test_an_unknown_plane_is_a_usage_error() -> None:
    with pytest.raises(UsageError, match="no phantom of the plane"):
        frame_from_phantom("heart", Patient(0, 0))


def test_one_phantom_makes_a_data_set_synthetic() -> None:
    real, phantom = Sample("a.png", "AB", dataset="fpdb"), Sample("b.png", "AB", dataset="phantom")
    assert is_synthetic([real, phantom]) and not is_synthetic([real])


def test_numbers_of_a_patient_do_not_depend_on_the_order_they_are_asked_in() -> None:
    forth = [Patient(3, 1).value(name, 0, 1) for name in "abc"]
    back = [Patient(3, 1).value(name, 0, 1) for name in "cba"]
    assert forth == back[::-1]
