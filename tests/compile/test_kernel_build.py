"""The stage kernel_from_sources: what it refuses, and that it compiles once."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from calibration.artifact import Artifact
from compile.kernels.build import ISAS, compiler_from_target, kernel_from_sources
from compile.kernels.kept import keep_library
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


@pytest.mark.parametrize("damage", [lambda data: data + b"more", lambda data: data[:100], lambda data: b""])
def test_a_kept_library_that_is_not_what_was_built_is_built_again(
    damage: Callable[[bytes], bytes], library: Artifact, tmp_path: Path
) -> None:
    path, whole = tmp_path / library.path.name, library.path.read_bytes()
    keep_library(path, lambda: whole)
    path.write_bytes(damage(whole))
    keep_library(path, lambda: whole)
    assert path.read_bytes() == whole


def test_a_folder_that_everybody_can_write_is_refused(tmp_path: Path) -> None:
    tmp_path.chmod(0o777)
    with pytest.raises(DeviceError, match=r"Others can write.*chmod 700"):
        kernel_from_sources(MACHINE, tmp_path)


def test_a_compiler_may_have_options(tmp_path: Path) -> None:
    command = compiler_from_target(MACHINE)
    assert compiler_from_target(MACHINE, f"'{command[0]}' -O1")[1:] == ["-O1"]
    with pytest.raises(DeviceError, match="no C"):
        compiler_from_target(MACHINE, "'no end")
