"""The images that ship with the project: counts, patients, attribution, and that the device takes every one."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from calibration.dataset import Dataset
from calibration.formats import load_dataset
from calibration.samples_set import SAMPLES, calibration_dataset, gate_dataset, split_dataset
from calibration.splits import check_disjoint
from edge.errors import LabelsError
from edge.protocol import load_protocol
from edge.quality import unfit_from_frame
from edge.sources.images import load_image

SHIPPED = {"val": 96, "test": 375}
TWINS = [  # each pair is one patient's, in the split test; the second bears two labels: no model can have both right
    {"Patient01271_Plane3_15_of_15", "Patient01271_Plane3_5_of_15"},
    {"Patient01477_Plane3_1_of_5", "Patient01477_Plane3_4_of_5"},
]


@pytest.fixture(scope="module")
def shipped() -> Dataset:
    return load_dataset(SAMPLES)


def test_96_images_calibrate_and_375_judge(shipped: Dataset) -> None:
    assert Counter(sample.split for sample in shipped.samples) == SHIPPED


def test_no_patient_is_in_both_splits_and_every_image_has_one(shipped: Dataset) -> None:
    check_disjoint(shipped.samples)
    assert all(sample.patient for sample in shipped.samples)


def test_images_of_no_other_data_set_ship(shipped: Dataset) -> None:
    assert {sample.dataset for sample in shipped.samples} == {"fpdb"}
    on_disk = {path.relative_to(shipped.root).as_posix() for path in (shipped.root / "images").iterdir()}
    assert on_disk == {sample.file for sample in shipped.samples}


def test_identical_images_are_the_originals_own_pairs(shipped: Dataset) -> None:
    twins: dict[bytes, set[str]] = {}
    for sample in shipped.samples:
        twins.setdefault(shipped.path(sample).read_bytes(), set()).add(Path(sample.file).stem)
    assert [names for names in twins.values() if len(names) > 1] == TWINS


def test_attribution_lies_beside_the_images_and_names_authors_source_and_licence(shipped: Dataset) -> None:
    text = (shipped.root / "ATTRIBUTION.md").read_text("utf-8")
    assert all(name in text for name in ("Burgos-Artizzu", "10.5281/zenodo.3904280", "CC BY 4.0", "What was changed"))


def test_every_image_is_readable_and_no_input_check_rejects_it(shipped: Dataset) -> None:
    reasons = {sample.file: unfit_from_frame(load_image(shipped.path(sample))) for sample in shipped.samples}
    assert {file: reason for file, reason in reasons.items() if reason is not None} == {}


def test_every_label_is_a_plane_or_a_refused_label_of_the_demo_protocol(shipped: Dataset) -> None:
    demo = load_protocol("demo")
    assert set(shipped.labels) <= {label for plane in demo.planes for label in plane.labels} | set(demo.refused)


def test_without_a_path_the_shipped_splits_are_used() -> None:
    assert {sample.split for sample in calibration_dataset(None).samples} == {"val"}
    assert {sample.split for sample in gate_dataset(None).samples} == {"test"}


def test_a_split_that_is_not_there_is_answered_with_those_that_are() -> None:
    assert len(split_dataset(None, "val").samples) == SHIPPED["val"]
    with pytest.raises(LabelsError, match=r"no split 'train' \(it has: test, val\)"):
        split_dataset(None, "train")
