"""The plan cache: what this device sealed comes back, anything else is refused with one line of cause and cure."""

from __future__ import annotations

import os
import stat
from dataclasses import replace
from pathlib import Path

import pytest

from edge.errors import DeviceError, EdgeError, MachineError, TrustError
from edge.gpu import Gpu
from edge.keyring import Keyring
from edge.plans import SCHEMA, Plan, PlanCache, PlanFacts
from edge.record import bytes_from_record
from edge.seal import HEADER_BYTES, Seal

BUNDLE = "ab" * 32
ORIN = Gpu("Orin", 87, 8, 12060)
COMMAND = "edge compile X.edge --target tensorrt"
FACTS = PlanFacts(
    schema=SCHEMA,
    bundle=BUNDLE,
    name="test-planes",
    created="2026-11-21T00:00:00+00:00",
    tensorrt="10.3.0",
    gpu=ORIN,
    plugin="cd" * 32,
    options={"linear": "conv", "max_batch": "8"},
    layers=800,
    scans=6,
    plugin_bytes=6,
)
PLAN = Plan(FACTS, b"plugin", b"engine")


@pytest.fixture
def cache(tmp_path: Path) -> PlanCache:
    return PlanCache(tmp_path / "home")


@pytest.fixture
def file(cache: PlanCache) -> Path:
    return cache.save(PLAN)


def found(cache: PlanCache, tensorrt: str = "10.3.0", gpu: Gpu = ORIN) -> Plan:
    return cache.find(BUNDLE, tensorrt, gpu, COMMAND)


def check_lines(error: EdgeError) -> None:
    assert error.cause.count("\n") == error.cure.count("\n") == 0
    assert COMMAND in error.cure


def test_a_plan_comes_back_with_its_plugin(cache: PlanCache, file: Path) -> None:
    assert found(cache) == PLAN
    assert file.name.startswith(f"{BUNDLE[:16]}-")
    assert cache.facts() == (FACTS,)


def test_files_and_folders_are_private(cache: PlanCache, file: Path) -> None:
    cache.save_log(BUNDLE, "conv", [])
    for path in (file, cache.log(BUNDLE, "conv"), cache.home / "private" / "device.mac"):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_a_log_needs_no_plan_and_replaces_the_one_before(cache: PlanCache) -> None:
    for lines in (["I first", "E last"], ["I again"]):
        cache.save_log(BUNDLE, "conv", lines)
    (log,) = cache.folder.iterdir()
    assert (log, log.read_text()) == (cache.log(BUNDLE, "conv"), "I again\n")
    assert [stat.S_IMODE(path.stat().st_mode) for path in (log, cache.folder)] == [0o600, 0o700]


def test_without_a_plan_the_command_is_told(cache: PlanCache) -> None:
    with pytest.raises(DeviceError, match=r"no plan yet for TensorRT 10\.3\.0 on Orin \(sm_87") as caught:
        found(cache)
    check_lines(caught.value)
    assert not cache.home.exists()


@pytest.mark.parametrize(
    ("tensorrt", "gpu"),
    [
        ("10.16.1", ORIN),
        ("10.3.0", replace(ORIN, driver=13020)),
        ("10.3.0", replace(ORIN, multiprocessors=16)),
        ("10.3.0", Gpu("Thor", 110, 20, 13000)),
    ],
)
def test_another_version_or_device_is_told_with_what_was_built_where(
    tensorrt: str, gpu: Gpu, cache: PlanCache, file: Path
) -> None:
    with pytest.raises(DeviceError) as caught:
        found(cache, tensorrt, gpu)
    check_lines(caught.value)
    assert "was built 2026-11-21T00:00:00+00:00 by TensorRT 10.3.0 on Orin (sm_87" in caught.value.cause
    assert f"this is TensorRT {tensorrt} on {gpu.text}" in caught.value.cause


@pytest.mark.parametrize("position", ["magic", "mac", "length", "facts", "plugin", "plan", "end"])
def test_a_changed_byte_is_noticed_before_anything_is_parsed(position: str, cache: PlanCache, file: Path) -> None:
    data = bytearray(file.read_bytes())
    places = {"magic": 1, "mac": 10, "length": HEADER_BYTES, "facts": HEADER_BYTES + 9, "end": len(data) - 1}
    places |= {"plugin": data.index(b"plugin", len(data) - 20), "plan": data.index(b"engine", len(data) - 20)}
    data[places[position]] ^= 1
    file.write_bytes(data)
    with pytest.raises(TrustError, match="its seal does not hold") as caught:
        found(cache)
    check_lines(caught.value)
    assert f"rm {file}" in caught.value.cure


@pytest.mark.parametrize("size", [0, 8, 39, 40, 60])
def test_a_truncated_plan_is_refused(size: int, cache: PlanCache, file: Path) -> None:
    file.write_bytes(file.read_bytes()[:size])
    with pytest.raises(TrustError, match="its seal does not hold"):
        found(cache)


