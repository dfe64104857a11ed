"""The TensorRT backend on a simulated device: memory, batches, recording, threads, and what it says when refused."""

from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from numpy.typing import NDArray

from edge.backends.tensorrt import Port, TensorRtBackend, batches_from_count, ports_from_engine, tensorrt_from_plan
from edge.backends.tensorrt_library import tensorrt_module, told
from edge.errors import DeviceError
from tests.edge.tensorrt_simulator import SIDE_PX, SimulatedCuda, SimulatedEngine, SimulatedTensorRt


def opened(cuda: SimulatedCuda, engine: SimulatedEngine | None = None, plugin: bytes = b"plugin") -> TensorRtBackend:
    return tensorrt_from_plan(SimulatedTensorRt(engine or SimulatedEngine(cuda)), cuda, b"plan", plugin)


def frames(*levels: float) -> NDArray[np.float32]:
    return np.stack([np.full((1, SIDE_PX, SIDE_PX), level, np.float32) for level in levels])


def test_memory_is_counted_in_bytes_of_the_whole_batch() -> None:
    assert Port("frame", (1, 224, 224), True, 4).size_bytes(8) == 8 * 224 * 224 * 4
    assert Port("logits", (8,), False, 4).size_bytes(1) == 32
    assert Port("index", (), False, 8).size_bytes(3) == 24


@pytest.mark.parametrize(
    ("count", "smallest", "largest", "expected"),
    [(1, 1, 8, [1]), (8, 1, 8, [8]), (9, 1, 8, [8, 1]), (20, 1, 8, [8, 8, 4]), (3, 1, 1, [1, 1, 1]), (6, 3, 3, [3, 3])],
)
def test_a_large_batch_is_answered_in_pieces(count: int, smallest: int, largest: int, expected: list[int]) -> None:
    assert batches_from_count(count, smallest, largest) == expected


@pytest.mark.parametrize(("count", "smallest", "largest"), [(0, 1, 8), (4, 3, 3), (2, 3, 8)])
def test_a_batch_that_the_plan_cannot_take_is_told(count: int, smallest: int, largest: int) -> None:
    with pytest.raises(DeviceError, match=f"takes {smallest} to {largest} frames at once, got {count}"):
        batches_from_count(count, smallest, largest)


def test_inputs_and_outputs_are_read_from_the_engine() -> None:
    ports, smallest, largest = ports_from_engine(SimulatedEngine(SimulatedCuda(), largest=7))
    assert [(port.name, port.shape, port.is_input) for port in ports] == [
        ("frame", (1, SIDE_PX, SIDE_PX), True),
        ("logits", (3,), False),
        ("features", (1, 1, 1), False),
    ]
    assert (smallest, largest) == (1, 7)


@pytest.mark.parametrize("can_record", [True, False])
@pytest.mark.parametrize("count", [1, 2, 4, 5, 11])
def test_every_frame_gets_its_own_answer(count: int, can_record: bool) -> None:
    backend = opened(SimulatedCuda(can_record))
    levels = np.arange(1, count + 1, dtype=np.float32)
    np.testing.assert_allclose(backend.logits_from_input(frames(*levels)), np.outer(levels, [1, 2, 3]))
    np.testing.assert_allclose(backend.features_from_input(frames(*levels)), levels.reshape(-1, 1, 1, 1))
    assert backend.is_recorded == can_record
    backend.close()


def test_one_frame_is_a_launch_of_the_recorded_graph_and_more_are_not() -> None:
    cuda = SimulatedCuda()
    backend = opened(cuda)
    backend.logits_from_input(frames(1))
    assert cuda.launches == 1
    backend.logits_from_input(frames(1, 2, 3))
    assert cuda.launches == 1


def test_a_recorded_context_is_never_bound_to_another_batch() -> None:
    cuda = SimulatedCuda()
    engine = SimulatedEngine(cuda)
    backend = opened(cuda, engine)
    for batch in (2, 3, 2, 1):
        levels = np.arange(batch, dtype=np.float32)
        np.testing.assert_allclose(backend.logits_from_input(frames(*levels)), np.outer(levels, [1, 2, 3]))
    assert engine.contexts == 4  # one for single frames, and one a change of the batch


def test_all_memory_is_there_before_the_first_frame() -> None:
    cuda = SimulatedCuda()
    backend = opened(cuda)
    before = len(cuda.memory)
    backend.logits_from_input(frames(*range(9)))
    assert len(cuda.memory) == before == 3
    assert sorted(len(array) for array in cuda.memory.values()) == [16, 48, 4 * SIDE_PX * SIDE_PX * 4]


def test_threads_take_turns() -> None:
    backend = opened(SimulatedCuda())
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda level: backend.logits_from_input(frames(level)), range(40)))
    np.testing.assert_allclose(np.concatenate(answers)[:, 0], np.arange(40))


def test_an_answer_is_not_overwritten_by_the_next() -> None:
    backend = opened(SimulatedCuda())
    first = backend.logits_from_input(frames(1))
    backend.logits_from_input(frames(9))
    assert first[0, 0] == 1


def test_a_frame_of_another_size_or_an_unknown_output_is_told() -> None:
    backend = opened(SimulatedCuda())
    with pytest.raises(DeviceError, match="it takes \\(1, 8, 8\\)"):
        backend.logits_from_input(np.ones((1, 1, 9, 9), np.float32))


def test_the_name_tells_version_and_device() -> None:
    assert opened(SimulatedCuda()).name == "tensorrt 10.3.0 on Simulated"


def test_closing_frees_the_device_once() -> None:
    cuda = SimulatedCuda()
    opened(cuda).close()
    assert cuda.closed == 1


def test_a_plan_that_tensorrt_refuses_closes_the_device() -> None:
    cuda = SimulatedCuda()
    trt = SimulatedTensorRt(None, "The engine plan file is generated on an incompatible device.")
    with pytest.raises(DeviceError, match="refuses the plan: The engine plan file is generated on an") as caught:
        tensorrt_from_plan(trt, cuda, b"plan", b"")
    assert "edge compile" in caught.value.cure
    assert cuda.closed == 1


def test_a_plan_that_does_not_run_closes_the_device() -> None:
    cuda = SimulatedCuda()
    with pytest.raises(DeviceError, match="could not run the plan"):
        opened(cuda, SimulatedEngine(cuda, is_broken=True))
    assert cuda.closed == 1


def test_the_plugin_is_loaded_once_a_process_from_the_very_bytes() -> None:
    cuda = SimulatedCuda()
    trt = SimulatedTensorRt(SimulatedEngine(cuda))
    for _ in range(2):
        tensorrt_from_plan(trt, cuda, b"plan", b"plugin")
    assert trt.libraries == [b"plugin"]


def test_a_plugin_that_tensorrt_refuses_is_told() -> None:
    cuda = SimulatedCuda()
    with pytest.raises(DeviceError, match="refuses the plugin: Unable to load library") as caught:
        opened(cuda, plugin=b"no library")
    assert "\n" not in str(caught.value)
    assert cuda.closed == 1


def test_without_tensorrt_the_apt_line_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tensorrt", None)
    with pytest.raises(DeviceError, match="TensorRT is not installed here") as caught:
        tensorrt_module()
    assert "python3-libnvinfer" in caught.value.cure


def test_only_the_last_errors_are_told_and_as_one_line() -> None:
    lines = ["I building", "E first", "E second\nline", "W beware", "E third."]
    assert told(lines) == "second line; third"
    assert told(["I fine"]) == "it says nothing"
