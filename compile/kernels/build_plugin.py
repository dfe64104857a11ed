"""The stage that makes SelectiveScan2D a plugin of TensorRT, on the machine that has TensorRT's headers.

::

    cuda/*           --nvcc--+
    tensorrt/*.cpp   --------+--> libvmamba_edge_plugin-<digest>.so --> IPluginRegistry::loadLibrary, trtexec, Triton
    NvInferRuntime.h --------+
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Sequence
from pathlib import Path

from calibration.artifact import Artifact, artifact_from_file
from compile.kernels.build_cuda import cuda_library_from_sources
from compile.kernels.kept import keep_library
from edge.errors import DeviceError
from edge.files import sha256_from_file

SOURCES = Path(__file__).parent
PLUGIN_SOURCES = ("creator.cpp", "log.cpp", "plugin.cpp", "scan.cpp")
DIGESTED = {"": {"selective_scan.h"}, "cuda": {".h", ".cuh", ".cu", ".cpp"}, "tensorrt": {".h", ".cpp"}}
DIGEST_DIGITS = 16
HEADER, VERSION_HEADER = "NvInferRuntime.h", "NvInferVersion.h"
PLACES = (  # JetPack and NVIDIA's Debian packages; a container; an unpacked tarball where people put it
    *(f"/usr/include/{machine}-linux-gnu" for machine in ("aarch64", "x86_64")),
    *("/usr/include", "/usr/local/tensorrt/include", "/usr/local/TensorRT/include", "/opt/tensorrt/include"),
)
OLDEST = (10, 3)  # the first JetPack with IPluginV3 that was compiled against


def plugin_from_sources(
    folder: Path,
    architectures: Sequence[int],
    include: Path | None = None,
    nvcc: str = "",
    progress: Callable[[str, float], None] | None = None,
    root: Path = SOURCES,
) -> Artifact:
    """Build the plugin library, or take the one that the same sources, headers and compiler have built before.

    Args:
        folder: where the library goes.
        architectures: compute capabilities without the dot, e.g. 87.
        include: folder of TensorRT's headers; nothing: the usual places.
        nvcc: the CUDA compiler; empty: the system's.
        progress: called with what is done and the share of it, 0 to 1.
        root: folder of the sources, laid out as this one.

    Returns:
        The library; `made_from` names the headers' version and the digest that a plan keeps.

    Raises:
        DeviceError: there are no headers, too old ones, or no CUDA compiler, or it fails.
        MachineError: the folder cannot be written.
    """
    headers = headers_from_system(include)
    made_from = {"tensorrt": ".".join(map(str, version_from_headers(headers))), "sources": plugin_digest(root)}
    named = {
        "VMAMBA_SOURCES": made_from["sources"],
        "VMAMBA_HEADERS": made_from["tensorrt"],
    }  # the latter for the cache
    library = cuda_library_from_sources(
        architectures,
        folder,
        sources=[root / "tensorrt" / name for name in PLUGIN_SOURCES],
        include=[headers],
        flags=[f"-D{macro}={value}" for macro, value in named.items()],
        nvcc=nvcc,
        progress=progress,
        root=root,
    )
    path = folder / f"libvmamba_edge_plugin-{library.sha256[:DIGEST_DIGITS]}.so"
    keep_library(path, library.path.read_bytes)
    return artifact_from_file(path, {**library.made_from, **made_from})


def headers_from_system(include: Path | None = None) -> Path:
    """The folder that holds TensorRT's headers.

    Args:
        include: the only folder to look into; nothing: the usual places.

    Raises:
        DeviceError: they are not there, or older than TensorRT 10.3.
    """
    places = [include] if include else [Path(place) for place in PLACES]
    for place in places:
        if (place / HEADER).is_file():
            version = version_from_headers(place)
            if version < OLDEST:
                raise DeviceError(
                    f"The TensorRT headers in {place} are of version {version[0]}.{version[1]}.",
                    f"Use TensorRT {OLDEST[0]}.{OLDEST[1]} (JetPack 6.1) or newer.",
                )
            return place
    raise DeviceError(
        f"There are no TensorRT headers ({HEADER}) in {', '.join(map(str, places))}.",
        "On a Jetson: apt install libnvinfer-dev. Elsewhere unpack TensorRT and name its include folder.",
    )


def version_from_headers(include: Path) -> tuple[int, int]:
    """Major and minor version of TensorRT's headers.

    Args:
        include: their folder.

    Raises:
        DeviceError: they do not say.
    """
    file = include / VERSION_HEADER
    text = file.read_text("utf-8", errors="replace") if file.is_file() else ""
    macros = dict(re.findall(r"^#define\s+(\w+)\s+(\w+)", text, re.MULTILINE))
    numbers = [macros.get(f"NV_TENSORRT_{part}", "") for part in ("MAJOR", "MINOR")]
    major, minor = (macros.get(number, number) for number in numbers)  # newer headers name another macro
    if not (major.isdigit() and minor.isdigit()):
        raise DeviceError(f"{file} does not tell TensorRT's version.", "Install TensorRT's headers again.")
    return int(major), int(minor)


def plugin_digest(root: Path = SOURCES) -> str:
    """What timings and plans are kept under: a digest of the kernels' and the plugin's sources, 16 hexadecimal digits.

    Args:
        root: folder of the sources.

    Source:
        CMakeLists.txt in tensorrt/ makes the same.
    """
    files = [
        file
        for folder, wanted in DIGESTED.items()
        for file in (root / folder).iterdir()
        if file.name in wanted or file.suffix in wanted
    ]
    lines = sorted(f"{sha256_from_file(file)} {file.name}" for file in files)
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:DIGEST_DIGITS]
