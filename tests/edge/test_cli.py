from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from rich.table import Table

from edge.cli import code_from_arguments
from edge.commands.failure import error_from_exception
from edge.commands.terminal import show_table
from edge.keyring import Keyring
from edge.packages import install_cure
from tests.edge.test_sources_dicom import dicom

Tissue = Callable[[int], NDArray[np.uint8]]
ROOT = Path(__file__).parents[2]
KEYS = ["schema", "input", "frame", "time_ms", "plane", "probability", "accepted", "answer", "top", "latency_ms"]


@pytest.fixture(autouse=True)
def home(keyring: Keyring, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VMAMBA_EDGE_HOME", str(keyring.home))
    monkeypatch.setenv("COLUMNS", "200")


@pytest.fixture
def images(tmp_path: Path, tissue: Tissue) -> Path:
    folder = tmp_path / "images"
    folder.mkdir()
    for band in range(2):
        Image.fromarray(tissue(band)).save(folder / f"{band}.png")
    return folder


def run(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    code = code_from_arguments([str(argument) for argument in arguments])
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def test_classify_json_has_exactly_the_keys_of_the_contract(bundles: Any, images: Path, capsys: Any) -> None:
    code, out, err = run(capsys, "classify", bundles.onnx(), images, "--json", "--top", 1)
    lines = [json.loads(line) for line in out.splitlines()]
    assert code == 0
    assert [list(line) for line in lines] == [KEYS, KEYS]
    assert all(line["top"] == [[line["plane"], line["probability"]]] for line in lines)
    assert "Research software" in err
    assert "development key" in err


def test_a_bad_file_is_a_line_and_the_others_go_on(bundles: Any, images: Path, capsys: Any) -> None:
    (images / "0.png").write_bytes(b"\x89PNG\r\n\x1a\nbroken")
    code, out, err = run(capsys, "classify", bundles.onnx(), images, images / "absent.png", "--json")
    lines = [json.loads(line) for line in out.splitlines()]
    assert code == 3
    assert [set(line) == {"input", "error"} for line in lines[:3]] == [True, False, True]
    assert lines[3]["exit_code"] == 3
    assert "2 of the inputs" in err


def test_classify_shows_a_table_in_both_languages(bundles: Any, images: Path, capsys: Any) -> None:
    code, out, _ = run(capsys, "classify", bundles.onnx(), images)
    assert code == 0
    assert "probability" in out
    assert "腹" in out or "股骨" in out
    assert "Research software" in out
    assert "仅供科研" in out


def test_classify_table_marks_a_bad_file(bundles: Any, images: Path, capsys: Any) -> None:
    (images / "0.png").write_bytes(b"\x89PNG\r\n\x1a\nbroken")
    code, out, _ = run(capsys, "classify", bundles.onnx(), images)
    assert code == 3
    assert "error:" in out


def test_inspect_shows_the_manifest(bundles: Any, capsys: Any) -> None:
    path = bundles.onnx()
    code, out, _ = run(capsys, "inspect", path)
    assert code == 0
    assert "test-planes, release 3" in out
    code, out, _ = run(capsys, "inspect", path, "--json")
    document = json.loads(out)
    assert (code, document["manifest"]["name"], document["signer"]["development"]) == (0, "test-planes", True)


def test_inspect_needs_no_fitting_device(bundles: Any, capsys: Any) -> None:
    assert run(capsys, "inspect", bundles.null(isa=("avx9000",)))[0] == 0


def test_verify_answers_all_gate_frames(bundles: Any, capsys: Any) -> None:
    code, out, _ = run(capsys, "verify", bundles.onnx(), "--json")
    document = json.loads(out)
    assert (code, document["ok"]) == (0, True)
    assert document["gate_error"] <= document["gate_tolerance"]


def test_a_flipped_byte_is_exit_6_without_a_traceback(bundles: Any, capsys: Any) -> None:
    path = bundles.onnx()
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    code, out, err = run(capsys, "verify", path)
    assert (code, out) == (6, "")
    assert [line.split(":")[0].strip() for line in err.splitlines()] == ["error", "cure"]


def test_a_device_mismatch_is_exit_4(bundles: Any, capsys: Any) -> None:
    assert run(capsys, "verify", bundles.null(runtime_min="99.0"))[0] == 4


def test_an_engine_that_answers_otherwise_is_exit_5(bundles: Any, manifest: Any, capsys: Any) -> None:
    from edge.loading import load_bundle

    parts = {name: bytes(part) for name, part in load_bundle(bundles.onnx(), bundles.keyring).parts.items()}
    other = {name: bytes(part) for name, part in load_bundle(bundles.null(), bundles.keyring).parts.items()}
    path = bundles.pack("wrong.edge", manifest, {**other, "model.cpu.onnx": parts["model.cpu.onnx"]})
    assert run(capsys, "verify", path)[0] == 5


@pytest.mark.parametrize(
    "arguments", [["frobnicate"], ["classify"], ["classify", "--top"], ["key"], ["inspect", "x", "--unknown"]]
)
def test_a_usage_error_is_exit_2_in_two_lines(arguments: list[str], capsys: Any) -> None:
    code, _, err = run(capsys, *arguments)
    assert code == 2
    assert [line.split(":")[0].strip() for line in err.splitlines()] == ["error", "cure"]


def test_an_error_with_json_is_a_document(capsys: Any, tmp_path: Path) -> None:
    code, out, _ = run(capsys, "inspect", tmp_path / "absent.edge", "--json")
    document = json.loads(out)
    assert (code, document["exit_code"]) == (3, 3)
    assert document["error"]
    assert document["cure"]


@pytest.mark.parametrize("arguments", [["--help"], ["key", "--help"], ["classify", "--help"], ["--version"]])
def test_help_and_version_are_exit_0(arguments: list[str], capsys: Any) -> None:
    code, out, _ = run(capsys, *arguments)
    assert code == 0
    assert out


def test_a_key_is_made_listed_moved_and_revoked(capsys: Any, tmp_path: Path, monkeypatch: Any) -> None:
    file = tmp_path / "clinic.pub"
    assert run(capsys, "key", "new", "clinic", "-o", file)[0] == 0
    monkeypatch.setenv("VMAMBA_EDGE_HOME", str(tmp_path / "device"))
    assert run(capsys, "key", "trust", file)[0] == 0
    (listed,) = json.loads(run(capsys, "key", "list", "--json")[1])["keys"]
    assert (listed["name"], listed["state"]) == ("clinic", "trusted")
    assert run(capsys, "key", "revoke", listed["fingerprint"][:8])[0] == 0
    code, out, _ = run(capsys, "key", "list")
    assert code == 0
    assert "revoked" in out


def test_a_key_file_that_is_none_is_exit_2(capsys: Any, tmp_path: Path) -> None:
    assert run(capsys, "key", "trust", tmp_path / "absent.pub")[0] == 2


def test_doctor_lists_its_findings(capsys: Any) -> None:
    code, out, _ = run(capsys, "doctor", "--json")
    names = [finding["name"] for finding in json.loads(out)["findings"]]
    assert code == 0
    assert {"python", "onnxruntime", "cpu", "compiler", "nvcc", "tensorrt", "keyring", "package edge"} <= set(names)


@pytest.mark.parametrize(
    ("error", "code", "cause"),
    [
        (KeyboardInterrupt(), 1, "Interrupted"),
        (MemoryError(), 1, "memory is exhausted"),
        (OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "/tmp/x"), 1, "/tmp/x: No space left"),
        (ModuleNotFoundError("no", name="torch.nn"), 4, "'torch' is not installed"),
        (TypeError("first\nsecond"), 1, "Internal error: TypeError: first"),
    ],
)
def test_every_failure_has_one_line_of_cause_and_one_of_cure(error: BaseException, code: int, cause: str) -> None:
    told = error_from_exception(error)
    assert told.exit_code == code
    assert cause in told.cause
    assert "\n" not in told.cause + told.cure


def test_a_missing_extra_names_its_pip_line() -> None:
    assert error_from_exception(ModuleNotFoundError("no", name="torch")).cure == install_cure("compile")


def test_a_cure_names_what_works_with_a_package_that_is_on_no_index() -> None:
    texts = {path: path.read_text("utf-8") for folder in ("edge", "compile") for path in (ROOT / folder).rglob("*.py")}
    assert [path for path, text in texts.items() if "vmamba-edge[" in text or "-U vmamba-edge" in text] == []
    assert install_cure("serve", "video", "serve").endswith(": pip install '.[serve,video]'")


def test_python_m_edge_is_the_command_line() -> None:
    done = subprocess.run([sys.executable, "-m", "edge"], capture_output=True, text=True, check=True)
    assert "classify" in done.stdout


def test_ctrl_c_while_modules_are_imported_leaves_no_traceback(tmp_path: Path) -> None:
    (tmp_path / "typer.py").write_text("raise KeyboardInterrupt\n")
    paths = os.pathsep.join([str(tmp_path), str(ROOT)])
    command = [sys.executable, "-m", "edge", "doctor"]
    done = subprocess.run(command, env={**os.environ, "PYTHONPATH": paths}, capture_output=True, text=True, check=False)
    assert done.stderr.splitlines() == ["error: Interrupted.", "  cure: Start it again; what was finished is kept."]


def test_a_closed_pipe_leaves_no_traceback(bundles: Any, images: Path) -> None:
    command = f"{sys.executable} -m edge classify {bundles.onnx()} {images} {images} --json | head -c 1"
    done = subprocess.run(command, shell=True, capture_output=True, text=True, check=False)
    assert "Traceback" not in done.stderr
    assert "BrokenPipe" not in done.stderr


def test_a_name_with_brackets_or_colons_stands_in_a_table_as_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    table = Table("image", title="heads [/18]")
    table.add_row("scan[left] :baby:")
    show_table(table)
    shown = capsys.readouterr().out
    assert "heads [/18]" in shown and "scan[left] :baby:" in shown


def test_a_terminal_without_chinese_does_not_end_a_command(bundles: Any, images: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "edge", "classify", str(bundles.onnx()), str(images)],
        capture_output=True,
        env={**os.environ, "PYTHONIOENCODING": "ascii"},
        check=False,
    )
    assert done.returncode == 0, done.stderr


