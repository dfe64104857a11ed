"""`edge data prepare` on the shipped images, which are part of the compact set."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from calibration.data_cli import register
from edge.errors import LabelsError

SAMPLES = Path(__file__).parents[2] / "calibration" / "samples" / "images"


@pytest.fixture
def app() -> typer.Typer:
    app = typer.Typer()
    register(app)
    return app


@pytest.fixture
def compact(tmp_path: Path) -> Path:
    folder = tmp_path / "images" / "fpdb"
    folder.mkdir(parents=True)
    for path in sorted(SAMPLES.iterdir())[:5]:
        shutil.copy(path, folder)
    return tmp_path


def test_check_counts_every_state_as_json(app: typer.Typer, compact: Path) -> None:
    result = CliRunner().invoke(app, ["data", "prepare", str(compact), "--json"])
    counts = json.loads(result.stdout)["counts"]
    assert result.exit_code == 0 and (counts["exact"], counts["missing"]) == (5, 3468)


def test_table_names_what_is_missing(app: typer.Typer, compact: Path) -> None:
    result = CliRunner().invoke(app, ["data", "prepare", str(compact)])
    assert "3468  missing" in result.stdout and "more" in result.stdout


def test_wrong_picture_ends_in_an_error(app: typer.Typer, compact: Path) -> None:
    first, second = sorted((compact / "images" / "fpdb").iterdir())[:2]
    shutil.copy(second, first)
    result = CliRunner().invoke(app, ["data", "prepare", str(compact)])
    assert isinstance(result.exception, LabelsError) and first.name in result.exception.cause


def test_several_folders_without_out_are_a_usage_error(app: typer.Typer, compact: Path) -> None:
    assert CliRunner().invoke(app, ["data", "prepare", str(compact), str(compact)]).exit_code == 2
