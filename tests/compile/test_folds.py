"""Folds: nobody in two parts, every image tested once, machines that were never seen, and what is refused."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from calibration.dataset import Dataset, Sample
from compile.training.crossval.folds import (
    Fold,
    digest_from_folds,
    folds_by_machine,
    folds_by_patient,
    grouped_dataset,
    warnings_from_machines,
)
from edge.errors import LabelsError, UsageError

PLANES = ("abdomen", "femur")
REJECTS = ("cervix",)
MACHINES = ("Aloka", "Voluson E6", "Other", "")


def dataset_of(patients: int, seed: int = 0, root: Path = Path()) -> Dataset:
    """One to four images a patient, of any label, on one machine; some of a label that nobody trains."""
    rng = random.Random(seed)
    samples: list[Sample] = []
    for patient in range(patients):
        machine = MACHINES[patient % 4]
        for _ in range(rng.randint(1, 4)):
            label = rng.choice((*PLANES, *PLANES, *REJECTS, "spine"))
            samples.append(Sample(f"{len(samples)}.png", label, "test", f"p{patient}", machine, "", "fpdb"))
    return Dataset(root, tuple(samples))


def parts_of(fold: Fold) -> dict[str, set[str]]:
    """Part -> patients."""
    return {part: {s.patient for s in fold.dataset.where(split=part).samples} for part in ("train", "val", "test")}


@settings(deadline=None, max_examples=20)
@given(st.integers(2, 5), st.integers(0, 1000))
def test_no_patient_stands_in_two_parts_and_every_image_is_tested_once(count: int, seed: int) -> None:
    dataset = dataset_of(60, seed)
    folds = folds_by_patient(dataset, PLANES, REJECTS, count)
    for fold in folds:
        train, val, test = parts_of(fold).values()
        assert not (train & val or train & test or val & test)
        assert train | val | test == {s.patient for s in dataset.samples}
    tested = [s.file for fold in folds for s in fold.dataset.where(split="test").samples]
    assert sorted(tested) == sorted(s.file for s in dataset.where(labels={*PLANES, *REJECTS}).samples)


def test_every_fold_gets_its_share_of_every_label() -> None:
    dataset = dataset_of(200)
    for fold in folds_by_patient(dataset, PLANES, REJECTS, 5):
        for label in (*PLANES, *REJECTS):
            share = len(fold.dataset.where("test", labels={label}).samples) / len(dataset.where(labels={label}).samples)
            assert share == pytest.approx(0.2, abs=0.02)


def test_images_of_other_labels_are_trained_on_unless_their_patient_is_held_out() -> None:
    fold = folds_by_patient(dataset_of(60), PLANES, REJECTS, 3)[0]
    held = {s.patient for s in fold.held_out.samples}
    others = fold.dataset.where(labels={"spine"}).samples
    assert others and {s.split for s in others} == {"train"}
    assert not held & {s.patient for s in others}


def test_the_same_images_are_dealt_in_the_same_way_and_another_seed_deals_others() -> None:
    dataset = dataset_of(60)
    first = folds_by_patient(dataset, PLANES, REJECTS, 3)
    assert digest_from_folds(first) == digest_from_folds(folds_by_patient(dataset, PLANES, REJECTS, 3))
    assert digest_from_folds(first) != digest_from_folds(folds_by_patient(dataset, PLANES, REJECTS, 3, seed=1))


def test_a_machine_is_tested_by_a_model_that_never_saw_it_and_unknown_ones_never_are() -> None:
    dataset = dataset_of(60)
    folds = folds_by_machine(dataset, PLANES, REJECTS)
    assert [(fold.number, fold.name) for fold in folds] == [(1, "Aloka"), (2, "Voluson E6")]
    for fold in folds:
        assert {s.machine for s in fold.dataset.where(split="test").samples} == {fold.name}
        assert fold.name not in {s.machine for s in fold.dataset.where(split="train").samples}
        unknown = {s.patient for s in dataset.samples if s.machine in ("", "Other")}
        assert unknown <= parts_of(fold)["train"] | parts_of(fold)["val"]


def test_images_of_no_known_machine_among_the_trained_ones_are_told() -> None:
    dataset = dataset_of(60)
    folds = folds_by_machine(dataset, PLANES, REJECTS)
    unnamed = sum(s.machine in ("", "Other") for s in dataset.samples)
    (told,) = warnings_from_machines(folds)
    assert int(told.split()[0]) <= unnamed and "name no scanner" in told
    named = replace(dataset, samples=tuple(s for s in dataset.samples if s.machine not in ("", "Other")))
    assert warnings_from_machines(folds_by_machine(named, PLANES, REJECTS)) == ()


def test_a_patient_on_two_machines_is_kept_out_of_training() -> None:
    dataset = dataset_of(60)
    both = (*dataset.samples, replace(dataset.samples[0], file="more.png", label="femur", machine="Voluson E6"))
    assert dataset.samples[0].machine == "Aloka"
    for fold in folds_by_machine(replace(dataset, samples=both), PLANES, REJECTS):
        assert {s.split for s in fold.dataset.samples if s.patient == "p0"} == {"test"}
        assert {s.machine for s in fold.dataset.where(split="test").samples} == {fold.name}


def test_copies_without_a_patient_stay_together(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for index in range(8):
        scene = Image.fromarray(rng.integers(0, 256, (8, 8), dtype=np.uint8)).resize((64, 64))
        for copy in range(2):
            scene.resize((64 + 8 * copy, 64 + 8 * copy)).save(tmp_path / f"{index}{copy}.png")
    samples = [Sample(f"{i}{c}.png", PLANES[i % 2], dataset="fetusfw") for i in range(8) for c in range(2)]
    grouped = grouped_dataset(Dataset(tmp_path, tuple(samples)))
    folds = folds_by_patient(grouped, PLANES, REJECTS, 2)
    tested = [{s.file[0] for s in fold.dataset.where(split="test").samples} for fold in folds]
    assert len(tested[0]) == len(tested[1]) == 4 and not tested[0] & tested[1]


def test_only_the_data_sets_asked_for_are_kept() -> None:
    dataset = dataset_of(4)
    mixed = replace(dataset, samples=(*dataset.samples, replace(dataset.samples[0], file="x.png", dataset="hc18")))
    kept = grouped_dataset(mixed, ["hc18"])
    assert [(s.file, s.split) for s in kept.samples] == [("x.png", "")]
    with pytest.raises(LabelsError, match="hc19"):
        grouped_dataset(mixed, ["hc19"])


def test_a_plane_that_one_patient_alone_shows_cannot_be_tested() -> None:
    dataset = dataset_of(30)
    one = tuple(replace(s, label="femur" if s.patient == "p0" else "abdomen") for s in dataset.samples)
    with pytest.raises(LabelsError, match="no image of femur is left to train on"):
        folds_by_patient(replace(dataset, samples=one), PLANES, REJECTS, 3)


def test_too_few_patients_or_folds_are_refused() -> None:
    with pytest.raises(LabelsError, match=r"is left to train on|has no image of a plane"):
        folds_by_patient(dataset_of(3), PLANES, REJECTS, 5)
    with pytest.raises(UsageError, match="1 folds"):
        folds_by_patient(dataset_of(60), PLANES, REJECTS, 1)


def test_one_machine_cannot_be_left_out() -> None:
    dataset = dataset_of(60)
    same = tuple(replace(s, machine="Aloka") for s in dataset.samples)
    with pytest.raises(LabelsError, match="names 1 machines"):
        folds_by_machine(replace(dataset, samples=same), PLANES, REJECTS)
