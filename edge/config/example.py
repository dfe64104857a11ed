"""The commented example of a config file: `python -m edge.config.example` writes docs/config.toml again."""

from __future__ import annotations

from enum import Enum
from pathlib import Path

from edge.config.keys import Key, keys_of
from edge.config.sections import section_names
from edge.files import write_atomic

TARGET = Path("docs") / "config.toml"  # from the root of a checkout
HEAD = """\
# One file for the plane check and its bridges: `edge serve --config FILE`, `edge bridge cart --config FILE`.
# `edge doctor --config FILE` checks it, `edge install-service --config FILE` makes units of it. Every key is an option
# of its command and has its default where it is not set; the command line wins. A bridge is started for each section
# that there is, even an empty one; one without a socket uses that of [serve]. No key holds a secret or a patient.
# Written by `python -m edge.config.example`.
"""


def example_config() -> str:
    """Every key with its help, its kind and its default, commented out."""
    parts = [HEAD]
    for section in section_names():
        parts.append(f"\n[{section}]\n")
        for key in keys_of(section).values():
            needed = " Required, here or on the command line." if key.is_required else ""
            parts.append(f"# {key.text}{needed}\n# {key.name} = {_toml(key)}\n")
    return "".join(parts)


def _toml(key: Key) -> str:
    """The default, or what kind of value belongs there."""
    if isinstance(key.default, bool):
        return "true" if key.default else "false"
    if isinstance(key.default, (int, float)):
        return str(key.default)
    default = key.default.value if isinstance(key.default, Enum) else key.default
    text = "" if default is None or key.is_list else str(default)
    quoted = '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
    if key.kind is str:
        return f"[{quoted}]" if key.is_list else quoted
    return f"...  # {key.expected}"


if __name__ == "__main__":
    write_atomic(TARGET, example_config().encode())
