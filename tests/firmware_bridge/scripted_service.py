"""The local API over a scripted plane check, on a Unix socket of this process."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from edge.page.doors import ServerSettings, open_doors
from edge.page.server import served
from tests.edge.page.scripted_bedside import ScriptedBedside


@contextmanager
def scripted_service(box: ScriptedBedside, path: Path) -> Iterator[Path]:
    """Serve; yields the socket's path."""
    faults: list[Exception] = []
    settings = ServerSettings(port=None, socket=path)
    with open_doors(settings) as doors, served(box, settings, doors, failed=faults.append):
        yield path
    assert faults == []
