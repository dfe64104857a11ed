"""Whether this device can run a bundle whose signature and digests hold."""

from __future__ import annotations

import re

from edge.cpu import Cpu
from edge.errors import DeviceError
from edge.manifest import Manifest
from edge.packages import UPGRADE_CURE
from edge.quality import CHECKS


def check_compatible(manifest: Manifest, version: str, cpu: Cpu) -> None:
    """Refuse what would not run, or would run wrongly, here.

    Args:
        manifest: of a verified bundle.
        version: of this runtime.
        cpu: of this device.

    Raises:
        DeviceError: runtime too old, CPU features missing, or an unknown input check.
    """
    if _numbers(version) < _numbers(manifest.runtime_min):
        raise DeviceError(
            f"The bundle needs vmamba-edge {manifest.runtime_min}; this is {version}.",
            UPGRADE_CURE,
        )
    if missing := [flag for flag in manifest.isa if flag not in cpu.features]:
        raise DeviceError(
            f"The engine needs CPU features this {cpu.machine} machine lacks: {', '.join(missing)}.",
            "Compile the bundle for this machine: edge compile BUNDLE -o OUT.edge.",
        )
    if unknown := [name for name in manifest.input_checks if name not in CHECKS]:
        raise DeviceError(
            f"The bundle asks for input checks this runtime does not have: {', '.join(unknown)}.",
            UPGRADE_CURE,
        )


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(number) for number in re.findall(r"\d+", version)[:3])
