"""Where TensorRT for RTX comes from: its wheel, and the one name that the wheel lacks."""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path

from tests.conftest import absent

LIBRARY = "libtensorrt_rtx.so"


def environment_or_absent(folder: Path) -> dict[str, str]:
    """The environment of a process that builds with TensorRT for RTX.

    Its builder looks for the library without a version in the name as soon as a network holds a plugin, and aborts
    where it finds none.

    Args:
        folder: gets a link of that name.
    """
    spec = importlib.util.find_spec("tensorrt_rtx_libs")
    if spec is None or not spec.submodule_search_locations:
        absent("no tensorrt-rtx (pip, Linux x86-64, Python 3.11 or newer)")
    (folder / LIBRARY).symlink_to(next(Path(spec.submodule_search_locations[0]).glob(f"{LIBRARY}.*")))
    return {**os.environ, "LD_LIBRARY_PATH": f"{folder}:{os.environ.get('LD_LIBRARY_PATH', '')}"}
