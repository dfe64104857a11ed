"""The stage that builds the plugin: which headers it finds, and under which digest plans and timings are kept."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from compile.kernels.build_plugin import (
    SOURCES,
    headers_from_system,
    plugin_digest,
    plugin_from_sources,
    version_from_headers,
)
from edge.errors import DeviceError
from tests.compile.plugin_harness import headers_or_skip
from tests.conftest import absent

OLD = "#define NV_TENSORRT_MAJOR 10 //!< major\n#define NV_TENSORRT_MINOR 3 //!< minor\n"
NEW = """
#define TRT_MAJOR_ENTERPRISE 11
#define TRT_MINOR_ENTERPRISE 1
#define NV_TENSORRT_MAJOR TRT_MAJOR_ENTERPRISE //!< major
#define NV_TENSORRT_MINOR TRT_MINOR_ENTERPRISE //!< minor
"""


def headers(folder: Path, version: str) -> Path:
    (folder / "NvInferRuntime.h").touch()
    (folder / "NvInferVersion.h").write_text(version)
    return folder


@pytest.mark.parametrize(("text", "version"), [(OLD, (10, 3)), (NEW, (11, 1))], ids=["10.3", "11.1"])
def test_the_version_is_read_from_headers_of_either_form(tmp_path: Path, text: str, version: tuple[int, int]) -> None:
    assert version_from_headers(headers_from_system(headers(tmp_path, text))) == version


@pytest.mark.parametrize(
    ("text", "cause"), [(OLD.replace(" 3 ", " 2 "), "10.2"), ("", "does not tell"), (OLD.replace("10", "X"), "tell")]
)
def test_headers_that_are_too_old_or_strange_are_refused(tmp_path: Path, text: str, cause: str) -> None:
    with pytest.raises(DeviceError, match=cause):
        headers_from_system(headers(tmp_path, text))


def test_without_headers_there_is_a_cause_and_a_cure(tmp_path: Path) -> None:
    with pytest.raises(DeviceError, match=r"no TensorRT headers.*apt install libnvinfer-dev") as caught:
        plugin_from_sources(tmp_path, (87,), include=tmp_path / "none")
    assert "\n" not in str(caught.value)


def test_cmake_makes_the_same_digest() -> None:
    cmake = shutil.which("cmake") or absent("no cmake")
    script = SOURCES / "tensorrt" / "digest.cmake"
    done = subprocess.run([cmake, "-P", str(script)], capture_output=True, text=True, check=True)
    assert done.stdout.split()[-1] == plugin_digest()


def test_the_plugin_needs_no_tensorrt_library_and_is_built_once(tmp_path: Path) -> None:
    found = headers_or_skip()
    shutil.which("nvcc") or absent("no nvcc")
    plugin = plugin_from_sources(tmp_path, (87, 90), found)
    written = plugin.path.stat().st_mtime_ns
    assert plugin_from_sources(tmp_path, (87, 90), found) == plugin
    assert plugin.path.stat().st_mtime_ns == written
    assert plugin.path.name.startswith("libvmamba_edge_plugin-")
    assert plugin.made_from["sources"] == plugin_digest()
    dynamic = subprocess.run(["readelf", "-d", plugin.path], capture_output=True, text=True, check=True).stdout
    needed = [line for line in dynamic.splitlines() if "NEEDED" in line]
    assert not [line for line in needed if "nvinfer" in line or "cudart" in line]
