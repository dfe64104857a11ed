"""`edge evaluate`: which images it takes, what it says of them, and what it refuses before it answers any."""

from __future__ import annotations

import json
from typing import Any

import pytest

from edge.manifest import Label
from tests.calibration.test_evaluate import ROWS, run


@pytest.fixture(autouse=True)
def home(planes: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VMAMBA_EDGE_HOME", str(planes.maker.keyring.home))


def test_command_takes_a_folder_or_any_case_of_csv_as_its_last_argument(planes: Any, capsys: Any) -> None:
    bundle, table = planes.bundle(), planes.table(*ROWS)
    upper = table.rename(table.with_name("MINE.CSV"))
    assert json.loads(run(capsys, bundle, upper, "--json")[1])["n"] == 4
    upper.rename(table)
    assert json.loads(run(capsys, bundle, table.parent, "--json")[1])["n"] == 4


def test_command_says_which_rows_it_passes_over_or_may_have_been_trained_on(planes: Any, capsys: Any) -> None:
    bundle, table = planes.bundle(), planes.table(*ROWS)
    assert "are answered" not in run(capsys, bundle, table)[2]
    table.write_text(table.read_text().replace("2.png,femur,test", "2.png,femur,train"))
    assert "note: of 4 images in LABELS.csv the 3 of split test are answered" in run(capsys, bundle, table)[2]
    assert "are answered" not in run(capsys, bundle, "--data", table, "--split", "train")[2]
    table.write_text(table.read_text().replace(",test,", ",fold 1,"))
    err = run(capsys, bundle, table)[2]
    assert "no split test or val: all 4 images are answered, those of split fold 1, train too" in err


def test_bundles_with_other_planes_are_refused_before_any_image_is_answered(planes: Any, capsys: Any) -> None:
    labels = (Label("femur", "", ""), Label("abdomen", "", ""), Label("not_standard", "", ""))
    table = planes.table(*ROWS)
    (table.parent / "1.png").write_bytes(b"damaged: would be told first")
    code, _, err = run(capsys, planes.bundle(), planes.bundle("other", labels=labels), table)
    assert (code, "different planes" in err) == (3, True)
