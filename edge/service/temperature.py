"""The machine's temperatures, where it tells."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

THERMAL = Path("/sys/class/thermal")


def load_temperatures(folder: Path = THERMAL) -> Mapping[str, float]:
    """Zone -> degrees Celsius; a zone that is switched off (Jetson: an idle GPU) is left out.

    Args:
        folder: of the kernel's thermal zones.
    """
    found = {}
    for zone in sorted(folder.glob("thermal_zone*")):
        try:
            name = (zone / "type").read_text("ascii").strip()
            celsius = int((zone / "temp").read_text("ascii")) / 1000
        except (OSError, ValueError):
            continue
        found[name if name not in found else f"{name}-{zone.name.removeprefix('thermal_zone')}"] = celsius
    return found
