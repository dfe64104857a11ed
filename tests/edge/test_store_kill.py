from __future__ import annotations

from pathlib import Path

from tests.bench.store import figures_from_kills


def test_ten_kills_under_load_lose_nothing_acknowledged(tmp_path: Path) -> None:
    done = figures_from_kills(tmp_path / "x.db", kills=10, seed=3, least=3)
    assert done["acknowledged"] > 20
    assert (done["lost"], done["audit_valid"]) == (0, True)
    assert 0 <= done["stored_but_not_acknowledged"] <= 10
