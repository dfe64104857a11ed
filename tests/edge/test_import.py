"""What importing costs: the runtime starts at a bedside, on a small computer."""

from __future__ import annotations

import subprocess
import sys

import pytest

HEAVY = ("numpy", "onnx", "onnxruntime", "torch", "PIL", "rich", "typer", "cryptography", "pydicom", "sklearn", "av")


def loaded_by(statement: str) -> set[str]:
    code = f"import sys; {statement}; print(*sorted({{name.partition('.')[0] for name in sys.modules}}))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def test_importing_edge_loads_no_package() -> None:
    assert not loaded_by("import edge") & set(HEAVY)


@pytest.mark.parametrize("module", ["session", "bundle", "keyring", "quality", "protocol", "doctor", "backends.ort"])
def test_importing_a_module_loads_no_engine(module: str) -> None:
    heavy = {"onnx", "onnxruntime", "torch", "PIL", "rich", "typer", "cryptography", "pydicom", "sklearn", "av"}
    assert not loaded_by(f"import edge.{module}") & heavy


def test_the_command_line_loads_no_engine_and_no_tables() -> None:
    assert not loaded_by("import edge.cli") & {"onnx", "onnxruntime", "torch", "PIL", "cryptography", "pydicom"}


def test_an_unknown_name_of_the_package_is_an_attribute_error() -> None:
    import edge

    with pytest.raises(AttributeError, match="surprise"):
        _ = edge.surprise
    assert callable(edge.open_session)
