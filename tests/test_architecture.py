"""The architecture as one table: who may import whom, and what importing costs. Changing the table changes it.

::

    compile -> calibration -> edge <- firmware_bridge
"""

from __future__ import annotations

import ast
import importlib.metadata
import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[1]
FOLDERS = ("edge", "compile", "calibration", "firmware_bridge")
DISTRIBUTION = "vmamba-edge"

EDGE = {"edge", "numpy", "typer", "rich", "PIL", "cryptography", "tomllib", "tomli"}  # tomli: Python 3.10
BACKENDS = {"edge", "numpy", "onnxruntime", "tensorrt", "pycuda", "cuda"}
SOURCES = {"edge", "numpy", "PIL", "pydicom", "av"}
PAGE = {"edge", "numpy", "PIL", "starlette", "uvicorn"}
REPORTS = {"edge", "numpy", "PIL", "reportlab"}
CALIBRATION = {"calibration", "edge", "numpy", "PIL", "typer", "rich", "onnx", "onnxruntime", "sklearn", "matplotlib"}
CALIBRATION |= {"google"}  # protobuf: a file that is no ONNX makes onnx raise protobuf's DecodeError
TRAINING = {"torch", "timm", "torchvision", "safetensors", "onnxscript", "mamba_ssm"}
SBOM = {"cyclonedx", "packageurl"}  # the second is the first's own form of a package's name
BRIDGE = {"firmware_bridge", "edge", "numpy", "PIL", "typer", "rich", "google", "serial", "pydicom", "pynetdicom"}
BRIDGE |= {"highdicom", "av", "tomllib", "tomli"}

ALLOWED: dict[str, set[str]] = {  # folder -> packages besides the standard library; the longest folder that fits counts
    "edge": EDGE,
    "edge/backends": BACKENDS,
    "edge/sources": SOURCES,
    "edge/deploy": EDGE | SBOM,
    "edge/page": PAGE,
    "edge/reports": REPORTS,
    "calibration": CALIBRATION,
    "compile": {"compile"} | EDGE | BACKENDS | SOURCES | CALIBRATION | TRAINING | SBOM,
    "firmware_bridge": BRIDGE,
}

HEAVY = {"torch", "onnx", "onnxruntime", "tensorrt", "sklearn", "matplotlib"}
HEAVY |= {"timm", "torchvision", "onnxscript"}  # these load one of the above
HEAVY_MODULES = ("compile/model/*", "compile/training/*", "compile/kernels/torch_*.py")  # may be heavy at their top

MAX_LINES = 300  # house style, rule 2
NOT_OURS = ("firmware_bridge/c/nanopb/*", "firmware_bridge/c/cart.pb.h")  # nanopb's own, and what it writes
SOURCE_SUFFIXES = {".py", ".c", ".cc", ".cpp", ".h", ".hpp", ".cu", ".cuh", ".toml", ".html", ".js", ".css"}
NAMELESS = {"util", "utils", "helper", "helpers", "common", "misc"}  # what a file is called that has no subject


@dataclass(frozen=True)
class Import:
    """One import statement's name, e.g. "compile.model.zoo.model_names"; `at_top` if importing the file runs it."""

    name: str
    line: int
    at_top: bool

    @property
    def package(self) -> str:
        return self.name.partition(".")[0]


def files() -> list[Path]:
    """All Python files of the four folders, relative to the root."""
    return [path.relative_to(ROOT) for folder in FOLDERS for path in sorted((ROOT / folder).rglob("*.py"))]


def module_from_file(file: Path) -> str:
    parts = file.with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def is_cli(file: Path) -> bool:
    return file.stem == "cli" or file.stem.endswith("_cli")


def may_be_heavy(file: Path) -> bool:
    return not is_cli(file) and any(fnmatch(file.as_posix(), pattern) for pattern in HEAVY_MODULES)


def is_foreign(name: str) -> bool:
    return any(fnmatch(name, pattern) for pattern in NOT_OURS)


def imports_of(file: Path) -> list[Import]:
    return list(imports_below(ast.parse((ROOT / file).read_text("utf-8")), at_top=True))


