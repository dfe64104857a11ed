"""What this CPU can do, as the kernel lists it."""

from __future__ import annotations

import platform
from dataclasses import dataclass
from pathlib import Path

X86 = ("x86_64", "AMD64", "i686")
VNNI = ("avx512_vnni", "avx_vnni")  # x86: u8 x s8 products without saturation


@dataclass(frozen=True)
class Cpu:
    """Machine and features.

    Attributes:
        machine: "x86_64", "aarch64", ...
        model: name of the processor, empty where the kernel gives none.
        features: flags of /proc/cpuinfo, e.g. "avx2", "avx512_vnni", "asimddp".
    """

    machine: str
    model: str
    features: frozenset[str]

    @property
    def saturates(self) -> bool:
        """Whether its 8-bit products add up in 16 bits and saturate: x86 without VNNI."""
        return self.machine in X86 and not any(flag in self.features for flag in VNNI)


def cpu_from_text(machine: str, cpuinfo: str) -> Cpu:
    """The first processor of a /proc/cpuinfo text."""
    lines = (line.partition(":") for line in cpuinfo.split("\n\n", 1)[0].splitlines())
    fields = {name.strip(): value.strip() for name, _, value in lines}
    flags = fields.get("flags") or fields.get("Features") or ""  # x86 and Arm name the line differently
    return Cpu(machine, fields.get("model name", ""), frozenset(flags.split()))


def load_cpu() -> Cpu:
    """This machine's CPU; without features where there is no /proc."""
    path = Path("/proc/cpuinfo")
    return cpu_from_text(platform.machine(), path.read_text() if path.exists() else "")