@pytest.fixture
def plugin(tmp_path: Path) -> dict[str, str]:
    """An installed distribution with two entry points, one of which lacks a package."""
    place = tmp_path / "site"
    (place / "plug-1.0.dist-info").mkdir(parents=True)
    (place / "plug-1.0.dist-info" / "METADATA").write_text("Metadata-Version: 2.1\nName: plug\nVersion: 1.0\n")
    points = "[edge.commands]\ngreet = plug_good:register\nlack = plug_bad:register\n"
    (place / "plug-1.0.dist-info" / "entry_points.txt").write_text(points)
    greet = "import typer\n\ndef register(app):\n    app.command('greet')(lambda: typer.echo('hello'))\n"
    (place / "plug_good.py").write_text(greet)
    (place / "plug_bad.py").write_text("import absent_package\n")
    root = str(Path(__file__).parents[2])
    return {**os.environ, "PYTHONPATH": os.pathsep.join([str(place), root])}


def test_commands_of_other_folders_are_mounted(plugin: dict[str, str]) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "edge", "greet"], capture_output=True, text=True, env=plugin, check=True
    )
    assert done.stdout == "hello\n"


def test_a_missing_package_costs_one_command_and_names_its_cure(plugin: dict[str, str]) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "edge", "lack", "x", "--y"], capture_output=True, text=True, env=plugin, check=False
    )
    assert done.returncode == 4
    assert "'absent_package' is not installed" in done.stderr
    assert "pip install" in done.stderr


def test_a_scanner_the_model_was_not_measured_on_is_named_once(
    bundles: Any, capsys: Any, tmp_path: Path, tissue: Tissue
) -> None:
    files = [dicom(tmp_path / f"{i}.dcm", tissue(0), ManufacturerModelName="Unheard Of 9") for i in range(2)]
    known = dicom(tmp_path / "known.dcm", tissue(0), ManufacturerModelName="Voluson E6 BT16")
    _, _, err = run(capsys, "classify", bundles.onnx(machines=("Voluson E6",)), *files, known)
    assert err.count("Not measured on this scanner") == 1
    assert "Unheard Of 9 (measured on: Voluson E6)" in err
