"""The spool: what was acknowledged is there after any end, once, and nothing but it."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import numpy as np
import pytest

from edge.errors import ImageError, MachineError, UsageError
from firmware_bridge.dicom.settled_log import EXPIRED
from firmware_bridge.dicom.spool import SameNameError, Spool, SpoolEntry
from firmware_bridge.dicom.spool_file import CLOCK_SET_S, SCHEMA, SpoolHead, frames_from_file, head_from_file

NAME = "dicom-" + "0" * 39


def head(number: int, **changes: object) -> SpoolHead:
    fields = {
        "schema": SCHEMA, "name": f"{NAME}{number}", "patient": "P", "study": "1.2", "machine": "",
        "height": 4, "width": 6, "channels": 1, "times_ms": (),
    }  # fmt: skip
    return SpoolHead(**{**fields, **changes})  # type: ignore[arg-type]


def put(spool: Spool, number: int, level: int = 7, frames: int = 1) -> bool:
    times_ms = tuple(40.0 * index for index in range(frames)) if frames > 1 else ()
    made = head(number, times_ms=times_ms)
    return spool.put([np.full((4, 6), level + n, np.uint8) for n in range(frames)], lambda: made)


def kept(folder: Path) -> int:
    """Files of the spool that hold something."""
    return sum(path.stat().st_size > 0 for path in (folder / "s").glob("*.spool"))


def claimed(spool: Spool) -> SpoolEntry:
    entry = spool.claim(0.0)
    assert entry is not None
    return entry


def test_an_object_comes_out_as_it_went_in(tmp_path: Path) -> None:
    with Spool(tmp_path / "s") as spool:
        assert put(spool, 1, frames=3)
        entry = claimed(spool)
        assert [int(frame[0, 0]) for frame in frames_from_file(entry.path, entry.head)] == [7, 8, 9]
        assert (entry.head.is_still, entry.head.times_ms) == (False, (0.0, 40.0, 80.0))
        assert spool.claim(0.0) is None


def test_before_put_returns_content_name_and_folders_are_synced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: dict[Path, object] = {}  # what was there when each was synced last
    fsync = os.fsync

    def noted(descriptor: int) -> None:
        path = Path(f"/proc/self/fd/{descriptor}").readlink()
        synced[path] = {one.name for one in path.iterdir()} if path.is_dir() else path.read_bytes()
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", noted)
    with Spool(tmp_path / "home" / "s") as spool:
        assert put(spool, 1)
        path, is_synced = claimed(spool).path, dict(synced)
        assert is_synced[path] == path.read_bytes()
        for one in (path, path.parent, path.parent.parent):
            names = is_synced[one.parent]
            assert isinstance(names, set)
            assert one.name in names


def test_only_the_owner_may_read_it(tmp_path: Path) -> None:
    with Spool(tmp_path / "s") as spool:
        put(spool, 1)
        modes = {path.stat().st_mode & 0o777 for path in (tmp_path / "s").iterdir()}
    assert modes == {0o600}
    assert (tmp_path / "s").stat().st_mode & 0o777 == 0o700


def test_what_was_put_is_there_after_a_restart_in_its_order(tmp_path: Path) -> None:
    with Spool(tmp_path / "s") as spool:
        for number in (3, 1, 2):
            put(spool, number)
    with Spool(tmp_path / "s") as spool:
        put(spool, 0)
        assert [claimed(spool).head.name[-1] for _ in range(4)] == ["3", "1", "2", "0"]


def test_the_same_object_is_known_while_it_waits_and_after_it_was_settled(tmp_path: Path) -> None:
    with Spool(tmp_path / "s") as spool:
        assert put(spool, 1)
        assert not put(spool, 1)
        spool.settle(claimed(spool), "kept")
        assert not put(spool, 1)
    with Spool(tmp_path / "s") as spool:
        assert not put(spool, 1)
        assert spool.claim(0.0) is None
        assert spool.counts()["kept"] == 1


def test_another_picture_under_the_same_identifier_is_refused(tmp_path: Path) -> None:
    with Spool(tmp_path / "s") as spool:
        put(spool, 1)
        with pytest.raises(SameNameError):
            put(spool, 1, level=9)
        spool.settle(claimed(spool), "kept")
        with pytest.raises(SameNameError):
            put(spool, 1, level=9)


def test_a_crash_between_log_and_removal_sends_nothing_twice(tmp_path: Path) -> None:
    with Spool(tmp_path / "s") as spool:
        put(spool, 1)
        entry = claimed(spool)
        data = entry.path.read_bytes()
        spool.settle(entry, "kept")
    entry.path.write_bytes(data)
    with Spool(tmp_path / "s") as spool:
        assert spool.claim(0.0) is None
    assert not entry.path.exists()


def test_a_half_written_object_and_a_torn_line_are_passed_over(tmp_path: Path) -> None:
    with Spool(tmp_path / "s") as spool:
        put(spool, 1)
        spool.settle(claimed(spool), "kept")
        put(spool, 2)
    (tmp_path / "s" / "00000040.spool").write_bytes(bytes(8) + b"half")
    (tmp_path / "s" / "00000041.spool").touch()
    with (tmp_path / "s" / "settled.log").open("a") as log:
        log.write(f"{NAME}2 ab")
    with Spool(tmp_path / "s") as spool:
        assert claimed(spool).head.name.endswith("2")
        assert spool.claim(0.0) is None
        assert spool.counts()["damaged"] == 0
        assert len(list((tmp_path / "s").glob("*.spool"))) == 1


def test_a_damaged_file_is_put_aside_and_counted(tmp_path: Path) -> None:
    with Spool(tmp_path / "s") as spool:
        put(spool, 1)
        put(spool, 2)
        path = claimed(spool).path
    path.write_bytes(path.read_bytes()[:-1] + b"\0")
    with Spool(tmp_path / "s") as spool:
        assert claimed(spool).head.name.endswith("2")
        assert spool.counts()["damaged"] == 1
    assert path.with_suffix(".damaged").exists()


def test_a_file_that_was_cut_since_it_was_checked_is_damaged_and_no_crash(tmp_path: Path) -> None:
    with Spool(tmp_path / "s") as spool:
        put(spool, 1)
        entry = claimed(spool)
    entry.path.write_bytes(b"1234")
    with pytest.raises(ImageError):
        list(frames_from_file(entry.path, entry.head))


def test_a_line_for_which_the_disk_has_no_room_leaves_nothing_in_the_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Spool(tmp_path / "s") as spool:
        put(spool, 1)
        entry, whole = claimed(spool), os.write
        with monkeypatch.context() as full, pytest.raises(MachineError):
            full.setattr(os, "write", lambda descriptor, data: whole(descriptor, data[:9]))
            spool.settle(entry, "kept")
        assert entry.path.exists()
        spool.settle(entry, "kept")
    assert (tmp_path / "s" / "settled.log").read_text().count("\n") == 1


def test_every_changed_byte_of_a_file_is_found(tmp_path: Path) -> None:
    with Spool(tmp_path / "s") as spool:
        put(spool, 1)
        path = claimed(spool).path
    data = path.read_bytes()
    for place in range(len(data)):
        path.write_bytes(data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :])
        with pytest.raises(ImageError):
            head_from_file(path)
    for length in (0, 10, len(data) - 1):
        path.write_bytes(data[:length])
        with pytest.raises(ImageError):
            head_from_file(path)


def test_a_full_disk_or_spool_refuses_and_leaves_nothing(tmp_path: Path) -> None:
    with Spool(tmp_path / "s", free_bytes=lambda _: 0) as spool, pytest.raises(MachineError):
        put(spool, 1)
    with Spool(tmp_path / "s", max_bytes=220) as spool:
        put(spool, 1)
        with pytest.raises(MachineError):
            put(spool, 2)
        assert kept(tmp_path) == 1
        spool.settle(claimed(spool), "kept")
        assert put(spool, 2)


def test_a_clip_that_unpacks_to_more_than_there_is_room_for_stops_at_the_limit(tmp_path: Path) -> None:
    written: list[int] = []

    def endless():  # type: ignore[no-untyped-def]
        while True:
            written.append(1)
            yield np.zeros((100, 100), np.uint8)

    with Spool(tmp_path / "s", max_bytes=1_000_000) as spool:
        with pytest.raises(MachineError):
            spool.put(endless(), lambda: head(1))
        assert len(written) == 101
        assert put(spool, 2)


def test_the_same_object_on_two_associations_at_once_is_new_once(tmp_path: Path) -> None:
    found: list[bool] = []
    with Spool(tmp_path / "s") as spool:
        threads = [threading.Thread(target=lambda: found.append(put(spool, 1))) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(found) == [False] * 7 + [True]
        assert kept(tmp_path) == 1


def test_a_failure_in_the_middle_leaves_nothing(tmp_path: Path) -> None:
    def frames():  # type: ignore[no-untyped-def]
        yield np.zeros((4, 6), np.uint8)
        raise ImageError("A frame is damaged.", "Send it again.")

    with Spool(tmp_path / "s") as spool:
        with pytest.raises(ImageError):
            spool.put(frames(), lambda: head(1))
        assert spool.claim(0.0) is None
        assert kept(tmp_path) == 0
    assert not list((tmp_path / "s").glob("*.spool"))


def test_a_held_object_stays_and_goes_out_again_after_a_restart(tmp_path: Path) -> None:
    with Spool(tmp_path / "s") as spool:
        put(spool, 1)
        entry = claimed(spool)
        spool.hold(entry)
        assert spool.claim(0.0) is None
        assert spool.counts()["held"] == 1
        assert spool.expired(3600.0) == ()
        os.utime(entry.path, (CLOCK_SET_S, CLOCK_SET_S))
        assert len(spool.expired(3600.0)) == 1
    with Spool(tmp_path / "s") as spool:
        assert claimed(spool).head.name.endswith("1")


def test_an_object_written_with_an_empty_clock_battery_is_held_as_long_as_any_other(tmp_path: Path) -> None:
    """Bug: the clock was set right, and acknowledged pictures of 1970 were forgotten at once."""
    with Spool(tmp_path / "s") as spool:
        put(spool, 1)
        spool.hold(entry := claimed(spool))
        os.utime(entry.path, (0, 0))
        assert spool.expired(3600.0) == ()
        assert entry.path.stat().st_mtime > CLOCK_SET_S


def test_an_object_that_nobody_took_in_time_is_a_new_one_when_it_is_sent_again(tmp_path: Path) -> None:
    with Spool(tmp_path / "s") as spool:
        put(spool, 1)
        spool.settle(claimed(spool), EXPIRED)
        assert put(spool, 1)
        spool.settle(claimed(spool), EXPIRED)
    with Spool(tmp_path / "s") as spool:
        assert spool.counts()[EXPIRED] == 2
        assert put(spool, 1)


def test_clips_wait_for_the_thread_that_plays_them(tmp_path: Path) -> None:
    with Spool(tmp_path / "s") as spool:
        put(spool, 1, frames=2)
        put(spool, 2)
        entry = spool.claim(0.0, stills_only=True)
        assert entry is not None
        assert entry.head.is_still
        assert spool.claim(0.0, stills_only=True) is None
        assert not claimed(spool).head.is_still


def test_a_folder_that_cannot_be_made_is_named_with_its_cure(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(MachineError, match="file cannot be written") as caught, Spool(tmp_path / "file"):
        pass
    assert "--spool" in caught.value.cure


def test_a_folder_belongs_to_one_process(tmp_path: Path) -> None:
    with Spool(tmp_path / "s"), pytest.raises(UsageError), Spool(tmp_path / "s"):
        pass
