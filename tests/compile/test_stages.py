"""A stage is run again when something that decides its file changed, and only then."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from calibration.artifact import Artifact, artifact_from_file
from compile.source import messages_of_export
from compile.stages import Stages
from edge.files import sha256_from_file, write_atomic
from edge.store_lock import held
from tests.conftest import PLANES, Command, Made, check_told, labels_file


def silent(stage: str, share: float) -> None:
    """Progress that nobody watches."""


def run(folder: Path, made_from: dict[str, str], text: str = "text") -> tuple[Artifact, bool]:
    """One stage, and whether it was really run."""

    def make(path: Path) -> Artifact:
        made.append(path)
        write_atomic(path, text.encode())
        return artifact_from_file(path, made_from)

    made: list[Path] = []
    return Stages(folder, silent).run("stage", "file.txt", made_from, make), bool(made)


def test_a_stage_of_the_same_inputs_is_not_run_again(tmp_path: Path) -> None:
    first, ran_first = run(tmp_path, {"input": "1"})
    second, ran_second = run(tmp_path, {"input": "1"})
    assert (ran_first, ran_second) == (True, False)
    assert first.sha256 == second.sha256


@pytest.mark.parametrize("changed", [{"input": "2"}, {"input": "1", "more": "1"}, {}])
def test_another_input_runs_it_again(changed: dict[str, str], tmp_path: Path) -> None:
    run(tmp_path, {"input": "1"})
    assert run(tmp_path, changed, "other")[1]


@pytest.mark.parametrize("damage", ["file.txt", "file.txt.made.json"])
@pytest.mark.parametrize("content", [b"", b"{}", b"[1]", None])
def test_a_damaged_or_missing_file_is_made_again(damage: str, content: bytes | None, tmp_path: Path) -> None:
    run(tmp_path, {"input": "1"})
    (tmp_path / damage).unlink()
    if content is not None:
        (tmp_path / damage).write_bytes(content)
    artifact, ran = run(tmp_path, {"input": "1"})
    assert ran
    assert artifact.path.read_text() == "text"


def test_a_stage_that_fails_leaves_nothing_to_be_used_again(tmp_path: Path) -> None:
    def broken(path: Path) -> Artifact:
        path.write_text("half")
        raise OSError("power cut")

    with pytest.raises(OSError, match="power cut"):
        Stages(tmp_path, silent).run("stage", "file.txt", {"input": "1"}, broken)
    assert run(tmp_path, {"input": "1"})[1]


@pytest.fixture
def work(stripes_made: Made, tmp_path: Path) -> Path:
    return Path(shutil.copytree(stripes_made.work, tmp_path / "work"))


def seconds(edge: Command, model: Path, data: tuple[object, ...], work: Path) -> dict[str, float]:
    """Wall time of each stage of a compilation; 0 where its file was used again."""
    output = work.parent / "x.edge"
    done = edge("compile", model, "-o", output, "--work", work, *data, "--no-gate", "--threads", 1, "--json")
    assert done.code == 0, done.err
    taken: dict[str, float] = done.document["seconds"]
    return taken


def test_compiling_twice_makes_no_stage_again(edge: Command, stripes: Path, stripes_onnx: Path, work: Path) -> None:
    data = ("--calibration", stripes, "--gate-data", stripes)
    assert set(seconds(edge, stripes_onnx, data, work).values()) == {0.0}


def test_other_calibration_images_leave_only_the_export(
    edge: Command, stripes: Path, stripes_onnx: Path, work: Path, tmp_path: Path
) -> None:
    rows = []
    for number in range(6):
        shutil.copy(stripes.parent / f"val{number}.png", tmp_path)
        rows.append({"file": f"val{number}.png", "label": PLANES[number % 3]})
    data = ("--calibration", labels_file(tmp_path / "few.csv", rows), "--gate-data", stripes)
    taken = seconds(edge, stripes_onnx, data, work)
    assert taken.pop("export") == 0.0
    assert taken["calibrate"] > 0
    assert '"images": 6' in (work / "table.json").read_text()


def test_a_second_compilation_in_one_work_folder_is_refused(
    edge: Command, stripes: Path, stripes_onnx: Path, tmp_path: Path
) -> None:
    with held(tmp_path / "work" / "stages"):
        done = edge(
            "compile", stripes_onnx, "-o", tmp_path / "x.edge", "--work", tmp_path / "work", "--calibration", stripes
        )
    check_told(done, 1, "holds the compilation's files")


def test_the_notes_of_another_export_are_not_told(stripes_onnx: Path, tmp_path: Path) -> None:
    shutil.copy(stripes_onnx, tmp_path / "model.onnx")
    for digest, told in ((sha256_from_file(stripes_onnx), ("the head is untrained",)), ("another", ())):
        note = {"model": digest, "messages": ["the head is untrained"]}
        (tmp_path / "model.notes.json").write_text(json.dumps(note))
        assert messages_of_export(tmp_path / "model.onnx") == told
