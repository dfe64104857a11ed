"""Images that show no plane of the model: as what they are accepted."""

from __future__ import annotations

from dataclasses import replace

import pytest

from calibration.dataset import Sample
from calibration.reports.absent import Absent
from calibration.reports.others import groups_from_manifest, other_images
from edge.manifest import Coverage, Label
from tests.calibration.evaluations import evaluation_from_shown, sure
from tests.edge.conftest import MANIFEST

PLANE = sure("abdomen", 0, 0.9, patient="p")
HEADS = [sure("head", 1, 0.9, patient="a"), sure("head", 1, 0.5, patient="a"), sure("head", 0, 0.9, patient="b")]


def test_labels_that_should_be_refused_stand_first_then_those_without_a_demand() -> None:
    evaluation = evaluation_from_shown([PLANE, sure("cervix", 1, 0.9), *HEADS])
    images = zip(evaluation.dataset.samples[2:], evaluation.predictions[2:], strict=True)
    rows = other_images(replace(evaluation_from_shown([PLANE, sure("cervix", 1, 0.9)]), others=tuple(images)))
    assert not isinstance(rows, Absent)
    assert [(row.label, row.n, row.patients, row.should_be_refused) for row in rows] == [
        ("cervix", 1, 1, True),
        ("head", 3, 2, False),
    ]
    assert rows[1].accepted == pytest.approx({"abdomen": 1 / 3, "limbs": 1 / 3})
    assert rows[1].refused == pytest.approx(1 / 3)
    assert rows[1].refused_interval[0] < 1 / 3 < rows[1].refused_interval[1]


def test_planes_are_grouped_by_the_region_of_the_protocol() -> None:
    labels = tuple(Label(name, name, name) for name in ("brain_transthalamic", "brain_transventricular", "femur"))
    groups = groups_from_manifest(replace(MANIFEST, labels=labels, reject_labels=()))
    assert groups == {"brain_transthalamic": "brain", "brain_transventricular": "brain", "femur": "limbs"}


def test_without_a_protocol_every_plane_is_a_group_of_its_own() -> None:
    manifest = replace(MANIFEST, protocol=Coverage("", (), ()))
    assert groups_from_manifest(manifest) == {"abdomen": "abdomen", "femur": "femur"}


def test_where_all_images_show_planes_the_section_says_how_to_give_others() -> None:
    found = other_images(evaluation_from_shown([PLANE]))
    assert isinstance(found, Absent)
    assert "--others" in found.absent


def test_an_image_without_a_patient_counts_as_one() -> None:
    evaluation = evaluation_from_shown([sure("femur", 1, 0.9)])
    rows = other_images(replace(evaluation, others=((Sample("x.png", "x"), evaluation.predictions[0]),)))
    assert not isinstance(rows, Absent)
    assert (rows[0].patients, rows[0].accepted) == (1, {"abdomen": 0.0, "limbs": 1.0})
