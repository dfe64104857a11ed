"""`--explain DIR`: the stages' files, every quantized tensor in a table, a picture."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from PIL import Image

from calibration.table import load_table
from tests.conftest import Command, Made, check_told


@pytest.fixture
def arguments(stripes_made: Made, stripes_onnx: Path, stripes: Path, tmp_path: Path) -> tuple[object, ...]:
    """A compilation whose stages are all there already."""
    work = shutil.copytree(stripes_made.work, tmp_path / "work")
    data = ("--calibration", stripes, "--gate-data", stripes)
    return ("compile", stripes_onnx, "-o", tmp_path / "x.edge", "--work", work, *data)


def test_explain_leaves_the_stages_a_table_and_a_picture(
    arguments: tuple[object, ...], edge: Command, tmp_path: Path
) -> None:
    folder = tmp_path / "why"
    assert edge(*arguments, "--explain", folder).code == 0
    files = {"model.onnx", "smooth.onnx", "table.json", "qdq.onnx", "cpu.onnx", "layers.md", "layers.png"}
    assert {file.name for file in folder.iterdir() if file.suffix != ".so"} == files
    page = (folder / "layers.md").read_text()
    rows = [line.split(" | ") for line in page.splitlines() if line.startswith("| ")][1:]
    ranges = load_table(folder / "table.json").ranges
    assert {row[0].removeprefix("| ") for row in rows} == set(ranges)
    errors = [float(row[3].removesuffix(" |")) for row in rows]
    assert errors == sorted(errors, reverse=True)
    with Image.open(folder / "layers.png") as picture:
        assert min(picture.size) > 200


def test_explain_into_the_work_folder_is_no_trouble(
    arguments: tuple[object, ...], edge: Command, tmp_path: Path
) -> None:
    done = edge(*arguments, "--explain", tmp_path / "work")
    assert done.code == 0, done.err
    assert (tmp_path / "work" / "layers.md").is_file()


def test_a_model_that_cannot_be_found_leaves_no_folder(edge: Command, tmp_path: Path) -> None:
    done = edge("compile", "edge_m", "-o", tmp_path / "x.edge", "--explain", tmp_path / "why")
    check_told(done, 2, "No model is called 'edge_m'")
    assert not (tmp_path / "why").exists()


def test_a_folder_that_cannot_be_written_is_exit_1(
    arguments: tuple[object, ...], edge: Command, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    check_told(edge(*arguments, "--explain", tmp_path / "file" / "why"), 1, "cannot be written")
