"""No patient in two splits."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from calibration.dataset import Dataset, Sample
from calibration.splits import check_disjoint, split_by_patient, without_known
from edge.errors import LabelsError, UsageError

SHARES = {"train": 0.7, "val": 0.3}


def samples(patients: int) -> list[Sample]:
    labels = ("femur", "abdomen", "thorax")
    return [
        Sample(f"{p}_{i}.png", labels[(p + i) % 3], patient=f"p{p}") for p in range(patients) for i in range(p % 4 + 1)
    ]


def test_patient_in_two_splits_is_refused_with_both_files() -> None:
    shared = [Sample("a.png", "x", "train", "p1"), Sample("b.png", "x", "test", "p1")]
    with pytest.raises(LabelsError, match=r"p1 in test \(b.png\), train \(a.png\)"):
        check_disjoint(shared)


def test_same_number_in_two_data_sets_is_two_patients() -> None:
    check_disjoint([Sample("a", "x", "train", "1", dataset="d"), Sample("b", "x", "test", "1", dataset="e")])


def left(root: str, known: Sample) -> list[str]:
    own = Dataset(Path("a"), (Sample("femur/1.png", "femur"), Sample("thorax/1.png", "thorax", patient="p")))
    return [s.file for s in without_known(own, Dataset(Path(root), (known,))).samples]


def test_below_one_folder_equal_names_in_other_folders_are_other_images() -> None:
    assert left("a", Sample("test/femur/1.png", "femur")) == ["femur/1.png", "thorax/1.png"]
    assert left("./b/../a", Sample("femur/1.png", "femur")) == ["thorax/1.png"]


def test_elsewhere_an_image_is_known_by_its_name_and_anywhere_by_its_patient() -> None:
    assert left("b", Sample("1.png", "femur")) == []
    assert left("b", Sample("2.png", "femur", patient="p")) == ["femur/1.png"]


@settings(max_examples=20, deadline=None)
@given(st.integers(1, 60), st.integers(0, 5))
def test_split_is_always_disjoint_and_keeps_the_order(patients: int, seed: int) -> None:
    before = samples(patients)
    after = split_by_patient(before, SHARES, seed)
    check_disjoint(after)
    assert [sample.file for sample in after] == [sample.file for sample in before]


def test_every_label_gets_its_share() -> None:
    after = split_by_patient(samples(200), SHARES, 0)
    total, val = Counter(s.label for s in after), Counter(s.label for s in after if s.split == "val")
    assert all(abs(val[label] / total[label] - 0.3) < 0.03 for label in total)


def test_seed_repeats_and_matters() -> None:
    before = samples(50)
    assert split_by_patient(before, SHARES, 1) == split_by_patient(before, SHARES, 1)
    assert split_by_patient(before, SHARES, 1) != split_by_patient(before, SHARES, 2)


def test_samples_without_patient_are_dealt_one_by_one() -> None:
    after = split_by_patient([Sample(f"{i}.png", "x") for i in range(10)], SHARES, 0)
    assert Counter(sample.split for sample in after) == {"train": 7, "val": 3}


@pytest.mark.parametrize("shares", [{}, {"a": 0.5}, {"a": 1.5, "b": -0.5}])
def test_shares_that_mean_nothing_are_refused(shares: dict[str, float]) -> None:
    with pytest.raises(UsageError):
        split_by_patient(samples(3), shares, 0)
