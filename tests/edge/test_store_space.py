from __future__ import annotations

import json
import resource
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from edge.errors import MachineError
from edge.store_check import check_store
from edge.store_space import MIB, Space, reserve_file
from tests.edge.stored import BUNDLE, filled, jpeg_from_seed, opened


def test_a_real_full_disk_refuses_captures_ends_exams_and_loses_nothing(tmp_path: Path) -> None:
    wrapper = ("unshare", "--map-root-user", "--mount")
    if shutil.which("unshare") is None or subprocess.run([*wrapper, "true"], check=False).returncode:
        pytest.skip("no mount namespace here: the disk cannot be made small")
    command = [*wrapper, sys.executable, "-m", "tests.edge.store_on_small_disk", str(tmp_path)]
    root = Path(__file__).parents[2]
    run = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False, timeout=120)
    assert run.returncode == 0, run.stderr
    done = json.loads(run.stdout)
    assert "takes no new capture" in done.pop("refused")
    assert "is full; nothing acknowledged is lost" in done.pop("at_last")
    assert done.pop("taken") > 10
    states = {"state": "full", "full": "full", "probe_full": "full", "after_deletion": "ok"}
    truths = ("reserve", "event_below_the_floor", "ended", "half_a_reserve", "kept_while_full", "opens_full")
    figures = {"free": 0, "deleted": 1, "works_again": [1, 2, 3]}
    assert done == {**states, **dict.fromkeys((*truths, "reserve_again"), True), **figures}


def test_below_the_floor_captures_are_refused_and_events_go_on(tmp_path: Path) -> None:
    free = [100 * MIB]
    space = Space(floor_bytes=64 * MIB, reserve_bytes=0, free_bytes=lambda _: free[0])
    with opened(tmp_path / "x.db", space=space) as store:
        exam = filled(store, "Li")
        assert store.state().state == "ok"
        free[0] = 63 * MIB
        assert store.state().state == "full"
        assert store.state().reason == "63.0 MiB free where the exams lie, 64.0 MiB needed."
        with pytest.raises(MachineError, match="takes no new capture") as refused:
            store.append(exam, "capture", {}, jpeg_from_seed(1))
        assert "purge" in refused.value.cure
        with pytest.raises(MachineError, match="takes no new capture"):
            store.new_exam({}, BUNDLE)
        assert store.append(exam, "end", {}) == 4
        free[0] = 64 * MIB
        assert store.append(exam, "capture", {}, jpeg_from_seed(1)) == 5


def test_a_folder_that_is_gone_is_a_failed_store(tmp_path: Path) -> None:
    def gone(folder: Path) -> int:
        raise FileNotFoundError(2, "No such file or directory", str(folder))

    with opened(tmp_path / "x.db", space=Space(0, 0, gone)) as store:
        assert store.state().state == "failed"
        assert "No such file" in store.state().reason


@pytest.fixture
def file_limit() -> Iterator[int]:
    """What no file may grow beyond; a write behind it fails as on a broken disk. Lifted by the test."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    yield hard
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_an_io_error_loses_nothing_and_writing_goes_on_when_it_ends(tmp_path: Path, file_limit: int) -> None:
    with opened(tmp_path / "x.db") as store:
        exam = filled(store, "Li")
        resource.setrlimit(resource.RLIMIT_FSIZE, ((tmp_path / "x.db-wal").stat().st_size + 5000, file_limit))
        with pytest.raises(MachineError, match="nothing acknowledged is lost"):
            store.append(exam, "capture", {}, jpeg_from_seed(9, 50_000))
        assert store.state().state == "failed"
        assert "I/O" in store.state().reason
        assert store.probe().state == "failed"
        assert [store.jpeg(exam, n) for n in (1, 2, 3)] == [jpeg_from_seed(n) for n in (1, 2, 3)]
        resource.setrlimit(resource.RLIMIT_FSIZE, (file_limit, file_limit))
        assert store.probe().state == "ok"
        assert store.append(exam, "capture", {}, jpeg_from_seed(9, 50_000)) == 4
        assert check_store(store).records == 5


def test_the_reserve_is_set_aside_only_where_there_is_room(tmp_path: Path) -> None:
    free = [MIB]
    space = Space(floor_bytes=0, reserve_bytes=2 * MIB, free_bytes=lambda _: free[0])
    with opened(tmp_path / "x.db", space=space) as store:
        assert not reserve_file(store.path).exists()
        free[0] = 3 * MIB
        store.probe()
        assert reserve_file(store.path).stat().st_size == 2 * MIB
