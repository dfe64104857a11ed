"""CUDA on a machine without a driver: told in one line. With cuda-bindings simulated: its calls and errors."""

from __future__ import annotations

import sys
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest

from edge.backends.cuda import BindingsDevice, called, open_cuda, recorded
from edge.errors import DeviceError, MachineError
from edge.gpu import Gpu


class Runtime(ModuleType):
    """cuda.bindings.runtime, as far as it is used, on host memory."""

    def __init__(self, **results: Any) -> None:
        super().__init__("cuda.bindings.runtime")
        self.calls: list[str] = []
        self.memory: dict[int, np.ndarray[Any, Any]] = {}
        self.results = results
        self.cudaStreamNonBlocking, self.cudaHostAllocDefault = 1, 0
        self.cudaStreamCaptureMode = SimpleNamespace(cudaStreamCaptureModeThreadLocal=1)
        self.cudaMemcpyKind = SimpleNamespace(cudaMemcpyHostToDevice=1, cudaMemcpyDeviceToHost=2)

    def __getattr__(self, name: str) -> Any:
        if not name.startswith("cuda"):
            raise AttributeError(name)

        def call(*arguments: Any) -> tuple[Any, ...]:
            self.calls.append(name)
            if name in ("cudaMalloc", "cudaHostAlloc") and name not in self.results:
                array = np.zeros(arguments[0], np.uint8)
                self.memory[array.ctypes.data] = array
                return 0, array.ctypes.data
            return self.results.get(name, USUAL.get(name, (0,)))  # type: ignore[no-any-return]

        return call


PROPERTIES = SimpleNamespace(name=b"Orin\0\0", major=8, minor=7, multiProcessorCount=8)
USUAL: dict[str, tuple[Any, ...]] = {
    "cudaGetDeviceCount": (0, 1),
    "cudaGetDeviceProperties": (0, PROPERTIES),
    "cudaDriverGetVersion": (0, 12060),
    "cudaStreamCreateWithFlags": (0, 77),
    "cudaStreamEndCapture": (0, "graph"),
    "cudaGraphInstantiate": (0, "executable"),
    "cudaGetErrorString": (0, b"something went wrong"),
}


def device(monkeypatch: pytest.MonkeyPatch, **results: Any) -> tuple[BindingsDevice, Runtime]:
    runtime = Runtime(**results)
    bindings = ModuleType("cuda.bindings")
    bindings.runtime = runtime  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "cuda", ModuleType("cuda"))
    monkeypatch.setitem(sys.modules, "cuda.bindings", bindings)
    monkeypatch.setitem(sys.modules, "cuda.bindings.runtime", runtime)
    return BindingsDevice(), runtime


