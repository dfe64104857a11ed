"""The study's rows are commands of ours, with teachers that the study trains."""

from __future__ import annotations

from pathlib import Path

from compile.model.zoo import model_names
from tests.conftest import Command
from tests.study.rows import trainings

WORK, DATA, SONONET = Path("w"), Path("labels.csv"), Path("sononet.safetensors")


def test_every_row_trains_a_model_of_the_zoo_once_per_seed() -> None:
    names = [training.name for training in trainings()]
    assert len(set(names)) == len(names)
    assert {training.model for training in trainings()} <= set(model_names())


def test_teachers_are_rows_of_the_same_kind() -> None:
    kinds = {training.row: bool(training.by) for training in trainings()}
    for training in trainings():
        assert all(kinds[teacher] is bool(training.by) for teacher in training.teachers)


def test_options_of_every_kind_of_row_are_known(edge: Command) -> None:
    for verb in {training.command(WORK, DATA, SONONET, 1)[0] for training in trainings()}:
        known = edge(verb, "--help").out
        rows = [t.command(WORK, DATA, SONONET, 1) for t in trainings()]
        used = {word for row in rows if row[0] == verb for word in row if word.startswith("--")}
        assert all(option in known for option in used)
