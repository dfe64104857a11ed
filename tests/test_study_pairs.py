"""What the study says of two rows: the difference of their figures, and nothing where a side is missing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.metrics import f1_score

from edge.errors import LabelsError
from tests.study.paired import (
    AUGMENTATION,
    DECAY,
    DECOUPLED,
    NETWORK,
    PRETRAINING,
    SCAN,
    TEACHERS,
    Answered,
    answered_from_folds,
    best_comparator,
    difference,
    f1_with_one_brain,
    fold_pairs,
    gains,
    shipped_pairs,
)

TRUTH = [0, 1] * 10
IMAGES = Answered("a" * 64, ("femur", "thorax"), np.array([*TRUTH, -1]), [f"P{number // 2}" for number in range(20)])

PLAIN_FOLDS = ("edge_n-cv-0", "edge_n_noscan-cv-0", "resnet18-cv-0", "sononet16-pretrained-cv-0")
FOLDED = (*PLAIN_FOLDS, "edge_n-kd-cv-0", "edge_s-kd-cv-0", "resnet18-kd-cv-0")


def answered(wrong: int, parameters: int = 4_000_000) -> dict[str, Any]:
    """Twenty images of ten patients, the first ones answered with the other plane; and one that is none."""
    answers = [1 - plane if number < wrong else plane for number, plane in enumerate(TRUTH)]
    figures = {"macro_f1": f1_score(TRUTH, answers, average="macro")}
    return {"name": "made-0", "answers": [*answers, 0], "parameters": parameters, "int8": figures}


def f1(*wrong: int) -> float:
    return 100 * float(sum(answered(count)["int8"]["macro_f1"] for count in wrong)) / len(wrong)


def test_a_gain_is_the_difference_of_the_means_over_seeds() -> None:
    points, (low, high) = difference([answered(1), answered(2)], [answered(5), answered(8)], IMAGES)
    assert points == pytest.approx(f1(1, 2) - f1(5, 8))
    assert low <= points <= high and low < high


def test_a_row_against_itself_gains_nothing() -> None:
    assert difference([answered(4)], [answered(4)], IMAGES) == (0.0, (0.0, 0.0))


def test_answers_to_other_images_are_not_compared() -> None:
    with pytest.raises(LabelsError, match="answered 1 images of 21"):
        difference([answered(4)], [{**answered(4), "answers": [0]}], IMAGES)


def test_teachers_pretraining_and_scan_are_told_apart_over_the_seeds_that_both_sides_have() -> None:
    counts = {
        "edge_n-0": 4,
        "edge_n-kd-edge_s-0": 1,
        "edge_n-1": 3,
        "edge_n-kd-0": 2,
        "edge_n-kd-1": 2,
        "edge_n-kd-2": 1,
        "edge_n_noscan-0": 6,
        "edge_n-masked-0": 3,
        "edge_n-undecayed-0": 1,
        "edge_n-weak-0": 5,
        "edge_n-kd-weak-0": 2,
        "edge_n-kd-dkd-0": 1,
    }
    found = gains({name: answered(wrong) for name, wrong in counts.items()}, IMAGES)
    told = [(pair["change"], pair["row"], pair["other"], pair["seeds"]) for pair in found]
    assert all(pair["seeds_other"] == pair["seeds"] for pair in found)
    assert told == [
        (TEACHERS, "edge_n-kd-edge_s", "edge_n", [0]),
        (TEACHERS, "edge_n-kd", "edge_n", [0, 1]),
        (PRETRAINING, "edge_n-masked", "edge_n", [0]),
        (DECAY, "edge_n-undecayed", "edge_n", [0]),
        (AUGMENTATION, "edge_n-weak", "edge_n", [0]),
        (TEACHERS, "edge_n-kd-weak", "edge_n-weak", [0]),
        (AUGMENTATION, "edge_n-kd-weak", "edge_n-kd", [0]),
        (DECOUPLED, "edge_n-kd-dkd", "edge_n-kd", [0]),
        (SCAN, "edge_n", "edge_n_noscan", [0]),
        (SCAN, "edge_n-undecayed", "edge_n_noscan", [0]),
    ]
    assert found[1]["points"] == pytest.approx(f1(2, 2) - f1(4, 3), abs=0.01)
    assert gains({"edge_n-ships-0": answered(0), "edge_n-kd-vmamba-0": answered(0)}, IMAGES) == []


def test_the_best_comparator_is_somebody_elses_of_at_most_30_million_parameters() -> None:
    rows = {"resnet18-0": answered(5), "resnet50-0": answered(3), "swin_tiny-0": answered(1, 40_000_000)}
    rows |= {"efficientnet_lite0-imagenet-0": answered(0), "resnet18-kd-0": answered(2), "resnet50-1": answered(0)}
    rows |= {"edge_n-ships-0": answered(1), "vmamba_t-0": answered(0)}
    assert (best_comparator(rows, ""), best_comparator(rows, "-kd")) == ("resnet50", "resnet18-kd")
    pairs = shipped_pairs(rows, IMAGES)
    assert [(pair["ours"], pair["other"]) for pair in pairs] == [
        ("edge_n-ships-0", "resnet50-0"),
        ("edge_n-ships-0", "resnet18-kd-0"),
    ]
    assert pairs[0]["points"] == pytest.approx(f1(1) - f1(3), abs=0.01)
    assert pairs[0]["mcnemar_p"] == pytest.approx(0.5)  # two images that one alone answers right
    assert shipped_pairs({"edge_n-ships-0": answered(1)}, IMAGES) == []


def test_what_ships_stands_against_comparators_its_best_teacher_and_students_of_a_shorter_schedule() -> None:
    taught = ["sononet16-pretrained", "efficientnet_lite0-imagenet", "vmamba_t", "efficientnet_lite2"]  # one is absent
    rows = {"edge_n-ships-0": {**answered(1), "teachers": taught}, "vmamba_t-0": answered(0, 40_000_000)}
    rows |= {"sononet16-pretrained-0": answered(4), "efficientnet_lite0-imagenet-0": answered(2)}
    rows |= {"edge_n-0": answered(4), "edge_n-kd-0": answered(3), "resnet18-0": answered(5)}
    found = [(pair["ours"], pair["other"]) for pair in shipped_pairs(rows, IMAGES)]
    assert found == [
        ("edge_n-ships-0", "resnet18-0"),
        ("edge_n-ships-0", "efficientnet_lite0-imagenet-0"),
        ("edge_n-ships-0", "edge_n-0"),
        ("edge_n-ships-0", "edge_n-kd-0"),
    ]


def test_a_student_stands_against_the_comparator_that_is_best_over_its_seeds_and_trained_alike() -> None:
    wrong = {"edge_n-0": 1, "edge_n-1": 3, "edge_n-ships-0": 0, "edge_s-kd-0": 2}
    wrong |= {"resnet18-0": 2, "resnet18-1": 8, "resnet50-0": 4, "resnet18-kd-0": 3, "resnet18-weak-0": 0}
    found = gains({name: answered(count) for name, count in wrong.items()}, IMAGES)
    told = [(p["row"], p["other"], p["seeds"], p["seeds_other"]) for p in found if p["change"] == NETWORK]
    assert told == [("edge_n", "resnet50", [0, 1], [0]), ("edge_s-kd", "resnet18-kd", [0], [0])]
    assert found[-2]["points"] == pytest.approx(f1(1, 3) - f1(4), abs=0.01)


def test_with_the_brain_as_one_only_other_mistakes_count() -> None:
    labels = ("femur", "brain_transthalamic", "brain_transventricular")
    images = Answered("a" * 64, labels, np.array([0, 0, 1, 1, 2, 2, -1]), ["p"] * 6)
    told = f1_with_one_brain({"name": "made-0", "answers": [0, 1, 2, 1, 1, 2, 0]}, images)
    assert told == pytest.approx(f1_score([0, 0, 1, 1, 1, 1], [0, 1, 1, 1, 1, 1], average="macro"))


def test_pooled_folds_are_compared_in_the_order_of_their_files(tmp_path: Path) -> None:
    shown = {"b.png": ("thorax", "Q", "femur"), "a.png": ("femur", "P", "femur"), "c.png": ("cervix", "P", "thorax")}
    lines = [f"{file},fpdb,{who},{label},1,{plane},no,0,0.5,0.4,0.1" for file, (label, who, plane) in shown.items()]
    head = "file,dataset,patient,label,fold,plane,answer,accepted,femur,thorax,not_standard"
    (tmp_path / "p.csv").write_text("\n".join([head, *lines]), "utf-8")
    images, answers = answered_from_folds(tmp_path / "p.csv")
    assert (images.labels, images.truth.tolist(), images.patients) == (("femur", "thorax"), [0, 1, -1], ["0", "1"])
    assert answers == [0, 0, 1]
    (tmp_path / "p.csv").write_text("\n".join([head, *lines]).replace("cervix", "other"), "utf-8")
    assert answered_from_folds(tmp_path / "p.csv")[0].digest != images.digest


def test_students_are_compared_on_pooled_folds_with_what_is_taught_alike_and_the_taught_with_the_plain() -> None:
    rows = {name: answered(wrong) for wrong, name in enumerate(FOLDED)}
    told = [(pair["ours"], pair["other"]) for pair in fold_pairs(rows, IMAGES)]
    assert told == [
        ("edge_n-cv-0", "edge_n_noscan-cv-0"),
        ("edge_n-cv-0", "resnet18-cv-0"),
        ("edge_n-kd-cv-0", "resnet18-kd-cv-0"),
        ("edge_s-kd-cv-0", "edge_n-kd-cv-0"),
        ("edge_s-kd-cv-0", "resnet18-kd-cv-0"),
        ("edge_n-kd-cv-0", "edge_n-cv-0"),
        ("resnet18-kd-cv-0", "resnet18-cv-0"),
    ]
    assert fold_pairs({"resnet18-cv-0": answered(0)}, IMAGES) == []
