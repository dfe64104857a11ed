"""The native libraries of a bundle: one for each machine that a compiler here makes code for."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from calibration.artifact import Artifact
from calibration.graph import load_model
from compile.kernels.build import ISAS, kernel_from_sources
from compile.onnx_function import DOMAIN
from edge.errors import DeviceError, MachineError
from edge.session import NATIVE_FOLDER


@dataclass(frozen=True)
class Natives:
    """What was built.

    Attributes:
        libraries: machine -> its library; empty for a model that needs none.
        seconds: machine -> what that took, 0 where it was built before.
        messages: what the user should know.
    """

    libraries: Mapping[str, Artifact]
    seconds: Mapping[str, float]
    messages: tuple[str, ...]

    def on(self, machine: str) -> tuple[bytes, ...]:
        """What ONNX Runtime has to load on a machine."""
        return (self.libraries[machine].path.read_bytes(),) if machine in self.libraries else ()

    @property
    def parts(self) -> dict[str, bytes]:
        """Their names in a bundle."""
        return {
            f"{NATIVE_FOLDER}{machine}/selective_scan.so": library.path.read_bytes()
            for machine, library in self.libraries.items()
        }


NO_NATIVES = Natives({}, {}, ())


def natives_from_model(model: Path, machine: str, folder: Path, compiler: str) -> Natives:
    """Build the libraries of the operators that a model holds.

    Args:
        model: ONNX.
        machine: this one, whose compiler must not be missing without a word.
        folder: where libraries are kept between compilations.
        compiler: of C++ for this machine, as $CXX names it; empty: the system's.
    """
    if not has_natives(model):
        return NO_NATIVES
    libraries, seconds, messages = {}, {}, []
    for target in ISAS:
        started = time.time()
        try:
            libraries[target] = kernel_from_sources(target, folder, compiler if target == machine else "")
        except (DeviceError, MachineError) as error:
            if target == machine:  # any other is built by the way, where its cross compiler happens to be installed
                messages.append(f"{error.cause} The slower local function runs on this machine.")
        else:
            is_new = libraries[target].path.stat().st_mtime >= started
            seconds[target] = time.time() - started if is_new else 0.0
    return Natives(libraries, seconds, tuple(messages))


def has_natives(model: Path) -> bool:
    """Whether an ONNX model holds operators that have native kernels."""
    return any(node.domain == DOMAIN for node in load_model(model).graph.node)
