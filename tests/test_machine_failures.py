"""When the machine fails in the middle of the work: exit 1, cause and cure in a line each, nothing half-written."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import Command, Made, check_told, edge_process


@pytest.mark.parametrize("place", ["file/x.edge", "file/folder/x.edge"])
def test_an_output_below_a_file_is_exit_1(
    place: str, edge: Command, stripes_onnx: Path, stripes: Path, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("kept")
    data = ("--calibration", stripes, "--gate-data", stripes, "--precision", "fp32")
    done = edge("compile", stripes_onnx, "-o", tmp_path / place, "--work", tmp_path / "work", *data)
    check_told(done, 1, "cannot be written")
    assert (tmp_path / "file").read_text() == "kept"


def test_an_output_in_proc_is_exit_1(edge: Command, stripes_onnx: Path, stripes: Path) -> None:
    data = ("--calibration", stripes, "--gate-data", stripes, "--precision", "fp32")
    check_told(edge("compile", stripes_onnx, "-o", "/proc/none/x.edge", *data), 1, "cannot be written")


@pytest.mark.parametrize("kept", [False, True])
def test_a_disk_without_space_is_exit_1_and_leaves_nothing_half_written(
    kept: bool, stripes_made: Made, stripes_onnx: Path, stripes: Path, tmp_path: Path
) -> None:
    """A real full disk: 400 KiB of memory, mounted where the bundle shall lie; a bundle that lay there before stays."""
    wrapper = ("unshare", "--map-root-user", "--mount")
    if shutil.which("unshare") is None or subprocess.run([*wrapper, "true"], check=False).returncode:
        pytest.skip("no mount namespace here: the disk cannot be made small")
    disk, listing = tmp_path / "disk", tmp_path / "listing"
    disk.mkdir()
    prelude = f"""
import atexit, os, pathlib, subprocess
subprocess.run(["mount", "-t", "tmpfs", "-o", "size=400k", "tmpfs", {str(disk)!r}], check=True)
disk = pathlib.Path({str(disk)!r})
if {kept}:
    (disk / "x.edge").write_text("before")
def show():
    text = "\\n".join(f"{{file.name}} {{file.read_text()}}" for file in disk.iterdir())
    pathlib.Path({str(listing)!r}).write_text(text)
atexit.register(show)
"""
    data = ("--calibration", stripes, "--gate-data", stripes, "--work", tmp_path / "work", "--precision", "fp32")
    arguments = ("compile", stripes_onnx, "-o", disk / "x.edge", *data)
    done = edge_process(stripes_made.home, *arguments, prelude=prelude, wrapper=wrapper)
    check_told(done, 1, "No space left on device")
    assert listing.read_text() == ("x.edge before" if kept else "")


@pytest.fixture
def small_files(tmp_path: Path) -> Iterator[str]:
    """A process that may not write a file beyond 100 kB: as full as a disk gets without a disk."""
    yield "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))"


def test_a_file_that_cannot_be_finished_leaves_nothing(
    small_files: str, stripes_made: Made, stripes_onnx: Path, stripes: Path, tmp_path: Path
) -> None:
    data = ("--calibration", stripes, "--gate-data", stripes, "--precision", "fp32")
    output = tmp_path / "out" / "x.edge"
    done = edge_process(stripes_made.home, "compile", stripes_onnx, "-o", output, *data, prelude=small_files)
    check_told(done, 1, "File too large")
    assert {file.name for file in output.parent.rglob("*") if file.is_file()} == {"stages.lock"}  # who compiles there


def test_an_interrupted_compilation_leaves_no_bundle(stripes_onnx: Path, stripes: Path, tmp_path: Path) -> None:
    work, output = tmp_path / "work", tmp_path / "x.edge"
    data = ("--calibration", stripes, "--gate-data", stripes, "--work", work)
    # A shell starts what runs in the background with interrupts ignored, and children inherit that.
    command = [
        "env",
        "--default-signal=INT",
        sys.executable,
        "-m",
        "edge",
        "compile",
        stripes_onnx,
        "-o",
        output,
        *data,
    ]
    environment = {**os.environ, "VMAMBA_EDGE_HOME": str(tmp_path / "home")}
    with subprocess.Popen(
        [str(word) for word in command], stderr=subprocess.PIPE, text=True, env=environment
    ) as process:
        while process.poll() is None and not (work / "model.onnx.made.json").exists():
            time.sleep(0.005)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=60)
    assert process.returncode == 1, err
    assert "Interrupted" in err
    assert "Traceback" not in err
    assert not output.exists()
