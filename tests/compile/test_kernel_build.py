"""The stage kernel_from_sources: what it refuses, and that it compiles once."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from calibration.artifact import Artifact
from compile.kernels.build import ISAS, kernel_from_sources
from edge.errors import DeviceError, UsageError
from tests.compile.conftest import MACHINE


def test_missing_compiler_is_one_line_of_cause_and_one_of_cure(tmp_path: Path) -> None:
    with pytest.raises(DeviceError, match=r"no C\+\+ compiler.*apt install") as caught:
        kernel_from_sources(MACHINE, tmp_path, compiler="no-such-compiler")
    assert "\n" not in str(caught.value)


def test_a_machine_without_any_compiler_names_the_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    other = next(machine for machine in ISAS if machine != MACHINE)
    packages = {MACHINE: "g++,", other: f"g++-{other.replace('_', '-')}-linux-gnu,"}
    for machine, package in packages.items():
        with pytest.raises(DeviceError, match=rf"no C\+\+ compiler for {machine} .*apt install {re.escape(package)}"):
            kernel_from_sources(machine, tmp_path)


def test_a_compiler_that_fails_is_quoted_in_one_line(tmp_path: Path) -> None:
    broken = tmp_path / "broken"
    broken.write_text(f"#!/bin/sh\ncase $1 in -dump*) echo {MACHINE}-linux;; --v*) echo broken 1;; *) exit 1;; esac\n")
    broken.chmod(0o755)
    with pytest.raises(DeviceError, match="broken failed: it says nothing") as caught:
        kernel_from_sources(MACHINE, tmp_path, compiler=str(broken))
    assert "\n" not in str(caught.value)
    assert not list(tmp_path.glob("*.so"))


def test_unknown_machine_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="riscv"):
        kernel_from_sources("riscv", tmp_path)


def test_the_same_sources_are_compiled_once(library: Artifact, tmp_path: Path) -> None:
    first = kernel_from_sources(MACHINE, tmp_path)
    written = first.path.stat().st_mtime_ns
    assert kernel_from_sources(MACHINE, tmp_path) == first
    assert first.path.stat().st_mtime_ns == written
