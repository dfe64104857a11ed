"""A stored exam with every state of a plane, and its report."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from edge.reports.gather import Report, report_from_store
from tests.edge.reports.exams import stored
from tests.edge.stored import opened

MakeReport = Callable[..., Report]


@pytest.fixture
def made(tmp_path: Path) -> MakeReport:
    """Store an exam and report it; options as of `stored`."""

    def make(**options: Any) -> Report:
        with opened(tmp_path / "exams.db") as store:
            return report_from_store(store, stored(store, **options))

    return make