def imports_below(node: ast.AST, at_top: bool) -> Iterator[Import]:
    """Imports in any statement below a node, those for type checkers and those inside functions included."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Import):
            yield from (Import(alias.name, child.lineno, at_top) for alias in child.names)
        elif isinstance(child, ast.ImportFrom):
            start = "." * child.level + (child.module or "")
            yield from (Import(f"{start}.{alias.name}", child.lineno, at_top) for alias in child.names)
        elif isinstance(child, ast.Call) and ast.unparse(child.func) in ("importlib.import_module", "__import__"):
            if child.args and isinstance(child.args[0], ast.Constant):
                yield Import(str(child.args[0].value), child.lineno, at_top)
        elif isinstance(child, ast.If) and ast.unparse(child.test).endswith("TYPE_CHECKING"):
            yield from imports_below(ast.Module(child.body, []), at_top=False)
            yield from imports_below(ast.Module(child.orelse, []), at_top)
        else:
            is_function = isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda))
            yield from imports_below(child, at_top and not is_function)


def allowed_in(file: Path) -> set[str]:
    rows = [folder for folder in ALLOWED if file.as_posix().startswith(f"{folder}/")]
    return ALLOWED[max(rows, key=len)]


@pytest.mark.parametrize(
    ("source", "at_top"),
    [
        ("import torch.nn", True),
        ("try:\n    from torch import nn\nexcept ImportError:\n    pass", True),
        ("class A:\n    import torch", True),
        ("if TYPE_CHECKING:\n    pass\nelse:\n    import torch", True),
        ("import importlib\nnet = importlib.import_module('torch')", True),
        ("if TYPE_CHECKING:\n    import torch", False),
        ("def run():\n    import torch", False),
        ("class A:\n    def run(self):\n        from torch import nn", False),
    ],
)
def test_the_scan_tells_what_importing_a_file_runs(source: str, at_top: bool) -> None:
    found = [item for item in imports_below(ast.parse(source), at_top=True) if item.package == "torch"]
    assert [item.at_top for item in found] == [at_top]


@pytest.mark.parametrize("folder", FOLDERS)
def test_a_folder_imports_only_what_its_row_allows(folder: str) -> None:
    wrong = [
        f"{file}:{found.line} imports {found.package}"
        for file in files()
        if file.parts[0] == folder
        for found in imports_of(file)
        if found.package not in sys.stdlib_module_names | allowed_in(file)
    ]
    assert wrong == []


def test_heavy_packages_are_imported_inside_functions() -> None:
    wrong = [
        f"{file}:{found.line} imports {found.package} at its top"
        for file in files()
        if not may_be_heavy(file)
        for found in imports_of(file)
        if found.at_top and found.package in HEAVY
    ]
    assert wrong == []


WATCH = """
import importlib, json, sys

heavy, folders, modules = map(json.loads, sys.argv[1:])
reasons = {}

class Watch:
    @staticmethod
    def find_spec(name, path=None, target=None):
        if name in heavy:
            frame, chain = sys._getframe(1), []
            while frame is not None:
                module = frame.f_globals.get("__name__", "")
                if frame.f_code.co_name == "<module>" and module.partition(".")[0] in folders:
                    chain.append(module)
                frame = frame.f_back
            reasons[name] = " <- ".join([name, *chain])

sys.meta_path.insert(0, Watch)
for module in modules:
    importlib.import_module(module)
print(json.dumps([reasons.get(name, name) for name in heavy if name in sys.modules]))
"""


def loaded_by(modules: list[str], packages: set[str]) -> Any:
    """Those of the packages that a fresh interpreter has after it imported modules, each with who asked for it."""
    arguments = [json.dumps(value) for value in (sorted(packages), FOLDERS, modules)]
    command = [sys.executable, "-c", WATCH, *arguments]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_importing_any_module_loads_no_heavy_package() -> None:
    assert loaded_by([module_from_file(file) for file in files() if not may_be_heavy(file)], HEAVY) == []


def test_a_loaded_package_is_told_with_the_chain_that_asked_for_it() -> None:
    assert loaded_by(["calibration.splits"], {"csv", "wave"}) == ["csv <- calibration.dataset <- calibration.splits"]


def test_command_lines_import_heavy_modules_inside_functions() -> None:
    heavy = [f"{module_from_file(file)}." for file in files() if may_be_heavy(file)]
    wrong = [
        f"{file}:{found.line} imports {found.name} at its top"
        for file in files()
        if is_cli(file)
        for found in imports_of(file)
        if found.at_top and f"{found.name}.".startswith(tuple(heavy))
    ]
    assert wrong == []


def test_imports_name_their_folder_in_full() -> None:
    wrong = [f"{file}:{found.line}" for file in files() for found in imports_of(file) if found.name.startswith(".")]
    assert wrong == []


def test_no_source_file_is_too_long() -> None:
    sources = [p for folder in FOLDERS for p in (ROOT / folder).rglob("*") if p.suffix in SOURCE_SUFFIXES]
    lengths = {path.relative_to(ROOT).as_posix(): len(path.read_text("utf-8").splitlines()) for path in sources}
    assert {name: n for name, n in lengths.items() if n > MAX_LINES and not is_foreign(name)} == {}


def test_every_file_and_folder_has_a_subject() -> None:
    paths = [path for folder in (*FOLDERS, "tests") for path in (ROOT / folder).rglob("*")]
    names = [path.relative_to(ROOT).as_posix() for path in paths if NAMELESS & set(path.stem.lower().split("_"))]
    assert [name for name in names if not is_foreign(name)] == []


def test_the_wheel_holds_the_four_folders_and_nothing_beside_them() -> None:
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib
    build = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["hatch"]["build"]
    wheel = build["targets"]["wheel"]
    assert sorted(wheel["packages"]) == sorted(FOLDERS)
    assert set(wheel) <= {"packages", "dev-mode-dirs"}
    assert not {"force-include", "only-include", "include", "sources"} & set(build)


@pytest.mark.parametrize("folder", FOLDERS)
def test_every_folder_of_the_wheel_is_in_a_clone(folder: str) -> None:
    tracked = [path for path in (ROOT / folder).rglob("*") if path.is_file() and "__pycache__" not in path.parts]
    assert tracked, f"git keeps no empty folder: {folder} would be missing, and mypy and the wheel ask for it"


@pytest.mark.parametrize("folder", FOLDERS)
def test_no_other_distribution_owns_a_folder(folder: str) -> None:
    owners = set(importlib.metadata.packages_distributions().get(folder, []))
    assert owners <= {DISTRIBUTION}