def test_without_a_package_the_pip_line_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("pycuda", "pycuda.driver", "cuda", "cuda.bindings"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(DeviceError, match="No Python package for CUDA") as caught:
        open_cuda()
    assert "'.[tensorrt]'" in caught.value.cure


def test_without_a_driver_it_is_one_line() -> None:
    pytest.importorskip("cuda.bindings", reason="no cuda-bindings")
    try:
        open_cuda().close()
    except DeviceError as error:
        assert error.exit_code == 4
        assert "There is no CUDA device here" in error.cause
        assert "\n" not in str(error)
    else:
        pytest.skip("this machine has a CUDA device")


def test_a_driver_without_a_device_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(DeviceError, match="There is no CUDA device here: the driver finds none"):
        device(monkeypatch, cudaGetDeviceCount=(0, 0))


def test_the_device_says_what_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    cuda, _ = device(monkeypatch)
    assert cuda.gpu == Gpu("Orin", 87, 8, 12060)
    assert cuda.gpu.text == "Orin (sm_87, 8 multiprocessors, CUDA driver 12.6)"
    assert cuda.stream == 77


def test_pinned_memory_is_an_array_of_its_size(monkeypatch: pytest.MonkeyPatch) -> None:
    cuda, runtime = device(monkeypatch)
    host = cuda.pinned(24)
    host[:] = 7
    assert (host.dtype, host.shape) == (np.uint8, (24,))
    assert (runtime.memory[host.ctypes.data] == 7).all()


def test_everything_is_freed_once(monkeypatch: pytest.MonkeyPatch) -> None:
    cuda, runtime = device(monkeypatch)
    cuda.allocate(8), cuda.allocate(8), cuda.pinned(8)
    launch = cuda.record(lambda: None)
    launch()
    cuda.close()
    freed = [name for name in runtime.calls if name in ("cudaFree", "cudaFreeHost", "cudaGraphExecDestroy")]
    assert sorted(freed) == ["cudaFree", "cudaFree", "cudaFreeHost", "cudaGraphExecDestroy"]
    assert runtime.calls.count("cudaStreamDestroy") == runtime.calls.count("cudaGraphLaunch") == 1


def test_exhausted_memory_is_the_machines_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    cuda, _ = device(monkeypatch, cudaMalloc=(2, None))
    with pytest.raises(MachineError, match="memory does not suffice"):
        cuda.allocate(1 << 40)


def test_an_error_names_the_call(monkeypatch: pytest.MonkeyPatch) -> None:
    cuda, _ = device(monkeypatch, cudaStreamSynchronize=(719,))
    with pytest.raises(DeviceError, match="CUDA refuses cudaStreamSynchronize: something went wrong"):
        cuda.synchronize()


def test_closing_a_failed_device_raises_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    cuda, _ = device(monkeypatch, cudaStreamSynchronize=(719,))
    cuda.close()


def test_recording_ends_even_where_the_work_fails() -> None:
    runtime = Runtime()

    def work() -> None:
        raise DeviceError("it cannot be recorded.", "launch it.")

    with pytest.raises(DeviceError, match="cannot be recorded"):
        recorded(runtime, lambda name, *rest: called(runtime, name, *rest), 77, work)
    assert runtime.calls == ["cudaStreamBeginCapture", "cudaStreamEndCapture"]


def test_a_recorded_graph_is_kept_as_an_executable_only() -> None:
    runtime = Runtime()
    assert recorded(runtime, lambda name, *rest: called(runtime, name, *rest), 77, lambda: None) == "executable"
    assert runtime.calls[-2:] == ["cudaGraphInstantiate", "cudaGraphDestroy"]


def test_cuda_bindings_takes_the_arguments_of_every_call() -> None:
    """No driver is needed to see that a call is well formed: it is refused by its status, not for its arguments."""
    runtime = pytest.importorskip("cuda.bindings.runtime", reason="no cuda-bindings")
    cuda: Any = object.__new__(BindingsDevice)
    cuda._cuda, cuda._stream, cuda._device_memory, cuda._host_memory, cuda._graphs = runtime, 0, [], [], []
    if not int(runtime.cudaGetDeviceCount()[0]):
        pytest.skip("this machine has a CUDA device")
    host = np.zeros(8, np.uint8)
    calls = {
        "allocate": lambda: cuda.allocate(8),
        "pinned": lambda: cuda.pinned(8),
        "upload": lambda: cuda.upload(1, host),
        "download": lambda: cuda.download(host, 1),
        "synchronize": cuda.synchronize,
        "record": lambda: cuda.record(lambda: None),
        "properties": lambda: called(runtime, "cudaGetDeviceProperties", 0),
        "stream": lambda: called(runtime, "cudaStreamCreateWithFlags", runtime.cudaStreamNonBlocking),
        "capture": lambda: called(runtime, "cudaStreamEndCapture", 0),
        "free": lambda: called(runtime, "cudaFree", 1),
        "host free": lambda: called(runtime, "cudaFreeHost", 1),
    }
    for name, call in calls.items():
        with pytest.raises(DeviceError, match="driver"):
            call()
            raise AssertionError(name)


@pytest.mark.gpu
def test_a_copy_to_the_device_and_back() -> None:
    pytest.importorskip("cuda.bindings", reason="no cuda-bindings")
    try:
        cuda = open_cuda()
    except DeviceError as error:
        pytest.skip(error.cause)
    with cuda.current():
        host, back, address = cuda.pinned(1024), cuda.pinned(1024), cuda.allocate(1024)
        host[:] = np.arange(1024, dtype=np.uint8)
        launch = cuda.record(lambda: (cuda.upload(address, host), cuda.download(back, address))[0])
        launch()
        cuda.synchronize()
        np.testing.assert_array_equal(back, host)
    cuda.close()
