"""The installed TensorRT: its module, what it says, the plugins it is given. Only this file imports tensorrt."""

from __future__ import annotations

import functools
import re
from collections.abc import Sequence
from typing import Any

from edge.errors import DeviceError
from edge.files import path_from_bytes, sha256_from_bytes

PLUGIN = ("SelectiveScan2D", "1", "")  # name, version and namespace of the scan's plugin
MARK = re.compile(rb"vmamba_plugin_sources=([0-9a-f]{16})")  # in the library; see tensorrt/creator.cpp
TOLD_LINES = 2  # errors in one message: the last one is often only "see above"
KEPT = {"INTERNAL_ERROR": "E", "ERROR": "E", "WARNING": "W", "INFO": "I"}  # severity -> letter; verbose ones are many


def tensorrt_module() -> Any:
    """The installed module `tensorrt`.

    Raises:
        DeviceError: there is none.
    """
    try:
        import tensorrt
    except (ImportError, OSError) as error:  # OSError: the package without its libraries
        raise DeviceError(
            "TensorRT is not installed here.",
            "On a Jetson: apt install python3-libnvinfer, and a venv with --system-site-packages.",
        ) from error
    return tensorrt


def logger_from_lines(trt: Any, lines: list[str]) -> Any:
    """TensorRT's logger that keeps what matters.

    Args:
        trt: the module `tensorrt`.
        lines: gets lines that begin with "E ", "W " or "I ".
    """

    class Lines(trt.ILogger):  # type: ignore[misc]  # its base is an argument
        def __init__(self) -> None:
            trt.ILogger.__init__(self)

        def log(self, severity: Any, message: str) -> None:
            if severity.name in KEPT:
                lines.append(f"{KEPT[severity.name]} {message}")

    return Lines()


def told(lines: Sequence[str]) -> str:
    """The last errors among what TensorRT said, as one line."""
    errors = [" ".join(line[2:].split()) for line in lines if line.startswith("E ")]
    return "; ".join(dict.fromkeys(errors[-TOLD_LINES:]))[:400].rstrip(".") or "it says nothing"


def load_plugin(trt: Any, plugin: bytes, lines: list[str]) -> None:
    """Register the scan's plugin, once a process; it stays, since another session may use it.

    Args:
        trt: the module `tensorrt`, with a logger in use.
        plugin: the library; empty: there is nothing to do.
        lines: what that logger collects.

    Raises:
        DeviceError: TensorRT refuses the library, or this process has loaded one of other kernels.
    """
    registry = trt.get_plugin_registry()
    if not plugin:
        return
    loaded, kernels = _loaded(trt), kernels_from_plugin(plugin)
    if registry.get_creator(*PLUGIN) is not None:
        if loaded and kernels not in loaded:
            raise DeviceError(
                "This program has loaded another bundle's plugin, of other kernels; TensorRT holds one a process.",
                "Restart the program, and open one of the two bundles in it.",
            )
        return
    lines.clear()  # it calls a plugin that is not there yet an error
    with path_from_bytes(plugin) as path:
        if registry.load_library(path) is None or registry.get_creator(*PLUGIN) is None:
            raise DeviceError(
                f"TensorRT {trt.__version__} refuses the plugin: {told(lines)}.",
                "Build it again: edge compile BUNDLE --target tensorrt",
            )
    loaded.add(kernels)


def kernels_from_plugin(plugin: bytes) -> str:
    """What tells a plugin's kernels from others: the digest of its sources, since a compiler need not repeat its bytes.

    Args:
        plugin: the library; without the mark of ours its own digest counts.
    """
    found = MARK.search(plugin)
    return found[1].decode() if found else sha256_from_bytes(plugin)


@functools.cache
def _loaded(trt: Any) -> set[str]:
    """The kernels that `load_plugin` has registered; lives as long as the process, as TensorRT's registry does."""
    return set()
