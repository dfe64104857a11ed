from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from edge.errors import TrustError
from edge.releases import Releases


def test_nothing_was_opened_on_a_new_device(tmp_path: Path) -> None:
    assert Releases(tmp_path).highest("planes") is None


def test_a_lower_release_is_refused_after_a_higher_one(tmp_path: Path) -> None:
    releases = Releases(tmp_path)
    assert releases.record("planes", 4)
    with pytest.raises(TrustError, match="older than installed"):
        releases.check("planes", 3)
    releases.check("planes", 4)
    releases.check("planes", 5)


def test_each_name_has_its_own_counter(tmp_path: Path) -> None:
    releases = Releases(tmp_path)
    releases.record("planes", 4)
    releases.check("other", 1)


def test_concurrent_writers_keep_the_highest(tmp_path: Path) -> None:
    def record(release: int) -> None:
        try:
            Releases(tmp_path).record("planes", release)
        except TrustError:
            return

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(record, range(40)))
    assert Releases(tmp_path).highest("planes") == 39


def test_a_folder_that_cannot_be_written_is_told_not_raised(tmp_path: Path) -> None:
    (tmp_path / ".lock").mkdir()  # a test that runs as root cannot be kept out by permissions
    assert not Releases(tmp_path).record("planes", 1)


def test_a_damaged_counter_is_not_guessed(tmp_path: Path) -> None:
    (tmp_path / "releases.json").write_text('{"highest": {"planes": "4"}}')
    with pytest.raises(TrustError, match="damaged"):
        Releases(tmp_path).highest("planes")
