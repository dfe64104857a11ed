"""The page's files: names of the folder only, no path of a stranger's reaches the file system.

In: a name as it stands in an address. Out: bytes and their type, or nothing.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

FOLDER = Path(__file__).parent / "static"
NAME = re.compile(r"(?:[A-Za-z0-9][A-Za-z0-9_-]*/){0,2}[A-Za-z0-9][A-Za-z0-9_-]*(?:\.[A-Za-z0-9_-]+){0,2}")
TYPES: Mapping[str, str] = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".ico": "image/x-icon",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".mjs": "text/javascript; charset=utf-8",
    ".png": "image/png",
    ".svg": "image/svg+xml",
    ".webmanifest": "application/manifest+json",
    ".woff2": "font/woff2",
}
TOKEN = b"{{token}}"  # where index.html asks for the token: <meta name="token" content="{{token}}">


def asset_from_name(name: str) -> tuple[bytes, str] | None:
    """A file of the page, with its type.

    Args:
        name: relative, forward slashes.

    Returns:
        None where there is none.
    """
    kind = TYPES.get(Path(name).suffix) if len(name) < 200 and NAME.fullmatch(name) else None
    if kind is None:
        return None
    try:
        return (FOLDER / name).read_bytes(), kind
    except OSError:
        return None
