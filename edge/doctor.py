"""What this machine can build and run, and the line that installs what is missing.

Every check looks without changing anything; `findings_from_machine` is the list of them.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import platform
import re
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import edge
from edge.backends.cuda import open_cuda
from edge.backends.ort import ort_version
from edge.cpu import load_cpu
from edge.errors import EdgeError
from edge.keyring import Keyring
from edge.packages import install_cure
from edge.plans import PlanCache

DISTRIBUTION = "vmamba-edge"
TOP_LEVEL = ("edge", "compile", "calibration", "firmware_bridge")
OLDEST_ORT = (1, 17)  # first whose custom-op interface the native kernels use
COMPILERS = ("c++", "g++", "clang++")


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at.

    Attributes:
        name: what.
        status: "ok", "missing" (something optional), or "broken" (the runtime cannot work so).
        detail: what was found.
        cure: command that helps, empty when ok.
    """

    name: str
    status: str
    detail: str
    cure: str = ""


def findings_from_machine(keyring: Keyring) -> tuple[Finding, ...]:
    """Look at everything.

    Args:
        keyring: this user's.
    """
    return (
        _python(),
        _onnxruntime(),
        _cpu(),
        *_extras(),
        _program("compiler", COMPILERS, "apt install g++", "native CPU kernels; without it the slower local function"),
        _program("nvcc", ("nvcc",), "on a Jetson: apt install cuda-toolkit", "CUDA kernels"),
        _module("tensorrt", "on a Jetson: apt install python3-libnvinfer libnvinfer-dev", "TensorRT engines"),
        _gpu(),
        *_plans(keyring),
        _keyring(keyring),
        *(_owner(name, importlib.metadata.packages_distributions()) for name in TOP_LEVEL),
    )


def _python() -> Finding:
    return Finding("python", "ok", f"{platform.python_version()}, vmamba-edge {edge.__version__}")


def _onnxruntime() -> Finding:
    name, cure = "onnxruntime", "pip install -U onnxruntime"
    try:
        version = ort_version()
    except ImportError as error:
        return Finding(name, "broken", str(error).splitlines()[0], cure)
    is_old = tuple(int(number) for number in re.findall(r"\d+", version)[:2]) < OLDEST_ORT
    return Finding(name, "broken", f"{version} is too old", cure) if is_old else Finding(name, "ok", version)


def _cpu() -> Finding:
    cpu = load_cpu()
    detail = f"{cpu.machine} {cpu.model}".strip()
    if cpu.machine != "x86_64":
        return Finding("cpu", "ok", detail)
    known = [flag for flag in ("avx2", "avx512f", "avx_vnni", "avx512_vnni") if flag in cpu.features]
    cure = "none: compile on this machine for 7-bit weights, which are faster here" if cpu.saturates else ""
    return Finding("cpu", "missing" if cpu.saturates else "ok", f"{detail}: {', '.join(known) or 'no AVX2'}", cure)


def _extras() -> Iterator[Finding]:
    try:
        lines = importlib.metadata.requires(DISTRIBUTION) or []
    except importlib.metadata.PackageNotFoundError:
        yield Finding("distribution", "missing", "runs from a source folder, not installed", "pip install -e .")
        return
    for extra, packages in packages_from_requirements(lines).items():
        absent = [package for package in packages if not _is_installed(package)]
        cure = install_cure(extra) if absent else ""
        detail = f"without {', '.join(absent)}" if absent else ", ".join(packages)
        yield Finding(f"extra {extra}", "missing" if absent else "ok", detail, cure)


def packages_from_requirements(lines: list[str]) -> dict[str, list[str]]:
    """Extra -> packages, from a distribution's requirement lines; extras that name other extras are left to those."""
    table: dict[str, list[str]] = {}
    for line in lines:
        name, extra = re.match(r"[A-Za-z0-9._-]+", line), re.search(r"extra\s*==\s*['\"]([^'\"]+)", line)
        if name and extra and name[0] != DISTRIBUTION:
            table.setdefault(extra[1], []).append(name[0])
    return table


def _is_installed(package: str) -> bool:
    try:
        importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return False
    return True


def _program(name: str, commands: tuple[str, ...], cure: str, purpose: str) -> Finding:
    found = next((path for command in commands if (path := shutil.which(command))), None)
    return Finding(name, "ok", found) if found else Finding(name, "missing", f"for {purpose}", cure)


def _module(name: str, cure: str, purpose: str) -> Finding:
    if importlib.util.find_spec(name) is None:
        return Finding(name, "missing", f"for {purpose}", cure)
    return Finding(name, "ok", importlib.metadata.version(name) if _is_installed(name) else "found")


def _gpu() -> Finding:
    try:
        cuda = open_cuda()
    except EdgeError as error:
        return Finding("gpu", "missing", f"for TensorRT engines: {error.cause}", error.cure)
    cuda.close()
    return Finding("gpu", "ok", cuda.gpu.text)


def _plans(keyring: Keyring) -> Iterator[Finding]:
    """A line where this device has built plans."""
    cache = PlanCache(keyring.home)
    files, sound = len(list(cache.folder.glob("*.plan"))), cache.facts()
    detail = "; ".join(f"{facts.name}: built {facts.text}" for facts in sound)
    if len(sound) < files:
        cure = "edge compile BUNDLE --target tensorrt builds a plan again"
        yield Finding("plans", "missing", f"{files - len(sound)} of {files} were altered or are too old", cure)
    elif files:
        yield Finding("plans", "ok", detail)


def _keyring(keyring: Keyring) -> Finding:
    try:
        keys = keyring.keys()
    except EdgeError as error:
        return Finding("keyring", "broken", error.cause, error.cure)
    trusted = sum(key.state == "trusted" for key in keys)
    detail = f"{keyring.home}: {trusted} trusted, {len(keys) - trusted} revoked"
    if not trusted:
        return Finding("keyring", "missing", detail, "edge key trust FILE, or let edge compile make a development key")
    return Finding("keyring", "ok", detail)


def _owner(name: str, owners: Mapping[str, list[str]]) -> Finding:
    strangers = sorted(set(owners.get(name, [])) - {DISTRIBUTION})
    if strangers:
        return Finding(f"package {name}", "broken", f"also in {strangers[0]}", f"pip uninstall {strangers[0]}")
    spec = importlib.util.find_spec(name)
    places = [Path(place) for place in (spec.submodule_search_locations or ())] if spec else []
    ours = Path(edge.__file__).parent.parent
    if not places:
        return Finding(f"package {name}", "missing", "not found", install_cure())
    if ours not in {place.parent for place in places}:
        return Finding(
            f"package {name}", "broken", f"found in {places[0]}", "Install into a virtual environment of its own"
        )
    return Finding(f"package {name}", "ok", str(places[0]))
