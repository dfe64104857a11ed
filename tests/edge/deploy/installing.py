"""Where the tests of an installation look for what it wrote."""

from __future__ import annotations

from pathlib import Path

PROGRAM = "/opt/vmamba-edge/bin/edge"
UNIT = "etc/systemd/system/vmamba-edge.service"
CONFIG = "etc/vmamba-edge/config.toml"
KEYS = "var/lib/vmamba-edge/keys.json"


def files_below(folder: Path) -> dict[str, bytes]:
    """Path below the folder -> content."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
