"""Version of the cart link, made by `generate.py` of cart.proto."""

from __future__ import annotations

MAJOR = 1
MINOR = 0
SCHEMA_HASH = 0x796D179018D1B3D0
