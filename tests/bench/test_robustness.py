"""docs/robustness.md is what the committed evidence says, and says where a figure is missing or misses its bound."""

from __future__ import annotations

import json
from pathlib import Path

from tests.bench.robustness import EVIDENCE, GROUPS, NOT_YET, TARGET, text_from_evidence

ROOT = Path(__file__).parents[2]
MACHINE = {"machine": "x86_64", "cpu": "made up", "python": "3.11"}
KILLS = {"kills": 3, "acknowledged": 5000, "lost": 0, "audit_valid": True, "machine": MACHINE}
CLAIM = "kill -9 of a writer loses nothing it told"


def _row(folder: Path, claim: str) -> str:
    (found,) = (line for line in text_from_evidence(folder).splitlines() if line.startswith(f"| {claim} |"))
    return found


def _written(folder: Path, **changes: object) -> None:
    (folder / "store.json").write_text(json.dumps({**KILLS, **changes}))


def test_the_document_is_made_of_the_committed_evidence() -> None:
    assert (ROOT / TARGET).read_text() == text_from_evidence(ROOT / EVIDENCE), "python -m tests.bench.robustness"


def test_tests_that_stand_for_a_row_are_there() -> None:
    tests = {test for rows in GROUPS.values() for row in rows for test in row.tests}
    assert [test for test in sorted(tests) if not (ROOT / "tests" / test).is_file()] == []


def test_a_figure_of_the_full_scale_stands_there(tmp_path: Path) -> None:
    _written(tmp_path, scale="full")
    assert "| 3 kills; 5,000 acknowledgements | 0 lost; chain valid: True | 0 | yes |" in _row(tmp_path, CLAIM)


def test_a_missed_bound_is_said(tmp_path: Path) -> None:
    _written(tmp_path, scale="full", lost=1)
    assert "| 1 lost; chain valid: True | 0 | **no** |" in _row(tmp_path, CLAIM)


def test_what_was_measured_small_or_not_at_all_has_no_figure(tmp_path: Path) -> None:
    for scale in (None, "small"):
        if scale:
            _written(tmp_path, scale=scale)
        row = _row(tmp_path, CLAIM)
        assert f"| {NOT_YET} | 0 | - | `docs/evidence/store.json`, {scale or 'missing'} |" in row
        assert "5,000" not in row
