"""Write docs/config.toml again: `python -m firmware_bridge.config_example` from the root of a checkout."""

from __future__ import annotations

from pathlib import Path

from edge.files import write_atomic
from firmware_bridge.config import example_config

TARGET = Path("docs") / "config.toml"

if __name__ == "__main__":
    write_atomic(TARGET, example_config().encode())