def test_another_devices_plan_is_refused(cache: PlanCache, file: Path, tmp_path: Path) -> None:
    other = PlanCache(tmp_path / "other")
    other.save(PLAN)
    file.write_bytes(next(other.folder.glob("*.plan")).read_bytes())
    with pytest.raises(TrustError, match="made by another device"):
        found(cache)


def test_a_plan_without_this_devices_key_is_refused(cache: PlanCache, file: Path) -> None:
    (cache.home / "private" / "device.mac").unlink()
    with pytest.raises(TrustError, match="its seal does not hold"):
        found(cache)


def test_a_key_that_others_can_read_seals_nothing(cache: PlanCache, file: Path) -> None:
    (cache.home / "private" / "device.mac").chmod(0o644)
    for act in (lambda: found(cache), lambda: cache.save(PLAN)):
        with pytest.raises(TrustError, match="readable by other users"):
            act()


def test_a_damaged_key_is_told(cache: PlanCache, file: Path) -> None:
    (cache.home / "private" / "device.mac").write_text("short")
    with pytest.raises(TrustError, match="is damaged"):
        found(cache)


def test_a_sealed_file_of_another_kind_is_no_plan(cache: PlanCache, file: Path) -> None:
    Seal(cache.home).save(file, "timing", b"anything")
    with pytest.raises(TrustError, match="its seal does not hold"):
        found(cache)


@pytest.mark.parametrize("facts", [ORIN, replace(FACTS, schema=SCHEMA + 1)])
def test_a_sealed_plan_of_another_layout_is_told(facts: object, cache: PlanCache, file: Path) -> None:
    body = bytes_from_record(facts)
    Seal(cache.home).save(file, "plan", len(body).to_bytes(4, "little") + body)
    with pytest.raises(TrustError, match="of another version") as caught:
        found(cache)
    check_lines(caught.value)


def test_another_bundles_plan_does_not_serve_under_this_ones_name(cache: PlanCache, file: Path) -> None:
    other = cache.save(Plan(replace(FACTS, bundle="ef" * 32), b"plugin", b"other"))
    other.replace(file)
    with pytest.raises(TrustError, match="is the plan of another bundle") as caught:
        found(cache)
    check_lines(caught.value)


def test_a_sound_plan_serves_beside_a_broken_one(cache: PlanCache, file: Path) -> None:
    broken = file.with_name(f"{BUNDLE[:16]}-0.plan")
    broken.write_bytes(b"not sealed")
    assert found(cache) == PLAN
    assert cache.facts() == (FACTS,)


def test_a_new_plan_replaces_the_old_one_of_the_same_board(cache: PlanCache, file: Path) -> None:
    newer = replace(FACTS, tensorrt="10.16.1")
    path = cache.save(Plan(newer, b"plugin", b"other"))
    assert not file.exists()
    assert found(cache, "10.16.1").plan == b"other"
    assert path.exists()


def test_plans_of_other_boards_and_bundles_stay(cache: PlanCache, file: Path) -> None:
    for facts in (replace(FACTS, gpu=Gpu("Thor", 110, 20, 13000)), replace(FACTS, bundle="ef" * 32)):
        cache.save(Plan(facts, b"plugin", b"engine"))
    assert file.exists()
    assert len(cache.facts()) == 3


def test_every_choice_gives_a_plan_its_own_name(cache: PlanCache, file: Path) -> None:
    changes = (
        {"options": {"linear": "matmul", "max_batch": "8"}},
        {"plugin": "00" * 32},
        {"gpu": replace(ORIN, driver=1)},
    )
    keys = {FACTS.key, *(replace(FACTS, **change).key for change in changes)}
    assert len(keys) == 4
    assert replace(FACTS, created="later", layers=1).key == FACTS.key


def test_timings_come_back_only_as_they_were_sealed(cache: PlanCache) -> None:
    assert cache.load_timing("10.3.0", ORIN) == b""
    cache.save_timing("10.3.0", ORIN, b"timings")
    assert cache.load_timing("10.3.0", ORIN) == b"timings"
    assert cache.load_timing("10.4.0", ORIN) == b""
    (file,) = cache.folder.glob("*.cache")
    file.write_bytes(file.read_bytes() + b"x")
    assert cache.load_timing("10.3.0", ORIN) == b""


def test_the_devices_key_is_no_signing_key(cache: PlanCache, file: Path) -> None:
    keyring = Keyring(cache.home)
    assert keyring.keys() == ()
    keyring.new("device")
    assert found(cache) == PLAN


@pytest.mark.skipif(os.geteuid() == 0, reason="root writes everywhere")
def test_a_folder_that_cannot_be_written_is_told(cache: PlanCache) -> None:
    cache.home.mkdir()
    cache.home.chmod(0o500)
    with pytest.raises(MachineError, match="cannot be written"):
        cache.save(PLAN)
